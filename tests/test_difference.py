"""What differs between plans: exactly the groups whose decisions changed."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from initrules import difference
from support import isolated, planned

RULES = """rules:
  - {rule: hidden, select: {type: Linear}, set: {weight: {orthogonal: {gain: GAIN}}, bias: zeros}}
  - {rule: head, select: {type: Linear, pick: last}, set: {weight: {orthogonal: {gain: 0.01}}}}
"""


@isolated
def model(depth: int = 3) -> Any:
    return nn.Sequential(*(nn.Linear(4, 4) for _ in range(depth)))


def told(*plans: Any) -> list[tuple[str, str, list[str | None]]]:
    return [
        (change.group.pattern, change.prop, [None if side is None else side.summary for side in change.sides])
        for change in difference.changes(plans)
    ]


def test_a_change_of_one_line_names_exactly_its_parameters() -> None:
    one, other = planned(RULES.replace("GAIN", "1"), model()), planned(RULES.replace("GAIN", "2"), model())
    assert told(one, other) == [("{0,1}.weight", "set", ["orthogonal", "orthogonal gain=2"])]
    assert difference.tally(difference.changes((one, other))) == {"set": 2}


def test_equal_values_by_other_rules_do_not_differ() -> None:
    one = planned(RULES.replace("GAIN", "1"), model())
    other = planned(RULES.replace("GAIN", "1").replace("rule: hidden", "rule: layers"), model())
    assert told(one, other) == []


def test_parameters_that_only_one_model_has() -> None:
    rules = 'rules: [{rule: r, select: "*", set: {"*": zeros}}]'
    assert told(planned(rules, model(1)), planned(rules, model(2))) == [
        ("1.{weight,bias}", "set", [None, "zeros"]),
    ]


def test_three_plans_stand_side_by_side() -> None:
    plans = [planned(RULES.replace("GAIN", gain), model()) for gain in ("1", "2", "3")]
    assert told(*plans) == [("{0,1}.weight", "set", ["orthogonal", "orthogonal gain=2", "orthogonal gain=3"])]


def test_options_and_parametrizations_are_compared_too() -> None:
    one = planned('rules: [{rule: r, select: "0", optimize: {"*": {lr_scale: 2}}}]', model(1))
    other = planned('rules: [{rule: r, select: "0", parametrize: {weight: spectral_norm}}]', model(1))
    assert told(one, other) == [
        ("0.weight", "parametrize", ["–", "spectral_norm"]),
        ("0.{weight,bias}", "lr_scale", ["lr_scale 2", "–"]),
    ]
    (_, side), *_ = [change.sides for change in difference.changes((one, other)) if change.prop == "parametrize"]
    assert side is not None
    assert (side.rule, side.place) == ("r", "rules.yaml:2:54")


def test_what_nobody_decides_is_said() -> None:
    one = planned('rules: [{rule: r, select: "0", set: {bias: zeros}}]', model(1))
    other = planned('rules: [{rule: r, select: "0", set: {weight: zeros}}]', model(1))
    assert told(one, other) == [("0.weight", "set", ["no rule", "zeros"]), ("0.bias", "set", ["zeros", "no rule"])]


BASE = """vars: {g: 1, h: 2 * g}
defaults: [{rule: base, select: {type: Linear}, set: {weight: {orthogonal: {gain: h}}}}]
rules:
  - {rule: a, select: "0", set: {bias: zeros}}
  - {rule: b, select: "1", set: {bias: 1}}
"""


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        pytest.param("g: 1", "g: 3", {"{0,1}.weight": "g is 3, was 1"}, id="a variable by way of another"),
        pytest.param("gain: h", "gain: g", {"{0,1}.weight": "'base' says {orthogonal: {gain: g}}"}, id="another value"),
        pytest.param("bias: 1", "bias: 2", {"1.bias": "'b' says 2"}, id="another constant"),
        pytest.param("rule: b,", "rule: c, optional: true,", {}, id="another name"),
        pytest.param('rule: b, select: "1"', 'rule: b, select: "0"',
                     {"0.bias": "'b' stands later", "1.bias": "'b' does not claim it any more"}, id="another selector"),
        pytest.param("- {rule: b", "- {rule: c, select: '0', set: {weight: zeros}}\n  - {rule: b",
                     {"0.weight": "'c' is a rule, and rules beat defaults"}, id="a new rule that wins"),
        pytest.param('  - {rule: b, select: "1", set: {bias: 1}}\n', "", {"1.bias": "'b' is gone"}, id="a rule less"),
        pytest.param("set: {bias: 1}", "optimize: {bias: {lr_scale: 2}}",
                     {"1.bias": "'b' does not claim it any more; 'b' claims it now"}, id="another property"),
        pytest.param("defaults: [{rule: base", "defaults: [{rule: other", {}, id="the same value by another rule"),
        pytest.param("gain: h}}}}]", "gain: h}}}}]\nstream: global", {}, id="what no plan shows"),
    ],
)  # fmt: skip
def test_why(old: str, new: str, wanted: dict[str, str]) -> None:
    assert BASE.count(old) == 1
    found = difference.changes([planned(BASE, model(2)), planned(BASE.replace(old, new), model(2))])
    told: dict[str, list[str]] = {}
    for change in found:
        told.setdefault(change.group.pattern, []).append(change.why)
    assert {pattern: "; ".join(whys) for pattern, whys in told.items()} == wanted


def test_why_against_each_of_several() -> None:
    plans = [planned(BASE.replace("bias: 1", f"bias: {value}"), model(2)) for value in (1, 2, 1, 3)]
    assert [change.why for change in difference.changes(plans)] == ["'b' says 2; 'b' says 3"]


def test_why_of_another_model() -> None:
    rules = "rules: [{rule: r, select: {type: Linear}, set: {weight: {constant: module.in_features}}}]"
    wide = nn.Sequential(nn.Linear(5, 4, device="meta"))
    (change,) = difference.changes([planned(rules, model(1)), planned(rules, wide)])
    assert change.why == "the model is another one"
