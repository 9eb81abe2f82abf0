"""Findings about several models at once."""

from __future__ import annotations

import pytest
from torch import nn

from initrules.several import Planned, combined
from support import isolated, planned

ONE = isolated(lambda: nn.ModuleDict({"a": nn.Linear(2, 2), "n": nn.LayerNorm(2)}))
TWO = isolated(lambda: nn.ModuleDict({"b": nn.Linear(2, 2), "n": nn.LayerNorm(2, bias=False)}))
THREE = isolated(lambda: nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "n": nn.LayerNorm(2)}))


def told(rules: str, *models: nn.Module) -> list[str]:
    plans = [Planned(f"m{at}", planned(rules, model)) for at, model in enumerate(models)]
    return [f"{one.code}: {one.message}" for one in combined(plans) if one.code not in {"contested", "unclaimed"}]


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        pytest.param("  - {rule: a, select: a, set: {weight: 1}}", [], id="claims something in one model"),
        pytest.param(
            "  - {rule: x, select: x, set: {weight: 1}}",
            ["claims-nothing: the rule 'x' claims nothing: no module meets x"], id="claims nothing in any, told once",
        ),
        pytest.param(
            "  - {rule: a, select: a, set: {weight: 1}}\n  - {rule: all, select: {type: Linear}, set: {weight: 2}}",
            ["dead-rule: the rule 'a' decides nothing: 'all' (rules.yaml:4:12) takes the one parameter that it claims"],
            id="dead in one and claims nothing in the other",
        ),
        pytest.param(
            "  - {rule: both, select: [a, b], set: {weight: 1}}\n"
            "  - {rule: a, select: a, optional: true, set: {weight: 2}}",
            [], id="dead in one only",
        ),
        pytest.param("  - {rule: n, select: n, set: {bias: 1, weight: 1}}", [], id="a key that one model has"),
        pytest.param(
            "  - {rule: n, select: n, set: {scale: 1, weight: 1}}",
            ["unmet-key: the key 'scale' of rule 'n' meets no parameter"], id="a key that no model has",
        ),
        pytest.param("  - {rule: ab, select: [a, b], set: {weight: 1}}", [], id="patterns for different models"),
        pytest.param(
            "  - {rule: ab, select: [a, b, zz], set: {weight: 1}}",
            ["unmet-pattern: 'zz' in the selector of rule 'ab' meets no module"], id="a pattern for no model",
        ),
        pytest.param(
            "  - {rule: d, select: [a, b], decides: 1, set: {bias: 1}}\n"
            "  - {rule: e, select: b, optional: true, set: {bias: 2}}",
            ["decides: the rule 'd' must decide 1 parameter and decides 0, in m1"], id="an error in one model",
        ),
        pytest.param(
            "  - {rule: d, select: [a, b], set: {bias: 1}}\n  - {rule: e, select: [a, b], set: {bias: 1}}",
            [
                "dead-rule: the rule 'd' decides nothing: 'e' (rules.yaml:4:12) takes the one parameter that it claims",
                "no-effect: the rule 'e' changes nothing: without it 'd' would give the same values",
            ],
            id="no effect in any",
        ),
    ],
)  # fmt: skip
def test_two_models(rules: str, found: list[str]) -> None:
    assert told(f"rules:\n{rules}", ONE(), TWO()) == found


def test_no_effect_in_one_model_only() -> None:
    rules = """defaults:
  - {rule: a, select: [a], set: {weight: 1}}
  - {rule: b, optional: true, select: b, set: {weight: 2}}
rules: [{rule: c, select: [a, b], set: {weight: 1}}]"""
    assert told(rules, ONE(), THREE()) == [
        "dead-default: the rule 'a' decides nothing: 'c' (rules.yaml:5:16) takes the one parameter that it claims",
        "dead-default: the rule 'b' decides nothing: 'c' (rules.yaml:5:16) takes the one parameter that it claims",
    ]


def test_a_reason_is_idle_where_it_is_idle_in_all() -> None:
    rules = """rules:
  - {rule: a, select: [a, b], set: {weight: 1}}
  - {rule: b, select: b, optional: true, set: {weight: 2}, allow: {contested: on purpose, unmet-key: never}}"""
    assert told(rules, ONE(), THREE()) == [
        "unused-allow: 'allow' of rule 'b' silences nothing: there is no 'unmet-key' to silence"
    ]


def test_no_models() -> None:
    assert combined([]) == ()
