"""How the Phase 2 networks start: by strategy, with the knobs, and their targets with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import phase1
import pytest
import torch
from config import Phase2Config, Started, Strategy, create_phase2_networks, example_inputs, in_mode, modules
from losses import NETWORKS, everywhere
from torch.nn.utils import parametrize

import initrules
from initrules.errors import RuleError
from support import isolation

FOLDER = Path(__file__).parent.parent / "examples/phase2"
TARGETS = {"v_h_e": 0.5, "x_h": 0.5, "u_r": -(2**1.1), "q_r": -9 * 2**1.1, "v_r": -10 * 2**1.1}


def started(**options: Any) -> Started:
    with isolation():
        return create_phase2_networks(Phase2Config(**options))


def wrapped(networks: Any) -> int:
    found = {id(part) for network in modules(networks).values() for part in network.modules()
             if parametrize.is_parametrized(part)}  # fmt: skip
    return len(found)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("phase1") / "phase1.pt"
    phase1.save(file, steps=1, dropout=0.0, channels=(32,))
    return file


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_targets_start_where_networks_do(strategy: Strategy, checkpoint: Path) -> None:
    made = started(init_strategy=strategy, init_checkpoint=checkpoint if strategy == "transfer" else None)
    networks, copies = in_mode(made.networks, training=False), made.targets
    assert made.plan.errors == ()
    for name, output in everywhere(networks).items():
        assert torch.equal(output, everywhere(copies)[name]), name
    assert copies.x_h is not None
    assert copies.x_h.state_encoder is copies.v_h_e.state_encoder
    assert copies.v_h_e.state_encoder is not networks.v_h_e.state_encoder
    assert not any(network.training for network in modules(copies).values())


@pytest.mark.parametrize("strategy", ["output-aware", "full"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_outputs_start_at_their_targets(strategy: Strategy, *, training: bool) -> None:
    networks = in_mode(started(init_strategy=strategy).networks, training=training)
    for name, output in everywhere(networks).items():
        assert torch.allclose(output, torch.tensor(TARGETS[name]), rtol=1e-5), name


def test_every_parameter_learns_after_two_steps() -> None:
    made = started(init_strategy="full")
    optimizer = torch.optim.SGD(made.plan.param_groups(lr=1e-2))
    for _ in range(2):
        optimizer.zero_grad()
        for name, network in modules(made.networks).items():
            network(*example_inputs()[name]).square().mean().backward()
        optimizer.step()
    named = [pair for group in optimizer.param_groups for pair in zip(group["names"], group["params"], strict=True)]
    assert [name for name, parameter in named if not bool(parameter.grad.any())] == []


def test_knobs() -> None:
    made = started(init_strategy="full", init_output_bias_v_h_e=0.25, init_output_bias_q_r=5.0)
    found = everywhere(made.networks)
    assert torch.allclose(found["v_h_e"], torch.tensor(0.25))
    assert torch.allclose(found["q_r"], torch.tensor(-math.log1p(math.exp(5))))
    assert wrapped(made.networks) == 2 * len(NETWORKS)
    assert wrapped(started(init_strategy="full", init_use_spectral_norm=False).networks) == 0
    assert wrapped(started(init_strategy="orthogonal", init_use_spectral_norm=True).networks) == 2 * len(NETWORKS)


def test_another_discount_moves_the_outputs() -> None:
    objective = Phase2Config().objective.__class__(gamma=0.5, eta=1.0)
    found = everywhere(started(objective=objective).networks)
    assert torch.allclose(found["v_r"], torch.tensor(-4.0))
    assert torch.allclose(found["q_r"], torch.tensor(-2.0))


def test_transfer_loads_what_phase_1_learned(checkpoint: Path) -> None:
    networks: Any = started(init_strategy="transfer", init_checkpoint=checkpoint).networks
    stored = torch.load(checkpoint, weights_only=True)[phase1.KEY]
    for encoder in (networks.v_h_e.state_encoder, networks.q_r.own_state_encoder):
        assert torch.equal(encoder.output_fc.weight, stored["state_encoder.output_fc.weight"])
    assert stored["goal_encoder.fc.weight"].shape != networks.v_h_e.goal_encoder.fc.weight.shape


def test_transfer_without_a_checkpoint_says_so() -> None:
    with pytest.raises(RuleError, match=r"phase1\.pt"):
        started(init_strategy="transfer")


def test_the_plans_literal_biases_are_not_where_they_were_meant() -> None:
    with isolation():
        networks = create_phase2_networks(
            Phase2Config(), lambda built: applied(built, FOLDER / "literal.yaml")
        ).networks
    found = {name: float(output.mean()) for name, output in everywhere(networks).items() if name != "u_r"}
    assert found == pytest.approx({"v_h_e": 0, "x_h": 0, "q_r": -1.3133, "v_r": -0.3133}, abs=1e-4)


def test_layerwise_rates() -> None:
    made = started()
    plan = initrules.plan(made.networks, FOLDER / "layerwise.yaml")
    rates = {name: group["lr"] for group in plan.param_groups(lr=1.0) for name in group["names"]}
    assert rates["v_h_e.state_encoder.output_fc.weight"] == pytest.approx(0.49)
    assert rates["q_r.q_head.2.bias"] == pytest.approx(0.7)
    assert rates["q_r.q_head.4.bias"] == 1


def applied(networks: Any, rules: Path) -> initrules.Plan:
    plan = initrules.plan(networks, rules)
    plan.apply_(seed=0)
    return plan
