"""Test files as data, and every problem of one at once."""

from __future__ import annotations

import pytest

from initrules.document import ScalarNode
from initrules.errors import Problems
from initrules.ruletest.cases import OfFinding, OfParameters, OfRule, read

HEAD = """initrules-test: 1
rules: a.yaml
inventory: m.json
cases:
  - name: one
    expect:
"""


def texts(nodes: tuple[ScalarNode, ...]) -> list[str]:
    return [node.text for node in nodes]


def problems(text: str) -> list[str]:
    with pytest.raises(Problems) as caught:
        read(text, "t.yaml")
    return [
        f"{one.span.line}:{one.span.column}: {one.message} | {one.hint}" for one in caught.value.problems if one.span
    ]


def test_everything_that_a_file_can_say() -> None:
    found = read(
        HEAD
        + """      - params: [a.*, b]
        not: a.c
        set: [{normal: {std: 2}}, {scale: 0.5}]
        by: r
        over: [s, t]
        parametrize: spectral_norm
        optimize: {lr_scale: 0.5, freeze: keep}
        kept: false
        unclaimed: false
        count: 2
        std: {about: sqrt(2), within: 0.1}
        mean: 0
        range: [-1, 1]
        seeds: 3
      - {rule: r, wins: 1, claims: 2, loses: 1}
      - {finding: [x, y], severity: error, says: it, rule: r, params: a, count: 0}
  - name: two
    rules: [b.yaml, preset:ppo]
    model: m.py:build
    args: {n: 2}
    vars: {gain: 0.5, list: [1, 2]}
    sources: {old: old.pt}
    expect: [{finding: x}]
coverage: 90
""",
        "t.yaml",
    )
    first, second = found.cases
    parameters, rule, finding = first.expect
    assert isinstance(parameters, OfParameters)
    assert [str(one) for one in parameters.patterns] == ["a.*", "b"]
    assert [str(one) for one in parameters.excluded] == ["a.c"]
    assert {key: wanted.text for key, wanted in parameters.wanted.items()} == {
        "set": "[{normal: {std: 2}}, {scale: 0.5}]",
        "parametrize": "spectral_norm",
        "lr_scale": "0.5",
        "freeze": "keep",
    }
    assert (texts(parameters.by), texts(parameters.over)) == (["r"], ["s", "t"])
    assert (parameters.kept, parameters.unclaimed, parameters.count) == (False, False, 2)
    drawn = parameters.drawn
    assert drawn.std is not None
    assert (str(drawn.std.about), drawn.std.within, drawn.seeds) == ("sqrt(2)", 0.1, 3)
    assert drawn.mean is not None
    assert (str(drawn.mean.about), drawn.mean.within) == ("0", None)
    assert [str(end) for end in drawn.range or ()] == ["-1", "1"]
    assert isinstance(rule, OfRule)
    assert (rule.rule.text, rule.counts) == ("r", {"wins": 1, "claims": 2, "loses": 1})
    assert isinstance(finding, OfFinding)
    assert (finding.codes, finding.severity, finding.says, finding.rule, finding.count) == (
        ("x", "y"),
        "error",
        "it",
        "r",
        0,
    )
    assert first.subject.inventory is not None
    assert first.subject.inventory.text == "m.json"
    assert second.subject.inventory is None  # a model of its own replaces the file's inventory
    assert second.subject.model is not None
    assert (texts(second.subject.rules), second.subject.model.text) == (["b.yaml", "preset:ppo"], "m.py:build")
    assert (second.subject.arguments, second.subject.variables) == ({"n": 2}, {"gain": 0.5, "list": [1, 2]})
    assert second.subject.sources == {"old": "old.pt"}
    assert found.coverage is not None
    assert (found.coverage.least, found.coverage.span.place) == (90, "t.yaml:30:11")


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        pytest.param(
            "{parms: a, set: zeros}",
            ["7:10: unknown key of an expectation: 'parms' | Did you mean 'params'?"],
            id="misspelt key",
        ),
        pytest.param(
            '{params: "a**", set: zeros}',
            [
                (
                    "7:20: '**' beside other characters in 'a**' | '**' stands for whole "
                    "segments: 'a.**.b'. Write a list instead of braces around it."
                )
            ],
            id="pattern",
        ),
        pytest.param(
            "{params: a, wins: 3}",
            [("7:21: 'wins' says nothing about 'params' | It goes with 'rule: ...', in an entry of its own.")],
            id="key of another kind",
        ),
        pytest.param(
            "{rule: x}",
            [
                (
                    "7:9: the expectation asks for nothing | Add what must hold: 'set', 'by' and others for "
                    "parameters, 'wins' and others for a rule."
                )
            ],
            id="rule alone",
        ),
        pytest.param(
            "{params: a, not: b}",
            ["7:9: the expectation asks for nothing | Add 'set: ...' or 'by: ...'."],
            id="parameters alone",
        ),
        pytest.param(
            "{set: zeros}",
            [
                (
                    "7:9: the expectation does not say what it is about | Begin it with 'params: PATTERN', "
                    "'rule: NAME' or 'finding: CODE'."
                )
            ],
            id="no subject",
        ),
        pytest.param(
            "{params: a, seeds: 3}",
            [("7:21: 'seeds' without a statistic | Add 'std', 'mean' or 'range', or leave 'seeds' out.")],
            id="seeds alone",
        ),
        pytest.param(
            "{params: a, std: 1, seeds: 0}",
            [("7:36: the value of 'seeds' must be at least 1, not '0' | Write a number in that range.")],
            id="too small",
        ),
        pytest.param(
            "{params: a, set: {normal: {sdt: 1}}}",
            [("7:36: unknown argument of 'normal': 'sdt' | Did you mean 'std'?")],
            id="argument of an action",
        ),
        pytest.param(
            "{params: a, optimize: {lr: 1}}",
            [("7:32: unknown option 'lr' | Choose one of 'freeze', 'lr_scale', 'weight_decay'.")],
            id="option",
        ),
        pytest.param(
            "{params: a, set: [zeros, ones]}",
            [
                (
                    "7:34: 'ones' gives a new value, so that what stands before it is "
                    "lost | In a list the first entry fills and the rest transform."
                )
            ],
            id="chain",
        ),
        pytest.param(
            "{params: a, std: 1 / 0}", ["7:26: '1 / 0' divides by zero | Write another number."], id="statistic"
        ),
        pytest.param(
            "{params: a, range: [1]}",
            [("7:28: the value of 'range' must be a list of two numbers | Write [low, high].")],
            id="range",
        ),
        pytest.param(
            "{finding: x, severity: bad}",
            [("7:32: unknown value of 'severity': 'bad' | Choose one of 'error', 'info', 'warning'.")],
            id="severity",
        ),
    ],
)
def test_problems_of_an_expectation(entry: str, wanted: list[str]) -> None:
    assert problems(f"{HEAD}      - {entry}\n") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", ["1:1: the file is empty | Begin with the line 'initrules-test: 1'."], id="empty"),
        pytest.param(
            "cases: [{name: a, rules: r, inventory: i, expect: [{finding: x}]}]\n",
            ["1:1: missing key: 'initrules-test' | Begin the file with 'initrules-test: 1'."],
            id="no version",
        ),
        pytest.param(
            "initrules-test: 2\ncases: [{name: a, rules: r, inventory: i, expect: [{finding: x}]}]\n",
            [
                (
                    "1:17: the format version must be the number 1, not '2' | This program reads version 1: write "
                    "'initrules-test: 1'."
                )
            ],
            id="another version",
        ),
        pytest.param(
            "initrules-test: 1\ncoverage: 101\ncases:\n  - {name: a, expect: [{finding: x}]}\n"
            "  - {name: a, rules: r, model: m, inventory: i, expect: [{finding: x}]}\n",
            [
                "2:11: the value of 'coverage' must be at most 100, not '101' | Write a number in that range.",
                "4:5: the case names no rules | Add 'rules: FILE.yaml'.",
                (
                    "4:5: the case has neither a model nor an inventory | Add 'inventory: FILE.json' or 'model: "
                    "FILE.py:FUNCTION'."
                ),
                "5:12: two cases have the name 'a' | The first one is at t.yaml:4:12.",
                "5:32: a model and an inventory at once | Choose one of them.",
            ],
            id="everything at once",
        ),
    ],
)
def test_problems_of_a_file(text: str, wanted: list[str]) -> None:
    assert problems(text) == wanted
