"""How problems are put into words: place, excerpt, mark, way out, and nothing that drives a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules.errors import (
    ExpressionError,
    Finding,
    Problems,
    RuleError,
    Severity,
    describe,
    nearest,
    printable,
    suggestion,
)
from initrules.source import Span


def _span(line_text: str, column: int, width: int = 1) -> Span:
    return Span("f.yaml", 7, column, width, line_text)


@pytest.mark.parametrize(
    ("message", "span", "hint", "shown"),
    [
        pytest.param("m", None, None, "m", id="a message alone"),
        pytest.param("m", None, "Do it.", "m\n  Do it.", id="without a place"),
        pytest.param("m", Span("f.yaml", 7, 3), "Do it.", "f.yaml:7:3: m\n  Do it.", id="without the line"),
        pytest.param("m", _span("   ", 2), None, "f.yaml:7:2: m", id="a blank line shows nothing"),
        pytest.param(
            "m", _span("  ab: cd", 7, 2), None, "f.yaml:7:7: m\n    ab: cd\n        ^^", id="indentation is left out"
        ),
        pytest.param("m", _span("ab", 2, 50), None, "f.yaml:7:2: m\n    ab\n     ^", id="the mark ends with the line"),
        pytest.param("m", _span("ab", 3), None, "f.yaml:7:3: m\n    ab\n      ^", id="a mark after the line"),
        pytest.param("m", _span("\tab", 1, 3), None, "f.yaml:7:1: m\n    ab\n    ^^", id="a mark before the text"),
        pytest.param(
            "m",
            _span("a" * 300, 201, 3),
            None,
            f"f.yaml:7:201: m\n    {'a' * 100}\n    {' ' * 20}^^^",
            id="a long line is cut around the mark",
        ),
        pytest.param(
            "m", _span("漢字: a", 5), None, "f.yaml:7:5: m\n    漢字: a\n          ^", id="wide characters"
        ),
        pytest.param(
            "m", _span("e\u0301: a", 5), None, "f.yaml:7:5: m\n    e\u0301: a\n       ^", id="accents"
        ),
        pytest.param(
            "m", _span("a\x1b: b", 5), None, r"f.yaml:7:5: m" + "\n    a\\x1b: b\n           ^", id="escapes"
        ),
        pytest.param(
            "'a\x1b[2J\nb'", Span("f\x07", 1, 1), "Not '\u202e'.", "f\\x07:1:1: 'a\\x1b[2J\\nb'\n  Not '\\u202e'.",
            id="nothing from a file reaches the terminal raw",
        ),
        pytest.param("x" * 1000, None, None, "x" * 600 + " … " + "x" * 97, id="a message is bounded"),
    ],
)  # fmt: skip
def test_describe(message: str, span: Span | None, hint: str | None, shown: str) -> None:
    assert describe(message, span, hint) == shown
    assert str(RuleError(message, span, hint)) == shown
    assert str(Finding("code", Severity.INFO, message, span, hint)) == shown


@given(st.text())
def test_printable_text_prints(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) is text.isprintable()


@given(st.text(alphabet=st.characters(categories=["L", "Nd", "P", "Cc", "Mn"]), min_size=1), st.data())
def test_the_mark_stands_under_the_character(text: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(1, len(text)))
    lines = describe("m", Span("f", 1, column, 1, text), None).split("\n")
    if len(lines) == 3 and not text[:column].isspace():
        before = lines[2].index("^")
        cells = 0
        for char in lines[1]:
            if cells >= before:
                break
            wide = unicodedata.east_asian_width(char) in "WF"
            cells += 0 if unicodedata.combining(char) else 1 + wide
        assert cells == before


def test_problems_are_sorted_by_place_and_told_once() -> None:
    here, there = Span("a", 2, 1, 1, "x: y"), Span("a", 1, 4)
    inner = Problems([RuleError("second", here), RuleError("second", here), RuleError("nowhere")])
    outer = Problems([inner, ExpressionError("first", there), RuleError("other file", Span("b", 1, 1))])
    assert [p.message for p in outer.problems] == ["first", "second", "other file", "nowhere"]
    assert str(outer) == "a:1:4: first\na:2:1: second\n    x: y\n    ^^^^\nb:1:1: other file\nnowhere".replace(
        "^^^^", "^"
    )
    assert outer.message == "4 problems"


def test_an_error_becomes_a_finding() -> None:
    span = Span("a", 1, 1)
    assert ExpressionError("m", span, "h").finding() == Finding("expression", Severity.ERROR, "m", span, "h")


def test_severities_sort_the_worst_first() -> None:
    assert sorted(Severity, key=lambda one: one.rank) == [Severity.ERROR, Severity.WARNING, Severity.INFO]


@pytest.mark.parametrize(
    ("word", "choices", "hint"),
    [
        pytest.param("ortogonal", ["orthogonal", "ones"], "Did you mean 'orthogonal'?", id="one letter is missing"),
        pytest.param("LINEAR", ["Linear"], "Did you mean 'Linear'?", id="capitals do not matter"),
        pytest.param("xyz", ["b", "a", "b"], "Choose one of 'a', 'b'.", id="choices are sorted and told once"),
        pytest.param("xyz", ["a"], "The only choice is 'a'.", id="one choice"),
        pytest.param("xyz", [], "There is nothing to choose from here.", id="no choice"),
        pytest.param(
            "xyz",
            [f"{n:02d}" for n in range(23)],
            "Choose one of " + ", ".join(f"'{n:02d}'" for n in range(20)) + " and 3 more.",
            id="many choices are counted",
        ),
    ],
)
def test_suggestion(word: str, choices: list[str], hint: str) -> None:
    assert suggestion(word, choices) == hint


def test_a_long_word_is_compared_by_its_beginning() -> None:
    assert nearest("a" * 1_000_000, ["a" * 200]) == "a" * 200


@pytest.mark.parametrize(
    ("line", "width", "text", "place"),
    [
        pytest.param("k: abc", 3, "abc", ("f.yaml:7:5", 1), id="a plain scalar"),
        pytest.param("k: 'abc'", 5, "abc", ("f.yaml:7:6", 1), id="the quote is stepped over"),
        pytest.param("k: '  abc'", 7, "abc", ("f.yaml:7:8", 1), id="so are blanks"),
        pytest.param(r'k: "a\x62c"', 8, "abc", ("f.yaml:7:4", 8), id="with escapes the whole span"),
        pytest.param("k: abc", 3, "abc d", ("f.yaml:7:4", 3), id="of several lines the first"),
        pytest.param("k: abc", 3, "", ("f.yaml:7:4", 3), id="of nothing the whole span"),
    ],
)
def test_a_part_of_a_value_is_found_where_it_was_written(
    line: str, width: int, text: str, place: tuple[str, int]
) -> None:
    found = _span(line, 4, width).part(text, 1, 1)
    assert (found.place, found.width) == place
