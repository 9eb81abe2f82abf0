"""The Phase 2 networks start where their rule sets say and learn everywhere; what a literal plan breaks is told."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import initrules
from initrules import ruleset
from reference import example
from support import isolated, isolation

PHASE_2 = example("phase2")
# V and X in the middle of their range; U = -(X**-1)**1.1, V_r = U / (1 - 0.9), Q_r = 0.9 V_r
TARGETS = {"v_h_e": 0.5, "x_h": 0.5, "u_r": -2.143547, "v_r": -21.43547, "q_r": -19.29192}
STRATEGIES = [
    pytest.param("output-aware", PHASE_2.build, {}, id="output-aware"),
    pytest.param("full", PHASE_2.build, {}, id="full"),
    pytest.param("full", PHASE_2.build, {"share": False}, id="nothing shared"),
    pytest.param("full", PHASE_2.build, {"dropout": 0.0, "hidden": 16}, id="narrow heads without dropout"),
    pytest.param("env-shared", PHASE_2.build, {}, id="with dropout"),
    pytest.param("env-small", PHASE_2.build_small, {}, id="small"),
]


def started(rules: str, build: Any = PHASE_2.build, **arguments: Any) -> tuple[Any, initrules.Plan]:
    model = isolated(build)(**arguments)
    plan = initrules.plan(model, f"preset:phase2/{rules}")
    plan.apply_(seed=0)
    return model, plan


def last(network: nn.Module) -> nn.Linear:
    (head,) = (child for name, child in network.named_children() if name.endswith("_head"))
    return [module for module in head.modules() if isinstance(module, nn.Linear)][-1]


def networks(model: Any) -> dict[str, nn.Module]:
    return {name: getattr(model, name) for name in TARGETS}


@pytest.mark.parametrize(("rules", "build", "arguments"), STRATEGIES)
def test_every_expectation_holds_in_train_and_eval(rules: str, build: Any, arguments: dict[str, Any]) -> None:
    model, plan = started(rules, build, **arguments)
    assert [one.values["modes"] for one in plan.data.rules.expect] == [("train", "eval")] * 6
    verdict = initrules.verify(model, plan, PHASE_2.example_inputs(), seed=0)
    assert (verdict.problems, verdict.expected, verdict.skipped, verdict.untested) == ((), 6, 0, ())


@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("rules", "build", "arguments"), STRATEGIES)
def test_the_outputs_are_the_targets(rules: str, build: Any, arguments: dict[str, Any], mode: bool) -> None:
    """Without verify: what the networks themselves return, for every example."""
    model, _ = started(rules, build, **arguments)
    inputs = PHASE_2.example_inputs()
    for name, network in networks(model).items():
        with torch.no_grad(), isolation():
            output = network.train(mode)(*inputs[name])
        assert output.flatten().tolist() == pytest.approx([TARGETS[name]] * output.numel(), rel=1e-5), name


@pytest.mark.parametrize(("rules", "build", "arguments"), STRATEGIES)
def test_every_trainable_parameter_gets_gradient_within_two_steps(
    rules: str, build: Any, arguments: dict[str, Any]
) -> None:
    """Without verify: two steps of SGD on squared errors to random targets, as a training loop takes them."""
    model, _ = started(rules, build, **arguments)
    inputs = PHASE_2.example_inputs()
    trained = {
        id(p): (f"{name}.{path}", p)
        for name, network in networks(model).items() for path, p in network.named_parameters()
    }  # fmt: skip
    optimizer = torch.optim.SGD([p for _, p in trained.values()], lr=0.01)
    silent = []
    for step in range(2):
        optimizer.zero_grad()
        with isolation(step):
            outputs = [network.train()(*inputs[name]) for name, network in networks(model).items()]
            loss: Any = sum((one - torch.randn_like(one)).square().mean() for one in outputs)
            loss.backward()
        silent.append({name for name, p in trained.values() if p.grad is None or not bool(p.grad.any())})
        optimizer.step()
    assert len(silent[0]) == len(trained) - 10, "only the five last layers, which are zero, move in the first step"
    assert silent[1] == set()


@pytest.mark.parametrize("name", TARGETS)
def test_an_output_that_is_off_is_found_in_both_modes(name: str) -> None:
    model, plan = started("full")
    with torch.no_grad():
        last(getattr(model, name)).bias.add_(0.001)
    found = initrules.verify(model, plan, PHASE_2.example_inputs()).problems
    assert [(one.subject, one.message.partition(" in ")[2].partition(",")[0]) for one in found
            if one.check == "output"] == [(name, "train mode"), (name, "eval mode")]  # fmt: skip
    assert [one.check for one in found if one.check != "output"] == ["value"]


def changed(text: str) -> list[str]:
    """What verify says of the networks after ``output-aware`` with these rules on top."""
    model, plan = started("output-aware")
    initrules.apply_(model, ruleset.from_text(f"initrules: 1\nrules: [{text}]"))
    found = initrules.verify(model, plan, PHASE_2.example_inputs()).problems
    return [f"{one.subject} {one.message}" for one in found if one.check in {"output", "gradient"}]


def test_the_bias_of_v_r_with_the_sign_of_q() -> None:
    said = "expected -21.4355 ± 0.0001"
    assert changed("{rule: r, select: {inside: v_r.value_head, type: Linear, pick: last}, set: {bias: 2}}") == [
        f"v_r has a mean output of -0.126928 in train mode, {said}",
        f"v_r has a mean output of -0.126928 in eval mode, {said}",
    ]


def test_heads_that_are_zeroed_by_their_width() -> None:
    """64 outputs of Q are as many as the hidden layers have."""
    narrow = "select: {inside: q_r.q_head, type: Linear, where: module.out_features <= 64}"
    found = changed(f"{{rule: r, {narrow}, set: {{weight: zeros}}, optional: true}}")
    silent = {one.partition(" ")[0] for one in found if "gets no gradient in train mode after 1 update" in one}
    assert {"q_r.q_head.0.weight", "q_r.q_head.0.bias", "q_r.own_state_encoder.output_fc.weight"} <= silent


def test_a_bias_beyond_the_edge_of_the_clamp() -> None:
    found = changed("{rule: r, select: {inside: x_h.value_head, type: Linear, pick: last}, set: {bias: -0.1}}")
    assert "x_h has a mean output of 0 in eval mode, expected 0.5 ± 0.0001" in found
    assert "x_h.value_head.0.weight gets no gradient in eval mode after 1 update" in found
    assert not any("x_h.value_head.0.weight gets no gradient in train mode" in one for one in found)


def test_without_inputs_nothing_is_claimed() -> None:
    model, plan = started("full")
    verdict = initrules.verify(model, plan, seed=0)
    assert (verdict.problems, verdict.expected, verdict.skipped) == ((), 0, 6)
