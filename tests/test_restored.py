"""A saved plan read back: it shows, explains and compares like the plan that was saved."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from initrules import difference, report, saved
from initrules.errors import Finding, ModelError
from initrules.planning import PlanData
from initrules.restored import restored
from initrules.source import Span
from reference import ALL, Reference
from support import isolated, planned

RULES = """
vars: {std: 0.5}
defaults:
  - {rule: all, select: {type: [Linear, MultiheadAttention]}, set: {"*weight": xavier_uniform, "*bias": zeros}}
rules:
  - rule: wide
    why: it is wide
    select: a
    set: {weight: {normal: {std: std}}}
    parametrize: {weight: spectral_norm}
    optimize: {"*": {lr_scale: 0.5}}
    allow: {state-dict-keys: new checkpoints only}
  - {rule: kept, select: z, set: {weight: keep}, lock: true}
  - {rule: wrong, select: n, set: {weight: orthogonal, running_mean: 3}}
"""


@functools.cache
@isolated
def every_look() -> PlanData:
    """Written, kept, frozen, without a rule, in error, shared, packed, wrapped, locked, silenced."""
    model = nn.ModuleDict(
        {
            "a": nn.Linear(4, 8), "m": nn.MultiheadAttention(4, 2), "n": nn.BatchNorm1d(3),
            "f": nn.Linear(2, 2, bias=False), "z": nn.LayerNorm(2),
        }
    )  # fmt: skip
    model["shared"] = nn.ModuleDict({"deep": model["a"]})
    model["f"].requires_grad_(requires_grad=False)
    return planned(RULES, model)


def again(plan: PlanData) -> PlanData:
    return restored(saved.loads(json.dumps(report.as_json(plan)), "plan.json"), "plan.json")


def plain(plan: PlanData) -> PlanData:
    """The plan without what a file does not keep: source lines, what variables come to, the order of takers."""
    return replace(
        plan,
        findings=tuple(map(_plain_finding, plan.findings)),
        tallies=tuple(replace(one, taken=dict(sorted(one.taken.items()))) for one in plan.tallies),
        rules=replace(plan.rules, variables={}),
    )


def _plain_finding(one: Finding) -> Finding:
    return replace(one, span=one.span and Span(one.span.file, one.span.line, one.span.column))


@pytest.mark.parametrize("reference", [pytest.param(one, id=one.rules) for one in ALL])
def test_shipped_rule_sets_look_the_same_and_do_not_differ(reference: Reference) -> None:
    plan = reference.plan(reference.model())
    back = again(plan)
    assert report.plan_text(plain(back), width=120) == report.plan_text(plain(plan), width=120)
    assert difference.changes([plan, back]) == ()
    assert back.fingerprint() == plan.fingerprint()


@pytest.mark.parametrize("width", [60, 120])
def test_every_look(width: int) -> None:
    assert report.plan_text(plain(again(every_look())), width=width) == report.plan_text(
        plain(every_look()), width=width
    )
    assert report.plan_markdown(plain(again(every_look()))) == report.plan_markdown(plain(every_look()))


def test_variables_are_as_they_were_written() -> None:
    assert "\nwith std = 0.5   plan.json\n" in report.plan_text(again(every_look()))
    listed = planned("vars: {sizes: [1, 2 * 3]}", {})
    assert "\nwith sizes = [1, 2 * 3]   plan.json\n" in report.plan_text(again(listed))


def test_explained() -> None:
    assert report.explain_text(again(every_look()), "shared.deep.weight") == (
        "a.weight: parameter, 8×4, float32\n"
        "  also named shared.deep.weight\n"
        "  starts as normal std=0.5   (mean 0, std 0.5)\n"
        "    by 'wide', rules.yaml:10:19: {normal: {std: std}}\n"
        "    why: it is wide\n"
        "    over 'all', rules.yaml:5:80: xavier_uniform   because 'wide' is a rule, and rules beat defaults\n"
        "  wrapped in spectral_norm\n"
        "    by 'wide', rules.yaml:11:27: spectral_norm\n"
        "  lr_scale 0.5   by 'wide', rules.yaml:12:32: 0.5"
    )


def test_equal_to_the_digit_or_different() -> None:
    rules = "rules: [{rule: r, select: '0', set: {weight: {normal: {std: STD}}, bias: BIAS}}]"
    model = isolated(nn.Linear)(2, 2)
    one = again(planned(rules.replace("STD", "0.02").replace("BIAS", "zeros"), {"0": model}))
    same = planned(rules.replace("STD", "0.2 / 10").replace("BIAS", "0.0"), {"0": model})
    near = planned(rules.replace("STD", "0.02000001").replace("BIAS", "0"), {"0": model})
    assert difference.changes([one, same]) == ()
    assert [(change.group.pattern, change.why) for change in difference.changes([one, near])] == [
        ("0.weight", "'r' says {normal: {std: 0.02000001}}")
    ]


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def damaged(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(data)
    at = functools.reduce(lambda inner, key: inner[key], path[:-1], found)
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return found


@pytest.mark.parametrize("value", [None, "x", -1, [], {}, 1e400, ["\x1b"]], ids=repr)
def test_a_damaged_plan_is_shown_or_refused(value: Any) -> None:
    data = json.loads(json.dumps(report.as_json(every_look())))
    every = list(places(data))[::13]  # a sample of all places
    refused = [path for path in every if not survives(damaged(data, path, value))]
    assert refused


def survives(data: Any) -> bool:
    """Whether a plan can be shown; anything but a refusal in words comes up as itself."""
    try:
        back = restored(saved.loads(json.dumps(data), "plan.json"), "plan.json")
    except ModelError:
        return False
    return bool(report.plan_text(back)) and difference.changes([back, every_look()]) is not None


def test_no_whole_plan() -> None:
    data = report.as_json(every_look())
    data["parameters"][0]["decisions"]["set"]["place"] = "nowhere"
    with pytest.raises(ModelError) as caught:
        restored(data, "plan.json")
    assert str(caught.value) == (
        "'plan.json' is no whole plan: ValueError: not enough values to unpack (expected 3, got 1)\n"
        "  Make it anew with: initrules plan RULES --model ... --format json > FILE"
    )
