"""What holds and what does not, with the because lines that say why."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initrules.decision import Row
from initrules.errors import Finding, Severity
from initrules.ruletest.cases import OfFinding, read
from initrules.ruletest.judging import Failure, Judge, Statistics, finding_failures, unexpected
from initrules.source import Span
from support import planned

RULES = """vars: {gain: sqrt(2)}
defaults:
  - {rule: base, select: {type: Linear}, set: {weight: {orthogonal: {gain: gain}}, bias: zeros}}
rules:
  - {rule: last, select: {path: "2"}, set: {weight: {normal: {std: 0.5}}}, optimize: {weight: {lr_scale: 0.1}}}
  - {rule: wrap, select: {path: "0"}, parametrize: {weight: spectral_norm}}
  - {rule: keep-norm, select: {type: LayerNorm}, set: {weight: keep}}
"""
BASE = "'base' decides it at rules.yaml:4:56: {orthogonal: {gain: gain}}"
LAST = (
    "'last' decides it at rules.yaml:6:53: {normal: {std: 0.5}}",
    "over 'base' at rules.yaml:4:56: {orthogonal: {gain: gain}}; 'last' is a rule, and rules beat defaults",
)
FATE = "at rules.yaml:4:12 it claims 4 and wins 3; it loses 1 to 'last'"
NO_FINDING = Finding("unclaimed", Severity.INFO, "nobody claims '1.bias'", Span("r.yaml", 1, 2), parameters=("1.bias",))


def judge() -> Judge:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    return Judge(planned(RULES, model), [NO_FINDING], draw)


def draw(row: Row, seed: int) -> Statistics:
    """As if each entry of seed s were drawn with a std of 1 + s/10."""
    del row
    return Statistics(mean=0.0, std=1 + seed / 10, low=-2.0, high=2.0, mean_error=0.01, std_error=0.02)


def failures(entry: str) -> list[tuple[str, str, str, str, tuple[str, ...]]]:
    head = "initrules-test: 1\ncases:\n  - name: a\n    rules: r\n    inventory: i\n    expect:\n"
    (case,) = read(f"{head}      - {entry}\n", "t.yaml").cases
    found = [failure for one in case.expect for failure in judge().failures(one)]
    return [(one.subject, one.what, one.expected, one.found, one.because) for one in found]


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param("{params: 0.weight, set: {orthogonal: {gain: sqrt(2)}}, by: base}", id="another way to write it"),
        pytest.param("{params: 0.weight, set: {orthogonal: {gain: gain}}}", id="a variable of the rules"),
        pytest.param("{params: 0.weight, set: {orthogonal: {gain: 1.41421356}}}", id="what float32 cannot tell apart"),
        pytest.param('{params: "<n>.bias", not: 1.bias, set: 0 * n}', id="a capture, and zeros as 0"),
        pytest.param("{params: 2.weight, set: {normal: {std: 0.5}}, by: last, over: base}", id="winner and loser"),
        pytest.param("{params: 0.weight, parametrize: spectral_norm, by: wrap}", id="by, for what is named"),
        pytest.param(
            "{params: 2.weight, optimize: {lr_scale: 0.1}, by: [last, wrap]}", id="an option, by one of several"
        ),
        pytest.param("{params: 1.weight, kept: true, unclaimed: false}", id="kept"),
        pytest.param("{params: 1.bias, unclaimed: true, kept: false}", id="unclaimed"),
        pytest.param('{params: "**.weight", count: 3}', id="count"),
        pytest.param("{params: 9.weight, count: 0}", id="none, as asked"),
        pytest.param("{params: 0.weight, std: 1, mean: 0}", id="within five standard errors"),
        pytest.param("{params: 0.weight, std: {about: 1, within: 0.2}, range: [-2, 2], seeds: 3}", id="within a share"),
        pytest.param("{rule: base, claims: 4, wins: 3, loses: 1}", id="rule"),
        pytest.param("{finding: unclaimed, params: '*.bias', says: nobody}", id="finding"),
        pytest.param("{finding: '*', severity: error, count: 0}", id="no finding"),
    ],
)
def test_it_holds(entry: str) -> None:
    assert failures(entry) == []


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        pytest.param(
            "{params: 0.weight, set: {orthogonal: {gain: 1.5}}}",
            [("0.weight", "set", "orthogonal gain=1.5", "orthogonal gain=1.414", (BASE,))],
            id="value",
        ),
        pytest.param(
            "{params: 2.weight, set: zeros}",
            [("2.weight", "set", "zeros", "normal std=0.5", LAST)],
            id="value of a winner",
        ),
        pytest.param(
            "{params: 0.weight, set: {orthogonal: {gain: 1.4142}}}",
            [
                (
                    "0.weight",
                    "set",
                    "[{'orthogonal': {'gain': 1.4142}}]",
                    "[{'orthogonal': {'gain': 1.4142135623730951}}]",
                    (BASE,),
                )
            ],
            id="digits that tables do not print",
        ),
        pytest.param(
            "{params: 1.bias, set: zeros}",
            [("1.bias", "set", "zeros", "not decided", ("no rule claims it",))],
            id="not decided",
        ),
        pytest.param(
            "{params: 0.weight, set: {normal: {std: 1 / (fan_in - 4)}}}",
            [
                (
                    "0.weight",
                    "set",
                    "{normal: {std: 1 / (fan_in - 4)}}",
                    "orthogonal gain=1.414",
                    ("the expected value cannot be computed: '1 / (fan_in - 4)' divides by zero",),
                )
            ],
            id="no value here",
        ),
        pytest.param(
            "{params: ['{0,2}.weight'], optimize: {lr_scale: 1}}",
            [
                ("0.weight", "optimize", "lr_scale 1", "lr_scale not decided", ("no rule claims it",)),
                ("2.weight", "optimize", "lr_scale 1", "lr_scale 0.1", ("'last' decides it at rules.yaml:6:106: 0.1",)),
            ],
            id="option",
        ),
        pytest.param(
            "{params: 0.weight, by: last}",
            [("0.weight", "by", "last", "base", (BASE, "'last' does not claim it"))],
            id="another winner",
        ),
        pytest.param("{params: 2.weight, by: base}", [("2.weight", "by", "base", "last", LAST)], id="a loser"),
        pytest.param(
            "{params: 1.bias, by: base}",
            [("1.bias", "by", "base", "no rule", ("no rule claims it", "'base' does not claim it"))],
            id="nobody",
        ),
        pytest.param(
            "{params: 0.weight, over: [base, wrap]}",
            [
                ("0.weight", "over", "base", "no rule", (BASE,)),
                ("0.weight", "over", "wrap", "no rule", (BASE, "'wrap' does not claim it")),
            ],
            id="not over",
        ),
        pytest.param(
            '{params: "*.weight", kept: true}',
            [
                ("0.weight", "kept", "kept by a rule", "orthogonal gain=1.414", (BASE,)),
                ("2.weight", "kept", "kept by a rule", "normal std=0.5", LAST),
            ],
            id="not kept",
        ),
        pytest.param(
            "{params: '{0,2}.bias', unclaimed: true}",
            [("{0,2}.bias ×2", "unclaimed", "no rule", "zeros", ("'base' decides it at rules.yaml:4:90: zeros",))],
            id="claimed, two of a kind",
        ),
        pytest.param(
            "{params: 1.wieght, set: keep}",
            [("1.wieght", "params", "a parameter of that name", "none", ("the nearest is '1.weight'",))],
            id="misspelt parameter",
        ),
        pytest.param('{params: "**.weight", count: 4}', [("**.weight", "count", "4", "3", ())], id="count"),
        pytest.param(
            "{params: '{0,2}.weight', std: {about: 1, within: 0.15}, seeds: 3}",
            [
                ("0.weight", "std", "1 ± 0.15", "1.2 with seed 2", (BASE,)),
                ("2.weight", "std", "1 ± 0.15", "1.2 with seed 2", LAST),
            ],
            id="std of a later seed",
        ),
        pytest.param(
            "{params: 0.weight, std: 2, mean: 1, range: [-1, 3]}",
            [
                ("0.weight", "std", "2 ± 0.1", "1 with seed 0", (BASE,)),
                ("0.weight", "mean", "1 ± 0.05", "0 with seed 0", (BASE,)),
                ("0.weight", "range", "-1 to 3", "-2 to 2 with seed 0", (BASE,)),
            ],
            id="statistics",
        ),
        pytest.param(
            "{params: '{0,2}.bias', mean: 1}",
            [
                (
                    "{0,2}.bias ×2",
                    "mean",
                    "1 ± 0.05",
                    "0 with seed 0 at 0.bias",
                    ("'base' decides it at rules.yaml:4:90: zeros",),
                )
            ],
            id="the farthest of several",
        ),
        pytest.param(
            "{params: 1.bias, range: [0, 1]}",
            [("1.bias", "range", "a value to draw", "no rule that gives one", ("no rule claims it",))],
            id="nothing to draw",
        ),
        pytest.param(
            "{params: 0.weight, mean: 1 / (fan_in - 4)}",
            [
                (
                    "0.weight",
                    "mean",
                    "a number",
                    "none",
                    ("the expected value cannot be computed: '1 / (fan_in - 4)' divides by zero",),
                )
            ],
            id="no number here",
        ),
        pytest.param(
            "{rule: base, wins: 4, loses: 0}",
            [("rule 'base'", "wins", "4", "3", (FATE,)), ("rule 'base'", "loses", "0", "1", (FATE,))],
            id="rule",
        ),
        pytest.param(
            "{finding: dead-rule}",
            [
                (
                    "finding {finding: dead-rule}",
                    "count",
                    "at least one",
                    "0",
                    ("info unclaimed at r.yaml:1:2: nobody claims '1.bias'",),
                )
            ],
            id="no such finding",
        ),
        pytest.param(
            "{finding: unclaimed, count: 0}",
            [
                (
                    "finding {finding: unclaimed, count: 0}",
                    "count",
                    "0",
                    "1",
                    ("info unclaimed at r.yaml:1:2: nobody claims '1.bias'",),
                )
            ],
            id="a finding too many",
        ),
    ],
)
def test_it_does_not_hold(entry: str, wanted: list[tuple[str, str, str, str, tuple[str, ...]]]) -> None:
    assert failures(entry) == wanted


def test_many_failures_are_counted() -> None:
    with torch.device("meta"):
        model = nn.Sequential(*(nn.Linear(2, width) for width in range(2, 10)))
    found = planned("rules: [{rule: a, select: {type: Linear}, set: {bias: {constant: numel}}}]", model)
    head = "initrules-test: 1\ncases: [{name: a, rules: r, inventory: i, expect: "
    (case,) = read(head + '[{params: "*.bias", set: zeros}]}]\n', "t.yaml").cases
    told = [one.subject for one in Judge(found, [], draw).failures(case.expect[0])]
    assert told == ["0.bias", "1.bias", "2.bias", "3.bias", "4.bias", "and 3 more groups"]


def test_an_error_that_nobody_expects_is_a_failure() -> None:
    span = Span("t.yaml", 3, 5)
    error = Finding("dead-rule", Severity.ERROR, "it is dead", Span("r.yaml", 2, 1), rule="r")
    asked = OfFinding(span, ("dead-rule",), "error", "dead", "r", (), None, "")
    hint = "an error stops 'apply'; if it is meant, expect it: {finding: dead-rule}"
    told = "error dead-rule at r.yaml:2:1: it is dead"
    assert list(unexpected([error], [], span)) == [Failure(span, "findings", "errors", "none", told, (hint,))]
    assert list(unexpected([error, NO_FINDING], [asked], span)) == []
    assert list(finding_failures(asked, [error])) == []


def test_only_a_few_findings_are_told() -> None:
    asked = OfFinding(Span("t.yaml", 1, 1), ("x",), None, "", None, (), None, "{finding: x}")
    (found,) = finding_failures(asked, [NO_FINDING] * 7)
    assert found.because[-1] == "and 2 more findings"
    assert len(found.because) == 6
