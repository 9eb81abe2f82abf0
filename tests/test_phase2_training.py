"""Phase 2 training in the small world: the schedule, who trains what, what is logged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from board import train_logged
from config import Phase2Config, build, modules
from losses import NETWORKS
from schedule import Schedule
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training import owned, train_phase2

from support import isolation

SHORT: dict[str, Any] = {"steps": 12, "warm_up": 4, "ramp": 2, "batch": 8, "log_interval": 1, "evaluation_interval": 6}


class Kept:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.values: dict[str, dict[float, float]] = {}
        self.first: dict[str, torch.Tensor] = {}

    def __call__(self, step: float, values: Mapping[str, Any], /) -> None:
        for name, value in values.items():
            self.values.setdefault(name, {})[step] = float(torch.as_tensor(value).detach())

    def gradients(self, step: float, /, **networks: Any) -> None:
        for name, parameters in networks.items():
            norm = torch.nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
            self(step, {f"gradients/{name}": norm})

    def outputs(self, **outputs: torch.Tensor) -> None:
        self.first.update(outputs)


def trained(**options: Any) -> tuple[dict[str, float], Kept]:
    log = Kept()
    with isolation():
        return train_phase2(Phase2Config(**{**SHORT, **options}), log), log


@pytest.mark.parametrize(
    ("step", "learning", "share"),
    [
        pytest.param(0, 1, 0.0, id="v_h_e alone"),
        pytest.param(24, 1, 0.0, id="the last step of its stage"),
        pytest.param(25, 2, 0.0, id="x_h joins"),
        pytest.param(50, 3, 0.0, id="u_r joins"),
        pytest.param(75, 5, 0.0, id="q_r and v_r join"),
        pytest.param(100, 5, 0.0, id="the ramp begins"),
        pytest.param(120, 5, 0.4, id="on the ramp"),
        pytest.param(150, 5, 1.0, id="decided"),
    ],
)
def test_schedule(step: int, learning: int, share: float) -> None:
    schedule = Schedule(warm_up=100, ramp=50)
    assert schedule.learning(step) == NETWORKS[:learning]
    assert schedule.share_of_beta(step) == pytest.approx(share)


def test_without_warm_up_all_learn_at_once() -> None:
    schedule = Schedule(warm_up=0, ramp=0)
    assert schedule.learning(0) == NETWORKS
    assert schedule.share_of_beta(0) == 1


def test_every_parameter_belongs_to_one_loss() -> None:
    with isolation():
        networks = build()
    found = [id(parameter) for name in NETWORKS for parameter in owned(networks, name)]
    every = {id(parameter) for network in modules(networks).values() for parameter in network.parameters()}
    assert len(found) == len(set(found))
    assert set(found) == every


def test_networks_join_in_their_order() -> None:
    result, log = trained()
    assert {name: min(log.values[f"loss/{name}"]) for name in NETWORKS} == {
        "v_h_e": 0, "x_h": 1, "u_r": 2, "q_r": 3, "v_r": 3
    }  # fmt: skip
    assert set(result) == {"score", "q_error", "v_error", "area"}
    assert list(log.values["score"]) == [6, 12]
    assert result["area"] == pytest.approx(sum(log.values["score"].values()) / 2)


def test_equal_seeds_give_equal_numbers() -> None:
    one, other = trained(warm_up=0, ramp=0)[0], trained(warm_up=0, ramp=0)[0]
    assert one == other


def test_gradients_are_logged_before_clipping() -> None:
    _, log = trained(init_strategy="default", warm_up=0, ramp=0, clip=1e-3)
    assert log.values["gradients/q_r"][0] > 1


def test_output_aware_networks_begin_with_small_losses() -> None:
    _, aware = trained(init_strategy="full", warm_up=0, ramp=0)
    _, plain = trained(init_strategy="default", warm_up=0, ramp=0)
    for name in ("v_r", "u_r"):
        assert aware.values[f"loss/{name}"][0] < plain.values[f"loss/{name}"][0] / 10, name
    assert float(aware.first["q_r"].std()) == 0


def test_tensorboard_gets_the_strategy_and_the_start(tmp_path: Path) -> None:
    with isolation():
        result = train_logged(Phase2Config(**SHORT, init_strategy="orthogonal"), tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()
    assert {"init/strategy/text_summary", "init/plan/text_summary"} <= set(tags["tensors"])
    assert events.Tensors("init/strategy/text_summary")[0].tensor_proto.string_val == [b"orthogonal"]
    hidden = next(tag for tag in tags["scalars"] if tag.startswith("init/head-hidden/") and tag.endswith(".bias/std"))
    assert events.Scalars(hidden)[0].value == 0
    assert events.Scalars("score")[-1].value == pytest.approx(result["score"], abs=1e-6)
    assert {f"first output/{name}" for name in NETWORKS} <= set(tags["histograms"])
