"""What differs between plans: exactly the groups whose decisions changed."""

from __future__ import annotations

from typing import Any

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
        ("1.weight", "set", [None, "zeros"]),
        ("1.bias", "set", [None, "zeros"]),
    ]


def test_three_plans_stand_side_by_side() -> None:
    plans = [planned(RULES.replace("GAIN", gain), model()) for gain in ("1", "2", "3")]
    assert told(*plans) == [("{0,1}.weight", "set", ["orthogonal", "orthogonal gain=2", "orthogonal gain=3"])]


def test_options_and_parametrizations_are_compared_too() -> None:
    one = planned('rules: [{rule: r, select: "0", optimize: {"*": {lr_scale: 2}}}]', model(1))
    other = planned('rules: [{rule: r, select: "0", parametrize: {weight: spectral_norm}}]', model(1))
    assert told(one, other) == [
        ("0.weight", "parametrize", ["–", "spectral_norm"]),
        ("0.weight", "lr_scale", ["lr_scale 2", "–"]),
        ("0.bias", "lr_scale", ["lr_scale 2", "–"]),
    ]
    (_, side), *_ = [change.sides for change in difference.changes((one, other)) if change.prop == "parametrize"]
    assert side is not None
    assert (side.rule, side.place) == ("r", "rules.yaml:2:54")


def test_what_nobody_decides_is_said() -> None:
    one = planned('rules: [{rule: r, select: "0", set: {bias: zeros}}]', model(1))
    other = planned('rules: [{rule: r, select: "0", set: {weight: zeros}}]', model(1))
    assert told(one, other) == [("0.weight", "set", ["no rule", "zeros"]), ("0.bias", "set", ["zeros", "no rule"])]
