"""Warm starts: all or nothing for each module, and both sides listed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import initrules
from initrules.errors import Problems
from support import isolated

RULES = """initrules: 1
sources: {old: {file: old.pt}}
defaults: [{rule: base, select: {type: Linear}, set: {weight: orthogonal, bias: 2}}]
rules: [{rule: warm, select: {type: Linear}, set: {"*": {load: {source: old, name: {own: enc}, missing: MISSING}}}}]
"""


@isolated
def model(classes: int = 7) -> Any:
    return nn.ModuleDict({"own": nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8)), "head": nn.Linear(8, classes)})


@isolated
def phase_one() -> dict[str, torch.Tensor]:
    old = nn.ModuleDict({"enc": nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8)), "head": nn.Linear(8, 5)})
    return {name: value.clone() for name, value in old.state_dict().items()}


def plan(net: Any, stored: dict[str, torch.Tensor], missing: str = "next") -> initrules.Plan:
    return initrules.plan(net, initrules.from_text(RULES.replace("MISSING", missing)), sources={"old": stored})


def test_what_fits_is_taken_and_what_does_not_goes_to_the_next_claim_as_a_whole_module() -> None:
    net, stored = model(), phase_one()
    stored["head.bias"] = torch.ones(7)  # fits by name and shape, but its weight does not
    made = plan(net, stored)
    made.apply_()
    assert torch.equal(net["own"][1].weight, stored["enc.1.weight"])
    assert net["head"].bias.tolist() == [2] * 7
    (moved,) = made.data.transfers
    assert moved.taken == (
        ("own.0.weight", "enc.0.weight"),
        ("own.0.bias", "enc.0.bias"),
        ("own.1.weight", "enc.1.weight"),
        ("own.1.bias", "enc.1.bias"),
    )
    assert moved.refused == (
        ("head.weight", "'head.weight' of 'old' has shape 5×8, this parameter 7×8"),
        ("head.bias", "its module does not fit: 'head.weight' of 'old' has shape 5×8, this parameter 7×8"),
    )
    assert moved.left == ("head.weight", "head.bias")


def test_the_loser_stands_in_the_plan_with_its_reason() -> None:
    row = plan(model(), phase_one()).data.row("head.weight")
    assert row is not None
    assert row.value is not None
    assert [(loser.rule, loser.reason) for loser in row.value.losers] == [
        ("warm", "'head.weight' of 'old' has shape 5×8, this parameter 7×8")
    ]


def test_a_module_without_a_next_claim_stays_as_it_is() -> None:
    net = model()
    before = net["head"].weight.detach().clone()
    rules = RULES.replace("MISSING", "next").replace(
        "select: {type: Linear}, set: {weight: o", "select: own.0, set: {weight: o"
    )
    made = initrules.plan(net, initrules.from_text(rules), sources={"old": phase_one()})
    made.apply_()
    assert torch.equal(net["head"].weight, before)


def test_an_error_names_every_tensor_that_does_not_fit() -> None:
    net = model()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    made = plan(net, phase_one(), "error")
    assert [finding.message for finding in made.errors] == [
        "'head.weight' of 'old' has shape 5×8, this parameter 7×8, for 'head.weight'",
        "'head.bias' of 'old' has shape 5, this parameter 7, for 'head.bias'",
    ]
    (moved,) = made.data.transfers
    assert [name for name, _ in moved.taken] == ["own.0.weight", "own.0.bias", "own.1.weight", "own.1.bias"]
    assert [name for name, _ in moved.refused] == ["head.weight", "head.bias"]
    with pytest.raises(Problems):
        made.apply_()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_checkpoint_with_values_that_are_not_finite_is_found_before_the_first_write() -> None:
    net, stored = model(), phase_one()
    stored["enc.1.bias"][3] = float("nan")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(Problems, match=r"'own\.1\.bias' cannot be written: its value would not be finite in float32"):
        plan(net, stored).apply_()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_missing_tensor_is_said_to_be_missing() -> None:
    stored = phase_one()
    del stored["enc.0.bias"]
    (moved,) = plan(model(), stored).data.transfers
    assert moved.refused[0] == ("own.0.weight", "its module does not fit: the source 'old' has no tensor 'enc.0.bias'")


def test_nothing_loaded_at_all_is_a_warning() -> None:
    made = plan(model(), {"other.weight": torch.ones(1)})
    assert [f.message for f in made.findings if f.code == "loads-nothing"] == [
        "the rule 'warm' loads nothing: no module that it claims fits the checkpoint"
    ]


def test_values_are_cast_to_the_parameters_dtype() -> None:
    net = model(5)
    stored = {name: value.double() for name, value in phase_one().items()}
    plan(net, stored).apply_()
    assert net["head"].weight.dtype == torch.float32
    assert torch.equal(net["head"].weight, stored["head.weight"].float())


def test_a_complex_tensor_does_not_fit_a_real_parameter() -> None:
    stored = phase_one()
    stored["enc.0.bias"] = stored["enc.0.bias"].to(torch.complex64)
    (moved,) = plan(model(), stored).data.transfers
    assert moved.refused[1] == ("own.0.bias", "'enc.0.bias' of 'old' is complex64, this parameter float32")


def test_a_regular_expression_renames() -> None:
    net = model(5)
    rules = """initrules: 1
sources: {old: {file: old.pt}}
rules:
  - rule: warm
    select: {path: "re:own\\\\.(?P<rest>.*)"}
    set: {weight: {load: {source: old, name: "enc.<rest>.weight"}}}
"""
    stored = phase_one()
    initrules.apply_(net, initrules.from_text(rules), sources={"old": stored})
    assert torch.equal(net["own"][0].weight, stored["enc.0.weight"])
