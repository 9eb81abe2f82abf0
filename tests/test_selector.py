"""Selectors as they are written: every key, every capture, every problem."""

from __future__ import annotations

import pytest

from initrules import ruleset
from initrules.errors import RuleError
from initrules.selector import Selector
from told import told

_PICKS = (
    "Choose one of 'all-but-first', 'all-but-last', 'first', 'last'. "
    "A whole number counts from 0, from the end if negative."
)


def _refusal(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(f"initrules: 1\n{text}\n", "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "mark", "message", "hint"),
    [
        pytest.param(
            'rules: [{rule: a, select: "a..b", set: {w: zeros}}]',
            (30, 1),
            "an empty segment in 'a..b'",
            "Write one dot between two segments.",
            id="a bad path",
        ),
        pytest.param(
            'rules: [{rule: a, select: {path: "a["}, set: {w: zeros}}]',
            (36, 1),
            "a '[' that is never closed in 'a['",
            "Add the missing ']'.",
            id="a bad path in a key",
        ),
        pytest.param(
            "rules: [{rule: a, select: {name: a.b}, set: {w: zeros}}]",
            (34, 3),
            "'a.b' has several segments, 'name' looks at the last one",
            "Write 'path: \"a.b\"'.",
            id="a bad name",
        ),
        pytest.param(
            'rules: [{rule: a, select: {type: "="}, set: {w: zeros}}]',
            (34, 3),
            "an empty class name",
            "Name a class, such as 'Linear'.",
            id="a bad class",
        ),
        pytest.param(
            'rules: [{rule: a, select: {inside: [a, "b]"]}, set: {w: zeros}}]',
            (42, 1),
            "a ']' that closes nothing in 'b]'",
            "Remove it, or use 're:' and escape it.",
            id="a bad path in a nested selector",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: x, pick: frist}, set: {w: zeros}}]",
            (43, 5),
            "unknown pick 'frist'",
            "Did you mean 'first'? A whole number counts from 0, from the end if negative.",
            id="an unknown pick",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: x, pick: third}, set: {w: zeros}}]",
            (43, 5),
            "unknown pick 'third'",
            _PICKS,
            id="a pick far off",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: x, where: fan_in = 3}, set: {w: zeros}}]",
            (51, 1),
            "'fan_in = 3' is not an expression",
            "Two values are compared with '=='.",
            id="a bad condition",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: x, where: ''}, set: {w: zeros}}]",
            (44, 2),
            "an empty expression",
            "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
            id="an empty condition",
        ),
        pytest.param(
            'rules: [{rule: a, select: {path: "a.<n>", name: "<n>"}, set: {w: zeros}}]',
            (37, 3),
            "the capture '<n>' is bound by two keys",
            "Give each a name of its own.",
            id="a capture in two keys",
        ),
        pytest.param(
            'rules: [{rule: a, select: {path: "a.<n>", inside: "b.<n>"}, set: {w: zeros}}]',
            (37, 3),
            "the capture '<n>' is bound by two keys",
            "Give each a name of its own.",
            id="a capture in a key and a nested selector",
        ),
        pytest.param(
            'rules: [{rule: a, select: {parent: {name: "<n>"}, next: {name: "<n>"}}, set: {w: zeros}}]',
            (44, 3),
            "the capture '<n>' is bound by two keys",
            "Give each a name of its own.",
            id="a capture in two nested selectors",
        ),
        pytest.param(
            "rules: [{rule: a, select: 're:(?=a)', set: {w: zeros}}]",
            (27, 10),
            "not a regular expression: invalid perl operator: (?=",
            "Look-around and back-references are left out, so that every pattern runs in linear time.",
            id="a catastrophe that RE2 refuses",
        ),
    ],
)
def test_what_is_refused(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    *above, line = text.split("\n")
    assert _refusal(text) == told(line, mark, message, hint, number=2 + len(above))


def _select(written: str) -> tuple[Selector, ...]:
    text = f"initrules: 1\nrules:\n  - rule: a\n    select: {written}\n    set: {{w: zeros}}\n"
    return ruleset.from_text(text, "f.yaml").rules[0].select


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("actor.*", "actor.*", id="a plain string is a path"),
        pytest.param("{path: actor.*}", "{path: actor.*}", id="as a key"),
        pytest.param("[a, {type: Linear}]", "a | {type: Linear}", id="a list is any of them"),
        pytest.param("[[a, b], c]", "a | b | c", id="lists in lists are one list"),
        pytest.param("{not: [a, {type: b}]}", "{not: [a, {type: b}]}", id="a nested list"),
    ],
)
def test_a_selector_prints_as_written(written: str, shown: str) -> None:
    assert " | ".join(str(one) for one in _select(written)) == shown


def test_every_key_is_read() -> None:
    (found,) = _select(
        "{path: [a, b], name: c, type: [=D, e.F], parent: g, inside: {type: H}, next: [i, j], not: k, "
        "pick: [first, -2, '3'], where: [fan_in > 3, TRUE], frozen: true}"
    )
    assert [str(one) for one in (*found.path, *found.name, *found.type)] == ["a", "b", "c", "=D", "e.F"]
    assert [str(one.path[0]) for one in (*found.parent, *found.next, *found.excluded)] == ["g", "i", "j", "k"]
    assert [str(one.type[0]) for one in found.inside] == ["H"]
    assert found.pick == ("first", -2, 3)
    assert [str(one) for one in found.where] == ["fan_in > 3", "TRUE"]
    assert found.where[1].constant is True
    assert found.frozen is True


def test_an_empty_key_asks_nothing() -> None:
    (found,) = _select("{type: Linear, frozen: false}")
    assert (found.path, found.name, found.pick, found.where, found.frozen) == ((), (), (), (), False)


@pytest.mark.parametrize(
    ("written", "names"),
    [
        pytest.param("h.<n>", {"n"}, id="a path"),
        pytest.param("{type: 're:(?P<kind>.*)Norm', name: 'l<n>'}", {"kind", "n"}, id="a class and a name"),
        pytest.param("{parent: 'a.<n>', inside: 'b.<m>', next: 'c.<o>'}", {"n", "m", "o"}, id="nested selectors"),
        pytest.param("{path: a, not: 'b.<n>'}", set(), id="what must not be met binds nothing"),
        pytest.param("{path: ['a.<n>', 'b.<n>']}", {"n"}, id="several patterns of one key share names"),
    ],
)
def test_captures(written: str, names: set[str]) -> None:
    assert {name for one in _select(written) for name in one.captures()} == names


def test_the_place_of_a_capture_is_that_of_its_pattern() -> None:
    (found,) = _select("{inside: {parent: 'a.<n>'}}")
    assert found.capture_span("n").place == "f.yaml:4:34"
    assert found.capture_span("m") == found.span


def test_every_problem_of_a_selector_is_told_at_once() -> None:
    line = "rules: [{rule: a, select: [{path: 'a[', pick: frist, where: 1 +}, 'b..c', {not: 'd]'}], set: {w: zeros}}]"
    found = _refusal(line)
    assert [part.partition(": ")[2] for part in found.split("\n") if part.startswith("f.yaml")] == [
        "a '[' that is never closed in 'a['",
        "unknown pick 'frist'",
        "'1 +' is not an expression",
        "an empty segment in 'b..c'",
        "a ']' that closes nothing in 'd]'",
    ]
