"""Plans side by side: every parameter once, marked where the plans differ, with the findings of each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from rich.cells import cell_len
from torch import nn

from initrules.pattern import path_pattern
from initrules.report import environments
from initrules.source import Span
from random_models import models, rule_sets, texts
from support import isolated, planned

RULES = """defaults: [{rule: all, select: {type: Linear}, set: {weight: {orthogonal: {gain: GAIN}}, bias: zeros}}]
rules: [{rule: head, select: {type: Linear, pick: last}, set: {weight: {normal: {std: 0.1}}}}]
"""


@isolated
def model(depth: int = 3) -> Any:
    return nn.Sequential(*(nn.Linear(4, 4) for _ in range(depth)))


def plans() -> list[Any]:
    return [planned(RULES.replace("GAIN", gain), model()) for gain in ("1", "2")]


def test_text_whole() -> None:
    assert environments.text(["one", "two"], plans(), width=80) == (
        "   parameter        shape  one             two\n"
        "────────────────────────────────────────────────────────────\n"
        "≠  {0,1}.weight ×2  4×4    orthogonal      orthogonal gain=2\n"
        "                           std 0.5         std 1\n"
        "                           all             all\n"
        "   {0..2}.bias ×3   4      zeros           zeros\n"
        "                           all             all\n"
        "   2.weight         4×4    normal std=0.1  normal std=0.1\n"
        "                           head            head\n"
        "2 of 6 parameters ≠ differ"
    )


def test_only_what_differs() -> None:
    lines = environments.text(["one", "two"], plans(), only_differences=True, width=120).splitlines()
    assert [line.split()[1] for line in lines[2:3]] == ["{0,1}.weight"]
    assert lines[-1] == "2 of 6 parameters ≠ differ, 4 the same and not shown"
    same = environments.text(["one", "two"], [plans()[0]] * 2, only_differences=True)
    assert same == "0 of 6 parameters ≠ differ, 6 the same and not shown"


def test_parameters_of_one_model_only_and_equal_values_by_other_rules() -> None:
    one, two = (
        planned("rules: [{rule: a, select: '**', set: {bias: 0}}]", model(1)),
        planned("rules: [{rule: b, select: '**', set: {bias: zeros}}]", model(2)),
    )
    lines = environments.side_by_side([one, two])
    assert [(line.group.pattern, line.differs, [row is None for row in line.rows]) for line in lines] == [
        ("0.weight", False, [False, False]),
        ("0.bias", False, [False, False]),
        ("1.weight", True, [True, False]),
        ("1.bias", True, [True, False]),
    ]
    assert "does not exist" in environments.text(["a", "b"], [one, two])


def test_findings_are_told_once_with_the_names_of_all_that_have_them() -> None:
    broken = planned("rules: [{rule: a, select: nowhere, set: {bias: 0}}]", model())
    shown = environments.text(["a", "b\x1b", "c"], [broken, broken, plans()[0]])
    assert shown.count("claims nothing") == 1
    assert shown.endswith("  In a, b\\x1b.")


def test_many_findings_are_counted() -> None:
    rules = "\n".join(f"  - {{rule: r{n}, select: nowhere, set: {{bias: 0}}}}" for n in range(23))
    broken = planned(f"rules:\n{rules}", model())
    shown = environments.text(["a", "b"], [broken, plans()[0]])
    assert shown.endswith("\nand 3 more findings; --format json has all")


def test_data() -> None:
    data = environments.as_json(["one", "two"], plans())
    assert data["initrules-environments"] == 1
    assert [one["name"] for one in data["environments"]] == ["one", "two"]
    assert data["groups"][0] == {
        "pattern": "{0,1}.weight", "parameters": ["0.weight", "1.weight"], "shape": [4, 4], "differs": True,
        "sides": [
            {"set": {"value": "orthogonal", "rule": "all", "place": "rules.yaml:2:62"}, "std": 0.5},
            {"set": {"value": "orthogonal gain=2", "rule": "all", "place": "rules.yaml:2:62"}, "std": 1.0},
        ],
    }  # fmt: skip
    assert len(environments.as_json(["one", "two"], plans(), only_differences=True)["groups"]) == 1
    assert json.loads(json.dumps(data, allow_nan=False)) == data


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_is_wider_than_the_window(width: int) -> None:
    shown = environments.text(["a/rather/long/name.yaml", "another/one.yaml"], plans(), width=width)
    assert max(map(cell_len, shown.splitlines())) <= width


@settings(max_examples=25, deadline=None)
@given(rule_sets(), rule_sets(), models())
def test_every_parameter_stands_in_one_line_whose_pattern_meets_exactly_its_members(
    one: Any, other: Any, net: nn.Module
) -> None:
    both = [planned(texts(rules)[0], net) for rules in (one, other)]
    paths = {row.path for row in both[0].rows if not row.parameter.buffer}
    lines = environments.side_by_side(both)
    members = [row.path for line in lines for row in line.group.rows]
    assert sorted(path for path in members if path in paths) == sorted(paths)
    for line in lines:
        pattern = path_pattern(line.group.pattern, Span("", 1, 1))
        assert {path for path in paths if pattern.match(path) is not None} == {row.path for row in line.group.rows}
        for row in line.group.rows:
            first, second = (plan.row(row.path) for plan in both)
            assert first is not None
            assert second is not None
            same = {p: d.summary for p, d in first.decisions.items()} == {
                p: d.summary for p, d in second.decisions.items()
            }
            assert line.differs != same
