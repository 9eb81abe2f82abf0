"""The Python side: plan, look, apply, make groups; with variables, actions and checkpoints of one's own."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

import initrules
from initrules.actions.base import Action, Draw, number
from initrules.errors import ActionError, ModelError, RuleError
from initrules.fans import Target
from support import isolated

RULES = """initrules: 1
vars: {std: 0.5}
rules:
  - {rule: weights, select: {type: Linear}, set: {weight: {normal: {std: std}}}, optimize: {weight: {lr_scale: 0.5}}}
  - {rule: biases, select: {type: Linear}, set: {bias: 7}, optimize: {bias: {weight_decay: 0}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(Action):
    """Count upwards from ``start``."""

    name: ClassVar[str] = "ramp"
    direct: ClassVar[str | None] = "start"

    start: float = number("the first entry", 0.0)

    def write_(self, tensor: Tensor, target: Target, draw: Draw) -> None:
        del draw
        tensor.copy_(self.start + torch.arange(target.numel).reshape(target.shape))


@isolated
def linear() -> nn.Linear:
    return nn.Linear(2, 3)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "rules.yaml"


def test_a_plan_is_looked_at_and_applied(rules: Path) -> None:
    model = linear()
    before = model.weight.clone()
    plan = initrules.plan(model, rules)
    assert [(row.path, row.value and row.value.rule) for row in plan.rows] == [
        ("weight", "weights"),
        ("bias", "biases"),
    ]
    assert (plan.findings, plan.errors) == ((), ())
    assert plan.explain("bias").splitlines()[1] == "  starts as 7   (mean 7, std 0)"
    assert str(plan).startswith("   parameter")
    assert repr(plan) == "<Plan: 2 parameters, 2 ● written, 0 = kept, 0 ○ without a rule>"
    assert plan._repr_html_().startswith('<div class="initrules"><style>')
    assert plan.to_dict()["initrules-plan"] == 1
    assert torch.equal(model.weight, before)
    record = plan.apply_(seed=3)
    assert (record.written, record.seed) == (("weight", "bias"), 3)
    assert model.bias.tolist() == [7, 7, 7]
    with pytest.raises(ModelError):
        plan.explain("wieght")


def test_a_plan_for_meta_is_applied_to_a_real_model(rules: Path) -> None:
    with torch.device("meta"):
        planned = nn.Linear(2, 3)
    first, second = linear(), linear()
    initrules.plan(planned, rules).apply_(first, seed=1)
    initrules.apply_(second, rules, seed=1)
    assert torch.equal(first.weight, second.weight)


def test_groups_for_an_optimizer(rules: Path) -> None:
    model = linear()
    groups = initrules.plan(model, rules).param_groups(lr=0.1, weight_decay=0.01)
    assert [(group["names"], group["lr"], group["weight_decay"]) for group in groups] == [
        (["weight"], 0.05, 0.01), (["bias"], 0.1, 0),
    ]  # fmt: skip
    assert torch.optim.SGD(groups).param_groups[0]["params"][0] is model.weight


def test_variables(rules: Path) -> None:
    plan = initrules.plan(linear(), rules, vars={"std": 2})
    assert plan.to_dict()["parameters"][0]["std"] == 2
    with pytest.raises(RuleError) as caught:
        initrules.plan(linear(), rules, vars={"sdt": 2})
    assert str(caught.value) == "vars: unknown variable 'sdt'\n  Did you mean 'std'?"


def test_an_action_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "initrules: 1\nrules: [{rule: a, select: '', set: {weight: {ramp: {start: 1 + 1}}, bias: {ramp: 5}}}]"
    )
    model = linear()
    plan = initrules.plan(model, path, actions={"ramp": Ramp})
    plan.apply_()
    assert model.weight.tolist() == [[2, 3], [4, 5], [6, 7]]
    assert model.bias.tolist() == [5, 6, 7]
    assert "ramp 2" in str(plan)
    with pytest.raises(RuleError, match="unknown action 'ramp'"):
        initrules.plan(model, path)
    path.write_text("initrules: 1\nrules: [{rule: a, select: '', set: {weight: {rmap: {start: 1}}}}]")
    with pytest.raises(RuleError, match="Did you mean 'ramp'"):
        initrules.plan(model, path, actions={"ramp": Ramp})


def test_an_action_cannot_take_a_built_in_name(rules: Path) -> None:
    with pytest.raises(ActionError, match="'zeros' is built in"):
        initrules.plan(linear(), rules, actions={"zeros": Ramp})


def test_actions_come_too_late_for_rules_that_are_read() -> None:
    with pytest.raises(ActionError) as caught:
        initrules.plan(linear(), initrules.from_text(RULES), actions={"ramp": Ramp})
    assert str(caught.value) == "actions are read together with the rules\n  Give the file, not a RuleSet."


def test_checkpoints_at_hand() -> None:
    text = "initrules: 1\nsources: {s: {file: no.pt}}\nrules: [{rule: a, select: '', set: {'*': {load: {source: s}}}}]"
    model, other = linear(), linear()
    initrules.apply_(
        model, initrules.from_text(text), sources={"s": {name: t + 1 for name, t in other.state_dict().items()}}
    )
    assert torch.equal(model.weight, other.weight + 1)


def test_rules_may_be_a_preset_a_path_or_read_already(rules: Path) -> None:
    plans = [initrules.plan(linear(), given) for given in (str(rules), rules, initrules.load(rules))]
    assert len({plan.data.fingerprint() for plan in plans}) == 1
    actor = nn.ModuleDict({"actor": linear(), "critic": linear()})
    assert initrules.plan(actor, "preset:ppo").errors == ()


def test_names_stay_what_they_are_when_submodules_are_imported() -> None:
    for name in ("api", "planning", "apply", "ruleset", "errors", "report", "cli"):
        importlib.import_module(f"initrules.{name}")
    assert callable(initrules.plan)
    assert callable(initrules.apply_)
    assert set(initrules.__all__) <= set(dir(initrules))
    assert all(getattr(initrules, name) is not None for name in initrules.__all__)
    with pytest.raises(AttributeError, match="module 'initrules' has no attribute 'nothing'"):
        _ = initrules.nothing


def test_frozen_parameters_are_in_no_group() -> None:
    text = "initrules: 1\nrules: [{rule: a, select: '', optimize: {bias: {freeze: true}}, set: {'*': zeros}}]"
    model = linear()
    assert [group["names"] for group in initrules.plan(model, initrules.from_text(text)).param_groups(lr=1)] == [
        ["weight"]
    ]
    model.weight.requires_grad = False
    assert initrules.plan(model, initrules.from_text(text)).param_groups(lr=1) == []
