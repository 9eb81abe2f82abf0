"""What a training function is given: rules applied with the run's seed, and a log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ablations import RULES
from initrules.ablation.study import Arm
from initrules.ablation.training import Initialise, Log, Start
from initrules.errors import ModelError
from support import isolated, isolation


@isolated
def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))


@pytest.fixture
def rules(tmp_path: Path) -> str:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    return str(tmp_path / "rules.yaml")


def test_without_rules_the_model_stays_as_built_and_is_described() -> None:
    model, starts = network(), list[Start]()
    before = [p.detach().clone() for p in model.parameters()]
    plan = Initialise(Arm("a"), 0, starts.append)(model)
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
    assert [(start["parameter"], start["shape"], start["rule"]) for start in starts] == [
        ("0.weight", [4, 3], ""), ("0.bias", [4], ""), ("1.weight", [1, 4], ""), ("1.bias", [1], "")
    ]  # fmt: skip
    assert starts[0]["std"] == pytest.approx(float(before[0].std(correction=0)), rel=1e-6)
    assert [group["lr"] for group in plan.param_groups(lr=0.5)] == [0.5]


def test_rules_are_applied_with_the_seed_of_the_run(rules: str) -> None:
    def value(seed: int) -> torch.Tensor:
        model = network()
        Initialise(Arm("a", rules, {"gain": 3}), seed)(model)
        return model.get_parameter("0.weight").detach()

    assert torch.equal(value(0), value(0))
    assert not torch.equal(value(0), value(1))
    assert torch.allclose(value(1).T @ value(1), 9 * torch.eye(3), atol=1e-4)


@pytest.mark.parametrize("stream", ["keyed", "global"])
def test_training_draws_the_same_numbers_in_every_arm(tmp_path: Path, stream: str) -> None:
    (tmp_path / "r.yaml").write_text(f"{RULES}stream: {stream}\n", encoding="utf-8")
    with isolation():
        Initialise(Arm("a", str(tmp_path / "r.yaml")), 5)(network())
        after = torch.rand(3)
    with isolation():
        assert torch.equal(after, torch.rand(3))


def test_a_second_model_has_a_name_and_other_numbers(rules: str) -> None:
    starts: list[Start] = []
    initialise = Initialise(Arm("a", rules), 0, starts.append)
    one, other = network(), network()
    initialise(one, name="actor")
    initialise(other, name="critic")
    assert [start["parameter"] for start in starts][::4] == ["actor.0.weight", "critic.0.weight"]
    assert not torch.equal(one.get_parameter("0.weight"), other.get_parameter("0.weight"))
    with pytest.raises(ModelError, match="initialise was called twice for the model 'actor'"):
        initialise(one, name="actor")


def test_checkpoints_at_hand_go_to_the_arms_whose_rules_load_them(tmp_path: Path, rules: str) -> None:
    (tmp_path / "load.yaml").write_text(
        "initrules: 1\nsources: {old: {file: none.pt}}\n"
        'rules: [{rule: all, select: {type: Linear}, set: {"*": {load: {source: old}}}}]\n',
        encoding="utf-8",
    )
    state = {name: torch.full_like(value, 7.0) for name, value in network().state_dict().items()}
    model = network()
    Initialise(Arm("warm", str(tmp_path / "load.yaml")), 0)(model, sources={"old": state})
    assert all(bool((p == 7).all()) for p in model.parameters())
    Initialise(Arm("cold", rules), 0)(network(), sources={"old": state})  # knows no such source


def test_warnings_of_the_rules_go_to_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(
        "initrules: 1\nrules:\n- {rule: a, select: {type: Linear}, set: {wieght: zeros, bias: zeros}}\n",
        encoding="utf-8",
    )
    Initialise(Arm("a", str(tmp_path / "r.yaml")), 0)(network())
    assert "'wieght'" in capsys.readouterr().out


class Kept:
    """A log, and what it keeps."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, Mapping[str, float | None]]] = []
        self.log = Log(lambda step, values: self.lines.append((step, values)))


def test_numbers_of_many_kinds() -> None:
    kept = Kept()
    kept.log(3, {"error/q": torch.tensor(0.5, requires_grad=True)}, a=1, b=np.float64(2), step=np.array([4.0]))
    kept.log(4, loss=math.nan, other=-math.inf)
    assert kept.lines == [
        (3.0, {"error/q": 0.5, "a": 1.0, "b": 2.0, "step": 4.0}),
        (4.0, {"loss": None, "other": None}),
    ]


@pytest.mark.parametrize("value", [pytest.param("text", id="text"), pytest.param(torch.zeros(2), id="two entries")])
def test_what_is_no_number(value: Any) -> None:
    with pytest.raises(ModelError, match="the logged 'x' is no number"):
        Kept().log(0, x=value)


@dataclass
class Both:
    actor: nn.Module
    critic: nn.Module | None = None


def test_gradient_norms_of_each_network() -> None:
    kept, model = Kept(), network()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    other = network()
    kept.log.gradients(1, one=model, both=Both(model), some=[model[1].weight], none=other)
    norms = {"gradients/one": math.sqrt(21), "gradients/both": math.sqrt(21), "gradients/some": 2.0}
    assert [step for step, _ in kept.lines] == [1.0]
    assert dict(kept.lines[0][1]) == pytest.approx(norms)


def test_outputs_before_the_first_step() -> None:
    log = Kept().log
    log.outputs(y=torch.tensor([[1.0, 3.0]], requires_grad=True), nested={"a": [torch.zeros(1), torch.tensor(4.0)]})
    assert log.first_outputs["y"] == {"mean": 2.0, "std": 1.0, "min": 1.0, "max": 3.0}
    assert log.first_outputs["nested"] == {"mean": 2.0, "std": 2.0, "min": 0.0, "max": 4.0}
    log.outputs(empty=torch.zeros(0), wild=torch.tensor([math.nan, 1.0]))
    assert log.first_outputs["empty"] == dict.fromkeys(("mean", "std", "min", "max"))
    assert log.first_outputs["wild"]["mean"] is None
    with pytest.raises(ModelError, match="the first outputs of 'y' were recorded before"):
        log.outputs(y=torch.zeros(1))
    with pytest.raises(ModelError, match="the output 'z' holds no tensor"):
        log.outputs(z=3)
