"""Answers of the matcher: what is met, counted and picked; DESIGN's sentences stand in test_design."""

from __future__ import annotations

import pytest
from torch import nn

from initrules import ruleset
from initrules.matcher import Matcher, Meeting, picked
from initrules.pattern import path_pattern, type_pattern
from initrules.selector import Pick, Selector
from initrules.source import Span
from initrules.survey import survey
from support import isolated

HERE = Span("rules.yaml", 1, 1)


@isolated
def net() -> nn.Module:
    shared = nn.Linear(1, 1)
    return nn.ModuleDict({"a": nn.Sequential(shared, nn.ReLU()), "b": nn.Sequential(shared, nn.Linear(1, 1))})


def selector(text: str) -> tuple[Selector, ...]:
    return ruleset.from_text(f"initrules: 1\nrules: [{{rule: r, select: {text}, set: {{weight: 1}}}}]").rules[0].select


@pytest.mark.parametrize(("pick", "members"), [
    pytest.param("first", [5], id="first"),
    pytest.param("last", [7], id="last"),
    pytest.param("all-but-first", [6, 7], id="all but first"),
    pytest.param("all-but-last", [5, 6], id="all but last"),
    pytest.param(1, [6], id="a number"),
    pytest.param(-3, [5], id="a negative number"),
    pytest.param(3, [], id="too large"),
    pytest.param(-4, [], id="too small"),
])  # fmt: skip
def test_picked(pick: Pick, members: list[int]) -> None:
    assert picked([5, 6, 7], pick) == members


def test_picks_of_nobody() -> None:
    assert [picked([], pick) for pick in ("first", "last", "all-but-first", "all-but-last", 0, -1)] == [[]] * 6


def test_meetings_stand_in_registration_order() -> None:
    matcher = Matcher(survey(net()))
    names = matcher.inventory.names
    found = matcher.meetings(selector("[b.*, {type: ReLU}, a.0]"))
    assert [names[position].path for position in found] == ["a.0", "a.1", "b.0", "b.1"]


def test_the_first_selector_of_a_list_binds() -> None:
    matcher = Matcher(survey(net()))
    found = matcher.meetings(selector('["a.<n>", "<m>.*", "*.<m>"]'))
    assert found[2] == Meeting({"n": 0}, None)
    assert {position: dict(meeting.captures) for position, meeting in found.items()} == {
        2: {"n": 0}, 3: {"n": 1}, 5: {"m": 0}, 6: {"m": 1},
    }  # fmt: skip


def test_answers_are_remembered() -> None:
    matcher = Matcher(survey(net()))
    assert matcher.meetings(selector("a.*")) is matcher.meetings(selector("a.*"))


@pytest.mark.parametrize(("pattern", "count"), [
    pytest.param("*.0", 1, id="a shared module counts once"),
    pytest.param("*.1", 2, id="two modules"),
    pytest.param("**", 6, id="all modules, the root too"),
    pytest.param("c.*", 0, id="nobody"),
])  # fmt: skip
def test_count(pattern: str, count: int) -> None:
    assert Matcher(survey(net())).count(path_pattern(pattern, HERE)) == count


def test_alone_counts_modules_for_each_key() -> None:
    (one,) = selector("{type: Linear, path: a.*, inside: b, parent: a, next: {type: ReLU}, not: a.1, name: x}")
    assert Matcher(survey(net())).alone(one) == {
        "type": 2, "path": 2, "name": 0, "parent": 2, "next": 1, "inside": 3, "not": 5,
    }  # fmt: skip


def test_groups_are_what_pick_chooses_from() -> None:
    matcher = Matcher(survey(net()))
    assert matcher.groups(*selector("{type: Linear, pick: 5}")) == (1, 2)
    assert matcher.groups(*selector("{type: Linear, inside: '', pick: 5}")) == (3,)


def test_owned_parameters_of_a_name() -> None:
    matcher = Matcher(survey(net()))
    assert matcher.owned(2) == matcher.owned(5) == (("weight", 0), ("bias", 1))
    assert matcher.owned(0) == ()


def test_captures_of_types() -> None:
    """A class name is a pattern like any other, and binds."""
    layers = isolated(lambda: nn.Sequential(nn.Conv1d(1, 1, 1), nn.Conv2d(1, 1, 1)))()
    matcher = Matcher(survey(layers))
    assert [dict(m.captures) for m in matcher.meetings(selector('{type: "Conv<n>d"}')).values()] == [{"n": 1}, {"n": 2}]
    qualified = '{type: "torch.nn.modules.conv.Conv<n>d"}'
    assert [dict(m.captures) for m in matcher.meetings(selector(qualified)).values()] == [{"n": 1}, {"n": 2}]
    assert str(type_pattern("=Conv1d", HERE)) == "=Conv1d"


def test_the_name_that_met_inside() -> None:
    matcher = Matcher(survey(net()))
    found = matcher.meetings(selector("{type: Linear, inside: [a, '']}"))
    assert {position: meeting.inside for position, meeting in found.items()} == {2: 1, 5: 0, 6: 0}
