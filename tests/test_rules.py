"""One file as typed data, and what the schema cannot see."""

from __future__ import annotations

import pytest

from initrules import ruleset
from initrules.errors import RuleError
from initrules.rules import Rule, RuleFile, read
from told import told


def _refusal(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(f"initrules: 1\n{text}\n", "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "mark", "message", "hint"),
    [
        pytest.param(
            "rules: [{rule: a, select: x}]",
            (9, 20),
            "the rule 'a' does nothing",
            "Add 'set', 'parametrize' or 'optimize'.",
            id="a rule that does nothing",
        ),
        pytest.param(
            "vars: {fan_in: 3}",
            (8, 6),
            "the variable 'fan_in' has the name of a built-in",
            "Choose another name: facts, indices and objects keep theirs.",
            id="a variable named like a fact",
        ),
        pytest.param(
            "vars: {module: 3}",
            (8, 6),
            "the variable 'module' has the name of a built-in",
            "Choose another name: facts, indices and objects keep theirs.",
            id="a variable named like an object",
        ),
        pytest.param(
            "vars: {pi: 3}",
            (8, 2),
            "the variable 'pi' has the name of a built-in",
            "Choose another name: facts, indices and objects keep theirs.",
            id="a variable named like a constant",
        ),
        pytest.param(
            "vars: {a: hello world}",
            (17, 1),
            "'hello world' is not an expression",
            "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
            id="a variable that is no expression",
        ),
        pytest.param(
            "vars: {a: .inf}",
            (11, 4),
            "'.inf' is not finite",
            "Write a finite number.",
            id="a variable that is not finite",
        ),
        pytest.param(
            "vars: {a: 1 / 0}",
            (11, 5),
            "'1 / 0' divides by zero",
            "Write another number.",
            id="a variable that divides by zero",
        ),
        pytest.param(
            "vars: {a: [1, x y]}",
            (17, 1),
            "'x y' is not an expression",
            "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
            id="a list with something else",
        ),
        pytest.param(
            "expect: [{near: 1}]",
            (10, 9),
            "an expectation needs either 'output' or 'gradient'",
            "Write {output: PATH, near: ...} or {gradient: PATH, reaches: true}.",
            id="an expectation of nothing",
        ),
        pytest.param(
            "expect: [{output: a, gradient: b}]",
            (10, 24),
            "an expectation needs either 'output' or 'gradient'",
            "Write {output: PATH, near: ...} or {gradient: PATH, reaches: true}.",
            id="an expectation of two things",
        ),
        pytest.param(
            "expect: [{output: a, modes: [train]}]",
            (10, 27),
            "the expectation says nothing about 'output'",
            "Add 'within' or 'near' or 'varies'.",
            id="an expectation of nothing about an output",
        ),
        pytest.param(
            "expect: [{gradient: a, after: 1}]",
            (10, 23),
            "the expectation says nothing about 'gradient'",
            "Add 'reaches'.",
            id="an expectation of nothing about a gradient",
        ),
        pytest.param(
            "expect: [{gradient: a, near: 1, reaches: true}]",
            (24, 4),
            "'near' belongs to an expectation of 'output'",
            "Leave it out.",
            id="an output's key for a gradient",
        ),
        pytest.param(
            "expect: [{output: a, varies: true, tolerance: 1}]",
            (36, 9),
            "a tolerance without 'near'",
            "Add 'near'.",
            id="a tolerance of nothing",
        ),
        pytest.param(
            "expect: [{output: 'a[', varies: true}]",
            (21, 1),
            "a '[' that is never closed in 'a['",
            "Add the missing ']'.",
            id="a bad path in an expectation",
        ),
        pytest.param(
            "expect: [{output: a, near: 1 +}]",
            (28, 3),
            "'1 +' is not an expression",
            "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
            id="a bad number in an expectation",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {'w[': zeros}}]",
            (38, 1),
            "a '[' that is never closed in 'w['",
            "Add the missing ']'.",
            id="a bad key",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {a.weight: zeros}}]",
            (36, 8),
            "'a.weight' is not the name of a parameter of one module",
            "A key names a parameter of the selected module itself; select the module that owns it.",
            id="a key of another module",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, decides: two of, set: {weight: zeros}}]",
            (43, 1),
            "'two of' is not an expression",
            "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
            id="a count that is no expression",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, decides: .inf, set: {weight: zeros}}]",
            (39, 4),
            "'.inf' is not finite",
            "Write a finite number.",
            id="a count that is not finite",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {'w[': {lr_scale: 1}}}]",
            (43, 1),
            "a '[' that is never closed in 'w['",
            "Add the missing ']'.",
            id="a key that has a bad value too",
        ),
    ],
)
def test_what_is_refused(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    *above, line = text.split("\n")
    assert _refusal(text) == told(line, mark, message, hint, number=2 + len(above))


def _rule(written: str) -> Rule:
    (rule,) = read(f"initrules: 1\nrules:\n  - {written}\n", "f.yaml").rules
    return rule


def test_everything_of_a_rule() -> None:
    rule = _rule(
        "{rule: head, why: small, select: {path: 'h.<n>', inside: 'a.<m>'}, set: {weight: zeros, 'b*': 1}, "
        "parametrize: {weight: spectral_norm}, optimize: {'*': {lr_scale: 0.5, weight_decay: 0}}, "
        "lock: true, optional: true, decides: 2}"
    )
    assert (rule.name, rule.why, rule.lock, rule.optional, rule.default) == ("head", "small", True, True, False)
    assert rule.captures == {"n", "m"}
    assert str(rule.decides) == "2"
    assert rule.text == "{path: h.<n>, inside: a.<m>}"
    assert rule.span.place == "f.yaml:3:12"
    assert [(one.prop, str(one.key), one.text) for one in rule.declarations] == [
        ("set", "weight", "zeros"),
        ("set", "b*", "1"),
        ("parametrize", "weight", "spectral_norm"),
        ("lr_scale", "*", "0.5"),
        ("weight_decay", "*", "0"),
    ]


@pytest.mark.parametrize(
    ("written", "lock"),
    [
        pytest.param("true", True, id="true"),
        pytest.param("TRUE", True, id="every spelling of true"),
        pytest.param("False", False, id="false"),
    ],
)
def test_a_lock_is_a_boolean(written: str, lock: bool) -> None:
    rule = _rule(f"{{rule: a, select: x, set: {{w: zeros}}, lock: {written}, optional: {written}}}")
    assert (rule.lock, rule.optional) == (lock, lock)


def test_a_file_keeps_all_its_sections() -> None:
    found: RuleFile = read(
        "initrules: 1\nabout: all\nextends: [a.yaml, b.yaml]\nunmatched: error\nstream: global\norder: rules\n"
        "vars: {a: 1, b: [1, a], c: true}\nsources: {s: {file: f.pt, key: k}, t: {file: g.pt}}\n"
        "defaults: [{rule: d, select: x, set: {w: zeros}}]\nrules: [{rule: r, select: x, set: {w: zeros}}]\n"
        "expect: [{output: [a, b], within: [0, 1], modes: [train, eval], varies: true}, {gradient: c, reaches: true}]\n"
        "remove: [x]\nunlock: [y]\n",
        "f.yaml",
    )
    assert found.about == "all"
    assert [node.text for node in found.extends] == ["a.yaml", "b.yaml"]
    assert found.settings == {"unmatched": "error", "stream": "global", "order": "rules"}
    assert {name: str(value) for name, value in found.variables.items() if name != "b"} == {"a": "1", "c": "true"}
    assert [(one.name, one.file, one.key) for one in found.sources] == [("s", "f.pt", "k"), ("t", "g.pt", None)]
    assert [(rule.name, rule.default) for rule in found.rules] == [("d", True), ("r", False)]
    output, gradient = found.expect
    assert [str(pattern) for pattern in output.patterns] == ["a", "b"]
    assert [str(limit) for limit in output.values["within"]] == ["0", "1"]
    assert (output.values["modes"], output.values["varies"]) == (("train", "eval"), True)
    assert (gradient.kind, gradient.values) == ("gradient", {"reaches": True})
    assert [node.text for node in (*found.remove, *found.unlock)] == ["x", "y"]


def test_what_the_schema_refused_is_not_read_on() -> None:
    line = "rules: [{rule: a, select: 3, set: {w: {normal: {std: []}}}, decides: []}, {rule: b, select: [x, {}]}]"
    found = _refusal(f"vars: {{a: {{}}, b: [[]]}}\n{line}")
    assert [part.partition(": ")[2] for part in found.split("\n") if part.startswith("f.yaml")] == [
        "the value of 'a' must be a number, a list of numbers, true, false or an expression, not a mapping",
        "an entry of 'b' must be a number or an expression, not a list",
        "the value of 'select' must be text, a mapping or a list, not '3'",
        "the value of 'std' must be a number or an expression, not a list",
        "the value of 'decides' must be a number or an expression, not a list",
        "an entry of 'select' is empty",
    ]
