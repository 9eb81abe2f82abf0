"""The page's data says all that the plan says, each thing once."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from torch import nn

from initrules.planning import PlanData
from initrules.report.page_data import page_data
from support import isolated, planned

RULES = """
vars: {gain: sqrt(2), by_fan: 1 / fan_in, sizes: [1, gain], layers: count("h.*"), given: 3}
defaults: [{rule: all, select: {type: Linear}, why: a start, set: {weight: {kaiming_normal: {}}, bias: zeros}}]
rules:
- {rule: deep, select: h.<layer>, set: {weight: {normal: {std: gain}}}}
- rule: lock
  select: head
  lock: true
  set: {bias: {normal: {std: 0}}, weight: orthogonal}
  optimize: {"*": {lr_scale: 2}}
- {rule: gone, select: {name: nowhere}, set: {weight: zeros}}
"""


@isolated
def model() -> nn.Module:
    net = nn.ModuleDict({"h": nn.ModuleList(nn.Linear(4, 4) for _ in range(3)), "head": nn.Linear(4, 2)})
    net["tail"] = net["head"]
    net["norm"] = nn.BatchNorm1d(2)
    return net


def data(*plans: PlanData, values: Any = ()) -> Any:
    """As a browser reads it."""
    names = [f"plan {at}" for at in range(len(plans))]
    return json.loads(json.dumps(page_data(plans, names, title="a title", values=values), allow_nan=False))


def side(found: Any, path: str, version: int = 0) -> Any:
    """What one plan says about the parameter with a pattern."""
    members = next(members for pattern, members in found["groups"] if pattern == path)
    style = found["styles"][found["parameters"]["style"][members[0]]]
    return found["versions"][version]["sides"][style["sides"][version]]


def test_modules_and_parameters_by_number() -> None:
    found = data(planned(RULES, model()))
    texts, modules, parameters = found["texts"], found["modules"], found["parameters"]
    assert modules["parent"] == [-1, 0, 1, 1, 1, 0, 0, 0]
    assert [texts[at] for at in modules["segment"]] == ["", "h", "0", "1", "2", "head", "tail", "norm"]
    assert modules["same"] == {"6": 5}
    assert modules["types"][modules["type"][2]][0][:2] == ["Linear", "torch.nn.Linear"]
    assert [(owner, texts[text]) for owner, text in zip(parameters["owner"], parameters["local"], strict=True)] == [
        (2, "weight"), (2, "bias"), (3, "weight"), (3, "bias"), (4, "weight"), (4, "bias"), (5, "weight"), (5, "bias"),
        (7, "weight"), (7, "bias"),
    ]  # fmt: skip
    assert [(at, owner, texts[text]) for at, owner, text in parameters["also"]] == [(6, 6, "weight"), (7, 6, "bias")]


def test_groups_are_exact_and_styles_shared() -> None:
    found = data(planned(RULES, model()))
    assert found["groups"] == [
        ["h.{0..2}.weight", [0, 2, 4]], ["h.{0..2}.bias", [1, 3, 5]], ["head.weight", [6]], ["head.bias", [7]],
        ["norm.{weight,bias}", [8, 9]],
    ]  # fmt: skip
    style = found["styles"][found["parameters"]["style"][0]]
    assert style == {
        "shape": "4×4", "dtype": "float32", "kind": "parameter", "sides": style["sides"],
        "captures": {"layer": "0, 1, 2"},
    }  # fmt: skip


def test_a_side_has_what_explain_tells() -> None:
    found = data(planned(RULES, model()))
    version = found["versions"][0]
    weight = side(found, "head.weight")
    decisions = [version["decisions"][number] for number in weight["decisions"]]
    assert (weight["state"], weight["value"]) == ("written", "orthogonal · lr_scale 2")
    assert [decision["prop"] for decision in decisions] == ["set", "lr_scale"]
    assert decisions[0]["lock"] is True
    assert decisions[0]["losers"] == [
        {"rule": "all", "place": "rules.yaml:4:76", "written": "{kaiming_normal: {}}", "reason": "'lock' is locked"}
    ]
    deep = side(found, "h.{0..2}.weight")
    assert (deep["std"], deep["moments"], deep["expected"]) == ("1.414", ["0", "1.414"], [0.0, 2**0.5])
    assert version["decisions"][deep["decisions"][0]]["variables"] == ["gain"]
    assert side(found, "norm.{weight,bias}")["state"] == "none"


def test_rules_variables_and_findings() -> None:
    version = data(planned(RULES, model(), given=4))["versions"][0]
    assert version["rules"][0] | {"place": ""} == {
        "name": "all", "tier": "defaults", "place": "", "why": "a start", "select": "{type: Linear}",
        "claimed": 8, "won": 3, "taken": {"deep": 3, "lock": 2},
    }  # fmt: skip
    assert [(one["name"], one["written"], one.get("value")) for one in version["variables"]] == [
        ("gain", "sqrt(2)", "1.414"), ("by_fan", "1 / fan_in", None), ("sizes", "[1, gain]", "[1, 1.414]"),
        ("layers", 'count("h.*")', "3"), ("given", "4", None),
    ]  # fmt: skip
    assert version["variables"][-1]["place"].startswith("--set")
    gone = next(one for one in version["findings"] if one.get("rule") == "gone" and one["severity"] == "error")
    assert gone["line"][gone["mark"][0] :][: gone["mark"][1]] in gone["line"]
    contested = next(one for one in version["findings"] if one["severity"] == "info" and one.get("parameters"))
    assert all(isinstance(at, int) for at in contested["parameters"])


def test_several_plans_are_compared_by_value() -> None:
    net = model()
    first = planned("rules: [{rule: a, select: head, set: {weight: zeros, bias: ones}}]", net)
    second = planned("rules: [{rule: b, select: head, set: {weight: 0, bias: zeros}}]", net)
    found = data(first, second)
    assert [version["name"] for version in found["versions"]] == ["plan 0", "plan 1"]
    styles = {pattern: found["styles"][found["parameters"]["style"][some[0]]] for pattern, some in found["groups"]}
    assert {pattern: style.get("differs") for pattern, style in styles.items() if "head" in pattern} == {
        "head.weight": None, "head.bias": [1],
    }  # fmt: skip
    assert side(found, "head.bias", 1)["value"] == "zeros"


def test_plans_of_different_models_are_refused() -> None:
    rules = "rules: [{rule: a, select: head, set: {weight: zeros}}]"
    other = nn.ModuleDict({"head": nn.Identity()})
    with pytest.raises(ValueError, match=r"^a page shows plans of one model$"):
        data(planned(rules, model()), planned(rules, other))


def test_histograms_are_of_all_that_is_decided_alike() -> None:
    plan = planned(RULES, model())
    held = [(row, np.full(3, float(at % 2))) for at, row in enumerate(plan.rows)]
    found = data(plan, values=[held])
    style = str(found["parameters"]["style"][1])
    assert found["versions"][0]["histograms"][style]["count"] == 9
    assert data(plan)["versions"][0]["histograms"] == {}


def test_many_captures_are_counted() -> None:
    net = nn.ModuleDict({"h": nn.ModuleList(nn.Linear(1, 1, device="meta") for _ in range(20))})
    found = data(planned("rules: [{rule: a, select: h.<i_>, set: {weight: zeros}}]", net))
    assert found["styles"][0]["captures"] == {"i_": "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"}
