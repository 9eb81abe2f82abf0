"""Names across files: what is unknown, what is taken, where a name has a meaning and where not."""

from __future__ import annotations

import pytest

from initrules import ruleset
from initrules.actions.fixed import Zeros
from initrules.actions.table import BUILTIN
from initrules.errors import RuleError
from told import told

_NAMES = (
    "Choose one of 'auto', 'e', 'false', 'fan_in', 'fan_out', 'inside', 'module', 'ndim', 'next', 'numel', 'parent', "
    "'pi', 'root', 'true'."
)
_NAMES_AND_X = _NAMES.replace(".", ", 'x'.")


def _refusal(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(f"initrules: 1\n{text}\n", "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "mark", "message", "hint"),
    [
        pytest.param(
            ("vars: {gain: 2}\nrules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: gian}}}}]"),
            (64, 4),
            "unknown name 'gian'",
            "Did you mean 'gain'?",
            id="a misspelt variable",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: hidden_gain}}}}]",
            (64, 11),
            "unknown name 'hidden_gain'",
            _NAMES,
            id="a variable of the base is unknown here",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: i + 1}}]",
            (44, 1),
            "'i' has no meaning here",
            "It stands only where an argument is a function of it, as in 'through'.",
            id="an index that is no fact",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {output: {value: 1, through: x * sigmoid}}}}]",
            (77, 7),
            "unknown name 'sigmoid'",
            _NAMES_AND_X,
            id="a bare function beside other things",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {output: {value: 1, through: sigmiod}}}}]",
            (73, 7),
            "unknown name 'sigmiod'",
            "Did you mean 'sigmoid'?",
            id="a misspelt function",
        ),
        pytest.param(
            ("vars: {zeros: 3}\nrules: [{rule: a, select: x, set: {weight: zeros}}]"),
            (44, 5),
            "'zeros' is an action and a variable",
            "Rename the variable; {constant: zeros} means the variable, whatever its name.",
            id="a variable named like an action",
        ),
        pytest.param(
            ("vars: {he_normal: 3}\nrules: [{rule: a, select: x, set: {weight: he_normal}}]"),
            (44, 9),
            "'he_normal' is an action and a variable",
            "Rename the variable; {constant: he_normal} means the variable, whatever its name.",
            id="a variable named like another spelling",
        ),
        pytest.param(
            "rules: [{rule: a, select: 'h.<fan_in>', set: {weight: zeros}}]",
            (30, 8),
            "the capture '<fan_in>' has the name of a built-in",
            "Choose another name: facts, indices and objects keep theirs.",
            id="a capture named like a fact",
        ),
        pytest.param(
            "rules: [{rule: a, select: {inside: 're:(?P<i>[0-9]+)'}, set: {weight: zeros}}]",
            (43, 3),
            "the capture '<i>' has the name of a built-in",
            "Choose another name: facts, indices and objects keep theirs.",
            id="a capture named like an index",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: x, where: fan_inn > 3}, set: {weight: zeros}}]",
            (44, 7),
            "unknown name 'fan_inn'",
            "Did you mean 'fan_in'?",
            id="an unknown name in where",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, decides: fan_in, set: {weight: zeros}}]",
            (39, 6),
            "'fan_in' has no meaning here",
            "This value is one for the whole model: use variables, count() or root.",
            id="a fact in decides",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: 'count(\"h.[\")'}}]",
            (54, 1),
            "a '[' that is never closed in 'h.['",
            "Add the missing ']'.",
            id="a bad pattern in count",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, decides: 'count(\"a..b\")', set: {weight: zeros}}]",
            (49, 1),
            "an empty segment in 'a..b'",
            "Write one dot between two segments.",
            id="a bad pattern in decides",
        ),
        pytest.param(
            "expect: [{output: a, near: fan_in}]",
            (28, 6),
            "'fan_in' has no meaning here",
            "This value is one for the whole model: use variables, count() or root.",
            id="a fact in an expectation",
        ),
        pytest.param(
            ("vars: {low: 0}\nexpect: [{output: a, within: [lw, 1]}]"),
            (31, 2),
            "unknown name 'lw'",
            "Did you mean 'low'?",
            id="a misspelt variable in an expectation",
        ),
        pytest.param(
            "expect: [{output: a, near: 'count(\"[\")'}]",
            (36, 1),
            "a '[' that is never closed in '['",
            "Add the missing ']'.",
            id="a bad pattern in an expectation",
        ),
        pytest.param(
            "vars: {a: b, b: a + 1}",
            (11, 1),
            "the variable 'a' is defined by way of itself: a → b → a",
            "Give one variable of the circle a value of its own.",
            id="a circle of variables",
        ),
        pytest.param(
            "vars: {a: '2 * fan_inn'}",
            (16, 7),
            "unknown name 'fan_inn'",
            "Did you mean 'fan_in'?",
            id="an unknown name in a variable",
        ),
        pytest.param(
            "vars: {a: [1, fan_inn]}",
            (15, 7),
            "unknown name 'fan_inn'",
            "Did you mean 'fan_in'?",
            id="an unknown name in a list of a variable",
        ),
        pytest.param(
            "vars: {a: 'count(\"[\")'}",
            (19, 1),
            "a '[' that is never closed in '['",
            "Add the missing ']'.",
            id="a bad pattern in a variable",
        ),
    ],
)
def test_what_is_refused(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    *above, line = text.split("\n")
    assert _refusal(text) == told(line, mark, message, hint, number=2 + len(above))


_H = "rules: [{rule: a, select: 'h.<n>', set: {w: "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(
            "sources: {old: {file: a.pt}}\n" + _H + "{load: {source: old, name: 'x.<m>'}}}}]",
            ((46, 4), "'<m>' in 'x.<m>' is bound by no capture", "The only choice is 'n'."),
            id="a capture in the name of a tensor",
        ),
        pytest.param(
            _H + "{copy: 'x.<m>.w'}}}]",
            ((46, 4), "'<m>' in 'x.<m>.w' is bound by no capture", "The only choice is 'n'."),
            id="a capture in the name of a parameter",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {w: {copy: 'x.<m>.w'}}}]",
            ((40, 4), "'<m>' in 'x.<m>.w' is bound by no capture", "The selector of this rule binds nothing."),
            id="a capture where nothing is bound",
        ),
        pytest.param(
            "sources: {old: {file: a.pt}}\n" + _H + "{load: {source: odl}}}}]",
            ((46, 4), "unknown source 'odl'", "Did you mean 'old'?"),
            id="a misspelt source",
        ),
        pytest.param(
            _H + "{load: {source: old}}}}]",
            ((46, 4), "unknown source 'old'", "Add it: 'sources: {NAME: {file: FILE}}'."),
            id="no sources",
        ),
    ],
)
def test_names_in_texts(text: str, problem: tuple[tuple[int, int], str, str]) -> None:
    *above, line = text.split("\n")
    assert _refusal(text) == told(line, *problem, number=2 + len(above))


def test_a_capture_of_another_rule_is_pointed_at() -> None:
    line = "  - {rule: b, select: x, set: {w: n + 1}}"
    text = f"rules:\n  - {{rule: a, select: 'h.<n>', set: {{w: n}}}}\n{line}"
    hint = "The rule 'a' binds it; a capture holds in its own rule."
    blank = " " * 36
    assert _refusal(text) == f"f.yaml:4:35: unknown name 'n'\n    {line.strip()}\n{blank}^\n  {hint}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("vars: {a: b, b: 2}\nrules: [{rule: a, select: x, set: {w: a}}]", id="variables in any order"),
        pytest.param(
            "vars: {deep: n + fan_in}\nrules: [{rule: a, select: 'h.<n>', set: {w: deep}}]",
            id="a variable may use facts and captures",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: x, where: module.bias or fan_in > 3}, set: {w: zeros}}]",
            id="facts and objects in where",
        ),
        pytest.param(
            "vars: {n: 2}\nrules: [{rule: a, select: x, decides: n * root.depth, set: {w: zeros}}]",
            id="variables and the root in decides",
        ),
        pytest.param("vars: {n: 2}\nexpect: [{output: a, near: n + root.x}]", id="the same in an expectation"),
        pytest.param("expect: [{output: a, through: 2 * sigmoid(x), near: 1}]", id="a function of x in an expectation"),
        pytest.param("expect: [{output: a, through: tanh, near: 1}]", id="the name of one"),
        pytest.param(
            "rules: [{rule: a, select: x, set: {w: {output: {value: 1, through: identity}}}}]", id="identity alone"
        ),
        pytest.param("vars: {scale: 2}\nrules: [{rule: a, select: x, set: {w: [keep, {scale: scale}]}}]",
                     id="a variable may have the name of an action where no word is an action"),
        pytest.param("rules: [{rule: a, select: 'h.<n>', set: {w: {copy: 'h.<n>.v'}}}]", id="a capture in a text"),
    ],
)  # fmt: skip
def test_what_is_known(text: str) -> None:
    ruleset.from_text(f"initrules: 1\n{text}\n", "f.yaml")


@pytest.mark.parametrize(("text", "mark", "message", "hint"), [
    pytest.param("rules: [{rule: a, select: x, set: {weight: near_zreo}}]", (44, 9),
                 "unknown action or variable 'near_zreo'",
                 "Did you mean 'near_zero'? A word is an action or a variable.", id="a misspelt word"),
    pytest.param("rules: [{rule: a, select: x, set: {weight: {near_zreo: {}}}}]", (45, 9),
                 "unknown action 'near_zreo'", "Did you mean 'near_zero'?", id="a misspelt call"),
    pytest.param("vars: {near_zero: 1}\nrules: [{rule: a, select: x, set: {weight: near_zero}}]", (44, 9),
                 "'near_zero' is an action and a variable",
                 "Rename the variable; {constant: near_zero} means the variable, whatever its name.", id="a clash"),
])  # fmt: skip
def test_actions_of_the_users_own_are_known(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(f"initrules: 1\n{text}\n", "f.yaml", BUILTIN.plus({"near_zero": Zeros}))
    lines = text.split("\n")
    assert str(caught.value) == told(lines[-1], mark, message, hint, number=len(lines) + 1)
