"""Groups of repeated layers: each printed pattern meets exactly its members, and every row stands in one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from initrules.decision import Row
from initrules.evaluation import Missing
from initrules.fans import Target
from initrules.grouping import group, numbers_text, products, segments
from initrules.inventory import Parameter, ParameterName
from initrules.pattern import path_pattern
from initrules.source import Span
from support import isolated, planned

NOWHERE = Span("", 1, 1)
NO_FANS = Missing("a vector has none")


def row(path: str, *, size: int = 2, others: tuple[str, ...] = ()) -> Row:
    names = tuple(ParameterName(0, name.rpartition(".")[2], name) for name in (path, *others))
    return Row(Parameter(names, (size,), "float32", "cpu"), Target(path, (size,), "float32", NO_FANS, NO_FANS), {})


def patterns(paths: Sequence[str]) -> list[str]:
    return [one.pattern for one in group([row(path) for path in paths])]


@pytest.mark.parametrize(
    ("paths", "grouped"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["weight"], ["weight"], id="one name"),
        pytest.param(["h.0.w", "h.1.w"], ["h.{0,1}.w"], id="two numbers are listed"),
        pytest.param(["h.0.w", "h.1.w", "h.2.w"], ["h.{0..2}.w"], id="three numbers in a row are a range"),
        pytest.param(["h.0.w", "h.2.w", "h.4.w"], ["h.{0,2,4}.w"], id="gaps are listed"),
        pytest.param([f"h.{i}.w" for i in (0, 1, 2, 7)], ["h.{{0..2},7}.w"], id="a range beside a number"),
        pytest.param([f"{a}.{b}" for a in (0, 1) for b in (0, 1)], ["{0,1}.{0,1}"], id="a full product"),
        pytest.param(["0.0", "0.1", "1.1"], ["0.{0,1}", "1.1"], id="what is no full product is split"),
        pytest.param(["a.w", "b.w"], ["{a,b}.w"], id="words differ in one segment"),
        pytest.param(["a.x", "b.y"], ["a.x", "b.y"], id="words differ in two segments"),
        pytest.param(["ln_1.w", "ln_2.w"], ["ln_{1,2}.w"], id="a number inside a segment"),
        pytest.param(["h.07.w", "h.08.w"], ["h.{07,08}.w"], id="a number with a leading zero is a word"),
        pytest.param(["h.9.w", "h.1234567890.w"], ["h.{9,1234567890}.w"], id="a huge number is a word"),
        pytest.param(["a.b", "a.c,d"], ["a.b", r"re:a\.c,d"], id="a comma is no alternative"),
        pytest.param(["a*.0", "a*.1"], [r"re:a\*\.(?:0|1)"], id="a star stands for itself"),
        pytest.param(["re:x"], ["re:re:x"], id="a name like a regular expression"),
        pytest.param(["\x1b[2J.w"], [r"re:\x{1b}\[2J\.w"], id="what does not print is written as a code"),
    ],
)
def test_patterns(paths: list[str], grouped: list[str]) -> None:
    assert patterns(paths) == grouped


SEGMENTS = st.one_of(
    st.integers(0, 40).map(str),
    st.sampled_from(["h", "h0", "h1", "b2c3", "007", "re:x", "a,b", "{", "[0]", "x y", "<n>", "*", "é", "a-b", "\0"]),
    st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join), min_size=1, max_size=30, unique=True))
@example([f"h.{7 * n}.w" for n in range(400)])  # too many numbers for one pattern
@example([f"{'long' * 20}{chr(97 + n)}.w" for n in range(26)])  # too many words for one pattern
def test_a_pattern_meets_exactly_its_members(paths: list[str]) -> None:
    found: list[str] = []
    for one in group([row(path) for path in paths]):
        pattern = path_pattern(one.pattern, NOWHERE)
        members = [member.path for member in one.rows]
        assert one.pattern.isprintable()
        assert {path for path in paths if pattern.match(path) is not None} == set(members)
        found += members
    assert sorted(found) == sorted(paths)


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2))))
def test_products_are_disjoint_and_complete(numbers: set[tuple[int, ...]]) -> None:
    members = [
        (a, b, c) for first, second, third in products(sorted(numbers)) for a in first for b in second for c in third
    ]
    assert sorted(members) == sorted(numbers)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_numbers_are_written_as_a_glob_for_them(numbers: set[int]) -> None:
    pattern = path_pattern(numbers_text(sorted(numbers)), NOWHERE)
    assert {number for number in range(100) if pattern.match(str(number)) is not None} == numbers


def test_a_long_run_stays_within_what_a_range_may_hold() -> None:
    pattern = path_pattern(numbers_text(range(25_000)), NOWHERE)
    assert pattern.match("24999") is not None
    assert pattern.match("25000") is None


def test_segments_of_a_pattern() -> None:
    assert segments("a.{b,c.d}.{0..2}") == ["a", "{b,c.d}", "{0..2}"]


def test_rows_that_differ_stand_apart() -> None:
    rows = [row("h.0.w"), row("h.1.w", size=3), row("h.2.w"), row("h.3.w")]
    assert [one.pattern for one in group(rows, apart={"h.3.w"})] == ["h.{0,2}.w", "h.1.w", "h.3.w"]


def test_shared_parameters_say_where_else_they_are() -> None:
    rows = [row(f"a.enc.{n}.w", others=(f"b.enc.{n}.w", f"c.{n}.w")) for n in (0, 1)]
    (one,) = group(rows)
    assert (one.pattern, one.also) == ("a.enc.{0,1}.w", ("b", "c"))


def test_equal_shapes_with_different_fans_stand_apart() -> None:
    model = isolated(nn.ModuleDict)()
    model["a"], model["b"] = isolated(nn.Conv2d)(4, 4, 3, device="meta"), isolated(nn.Conv2d)(8, 4, 3, groups=2)
    plan = planned("rules: [{rule: r, select: {type: Conv2d}, set: {weight: kaiming_normal}}]", model)
    weights = [one for one in plan.rows if one.value]
    assert [one.pattern for one in group(weights)] == ["a.weight", "b.weight"]
    assert [one.value and one.value.fans for one in weights] == [(36, 36), (36, 18)]
