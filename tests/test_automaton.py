"""Patterns walked together along the segments of paths: the same answers as each pattern by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules.automaton import Automaton, names_met, segments
from initrules.inventory import Columns, Make, Module, bent
from initrules.pattern import Pattern, path_pattern
from initrules.source import Span

HERE = Span("rules.yaml", 1, 1)
PATHS = ("", "a", "h", "h.0", "h.1", "h.10", "h.0.a", "h.1.a", "h.10.a.0", "h.10.a.ab3", "a.b", "a.b.c", "a.h.2.h.3")
PIECES = ("*", "**", "a", "h", "?", "[ab]", "[!a]", "{a,h}", "{0..10}", "1*", "*0", "<n>", "ab<m>", "{a,ab[0-9]}", "0")


def pattern(text: str) -> Pattern:
    return path_pattern(text, HERE)


@pytest.mark.parametrize(("text", "found"), [
    pytest.param("a", ("a",), id="one"),
    pytest.param("h.*.c_*", ("h", "*", "c_*"), id="several"),
    pytest.param("**.h.{0..11}.a", ("**", "h", "{0..11}", "a"), id="the dots of a range part nothing"),
    pytest.param("h.<n>.{a,b}", ("h", "<n>", "{a,b}"), id="alternatives of one segment"),
    pytest.param("h.{a.b,c}", None, id="alternatives of several segments"),
    pytest.param("re:h\\..*", None, id="a regular expression"),
    pytest.param("", None, id="the root"),
])  # fmt: skip
def test_segments(text: str, found: tuple[str, ...] | None) -> None:
    assert segments(pattern(text)) == found


def texts() -> st.SearchStrategy[str]:
    """Globs, at most one of each capture in them."""
    rows = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5)
    return rows.filter(lambda row: row.count("<n>") < 2 and row.count("ab<m>") < 2).map(".".join)


@given(st.lists(texts(), min_size=1, max_size=12), st.sampled_from(PATHS[1:]))
def test_all_patterns_together_answer_as_each_by_itself(rows: list[str], path: str) -> None:
    patterns = {pattern(text) for text in rows}
    automaton = Automaton(patterns)
    state = automaton.run(path)
    found = dict(automaton.met(state)) | {
        one: captures for one in state.late if (captures := one.match(path)) is not None
    }
    expected = {one: captures for one in patterns if (captures := one.match(path)) is not None}
    assert found == expected
    assert automaton.ends(state) is bool(expected)


def test_states_are_shared_by_paths_that_have_come_equally_far() -> None:
    automaton = Automaton(map(pattern, ("h.{0..2}.a", "h.<n>.b", "**.c")))
    assert automaton.run("h.5") is not automaton.run("h.6")  # 'h.<n>.b' has bound another number
    assert automaton.run("h.5.x") is automaton.run("h.6.x") is automaton.run("y")  # and has gone out of reach
    assert automaton.run("h.0.a.x") is automaton.run("y")


def test_what_is_bound_behind_any_number_of_segments_takes_a_look_at_the_whole() -> None:
    late = pattern("**.<n>.**")
    automaton = Automaton([late, pattern("h.<n>.**")])
    state = automaton.run("h.3.4")
    assert state.late == (late,)
    assert [(one.text, captures) for one, captures in automaton.met(state)] == [("h.<n>.**", {"n": 3})]


@pytest.mark.parametrize("text", ["**", "*", "h.*", "", "re:h.*", "h.{0,1}.a", "h.{0.a,1.a}", "**.0", "nowhere"])
def test_names_met(text: str) -> None:
    """In one walk along the parents, also where a name does not go on where its parent's ends."""
    parents = [-1, 0, 0, 2, 2, 2, 3, 4, 2, 5, 1, 10, 0]
    columns = Columns([Make(Module(()), ())], PATHS, parents, range(13), [0] * 13, [0] * 14, bent=bent(PATHS, parents))
    assert columns.bent == {8, 9, 12}
    assert [*names_met(pattern(text), columns)] == [
        at for at, path in enumerate(PATHS) if pattern(text).match(path) is not None
    ]
