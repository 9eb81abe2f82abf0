"""Scratch draws of single parameters: the values that apply writes, and what needs a model."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from initrules import recording
from initrules.apply import apply_
from initrules.errors import ApplyError
from initrules.planning import PlanData
from initrules.ruletest.drawing import Scratch, statistics
from initrules.sources import Sources
from initrules.survey import survey
from support import isolated, planned


class Net(nn.Module):
    """Something of each kind that a value can depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)
        self.table = nn.Embedding(5, 4, padding_idx=0)
        self.small = nn.Linear(4, 4).half()


RULES = """rules:
  - {rule: first, select: first, set: {weight: {orthogonal: {gain: 2}}, bias: reset}}
  - {rule: second, select: second, set: {weight: {copy: first.weight}, bias: [keep, {scale: 3}]}}
  - {rule: table, select: table, set: {weight: {normal: {std: 1}}}}
  - {rule: half, select: small, set: {weight: {formula: i + j}, bias: {normal: {std: 0.1}}}}
"""
NAMES = ["first.weight", "first.bias", "second.weight", "second.bias", "table.weight", "small.weight", "small.bias"]


@isolated
def net() -> Net:
    return Net()


def value(plan: PlanData, name: str, seed: int, **more: Any) -> Tensor:
    row = plan.row(name)
    assert row is not None
    return Scratch(plan, **more).value(row, seed)


@pytest.mark.parametrize("name", NAMES)
def test_the_value_is_the_one_that_apply_writes(name: str) -> None:
    model = net()
    plan = planned(RULES, model)
    drawn = value(plan, name, 3, model=net)
    apply_(model, plan, seed=3)
    assert torch.equal(drawn, model.get_parameter(name))


def test_an_inventory_is_enough_for_what_no_model_decides() -> None:
    plan = planned(RULES, net())
    assert value(plan, "second.weight", 0).shape == (6, 6)
    for name in ("first.bias", "second.bias"):
        with pytest.raises(ApplyError) as caught:
            value(plan, name, 0)
        assert caught.value.message == f"the value of '{name}' depends on what the model has"
        assert caught.value.hint == "Give the case a 'model' instead of an inventory."


def test_a_recorded_inventory_draws_the_same() -> None:
    model = net()
    plan, recorded = planned(RULES, model), recording.loads(recording.dumps(survey(model)), "m.json")
    assert plan.inventory.parameters[0].device != recorded.parameters[0].device
    assert torch.equal(value(plan, "table.weight", 1), value(planned(RULES, net()), "table.weight", 1))


def test_a_copy_of_what_no_rule_gives_is_the_models() -> None:
    model = net()
    plan = planned("rules: [{rule: a, select: second, set: {weight: {copy: first.weight}}}]", model)
    assert torch.equal(value(plan, "second.weight", 0, model=lambda: model), model.first.weight)


def test_global_streams_have_the_distribution_and_move_no_generator() -> None:
    plan = planned("stream: global\nrules: [{rule: a, select: first, set: {weight: {normal: {std: 2}}}}]", net())
    before = torch.get_rng_state()
    one, other = (value(plan, "first.weight", seed) for seed in (0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(one, other)
    assert torch.equal(one, value(plan, "first.weight", 0))


def test_what_a_checkpoint_gives_is_read() -> None:
    stored = {"old": {"first.weight": torch.full((6, 6), 7.0)}}
    rules = "sources: {old: {file: old.pt}}\nrules: [{rule: a, select: first, set: {weight: {load: {source: old}}}}]"
    plan = planned(rules, net())
    assert float(value(plan, "first.weight", 0, sources=Sources(stored)).mean()) == 7.0


@pytest.mark.parametrize(
    ("tensor", "mean", "std", "std_error"),
    [
        pytest.param(torch.tensor([1.0, -1.0, 1.0, -1.0]), 0.0, 1.0, 0.0, id="kurtosis 1: the std does not vary"),
        pytest.param(torch.tensor([2.0, 2.0]), 2.0, 0.0, 0.0, id="constant"),
        pytest.param(torch.tensor([-1.0, 0.0, 0.0, 1.0]), 0.0, math.sqrt(0.5), math.sqrt(0.5 / 16), id="kurtosis 2"),
        pytest.param(torch.tensor([1 + 1j, -1 - 1j]), 0.0, 1.0, 0.0, id="complex, over real entries"),
        pytest.param(torch.tensor([1, 3]), 2.0, 1.0, 0.0, id="whole numbers"),
    ],
)
def test_statistics(tensor: Tensor, mean: float, std: float, std_error: float) -> None:
    found = statistics(tensor)
    count = tensor.numel() * (2 if tensor.is_complex() else 1)
    assert found.mean == pytest.approx(mean)
    assert found.std == pytest.approx(std)
    assert found.mean_error == pytest.approx(std / math.sqrt(count))
    assert found.std_error == pytest.approx(std_error)
