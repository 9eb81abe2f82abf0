"""Blocks that are decided otherwise than their like."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from torch import nn

from initrules.grouping import group
from initrules.report.blocks import exceptions
from support import isolated, planned

ALL = "  - {rule: all, select: '**', set: {weight: zeros}}\n"


@isolated
def blocks(depth: int = 6) -> nn.Module:
    """Blocks with two layers of one shape and one of another."""
    return nn.ModuleDict(
        {
            "h": nn.ModuleList(
                nn.ModuleDict(
                    {"up": nn.Linear(2, 2, bias=False), "down": nn.ModuleList([nn.Linear(2, 2, bias=False)] * 1)}
                )
                for _ in range(depth)
            ),
            "head": nn.Linear(2, 1, bias=False),
        }
    )


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        pytest.param("{rule: a, select: '**.no', optional: true, set: {weight: ones}}", {}, id="all alike"),
        pytest.param("{rule: a, select: h.0.up, set: {weight: ones}}", {"h.0.up.weight": "1..5"}, id="the first"),
        pytest.param(
            "{rule: a, select: 'h.{1,4}.up', set: {weight: ones}}", {"h.{1,4}.up.weight": "0,2,3,5"},
            id="some in the middle",
        ),
        pytest.param(
            "{rule: a, select: '**.up', set: {weight: ones}}", {}, id="other layers of the blocks are not their like"
        ),
        pytest.param("{rule: a, select: 'h.{0..2}.up', set: {weight: ones}}", {}, id="half and half"),
        pytest.param("{rule: a, select: head, set: {weight: ones}}", {}, id="nothing is like the head"),
        pytest.param(
            "{rule: a, select: h.0.down.0, set: {weight: ones}}", {"h.0.down.0.weight": "1..5"},
            id="a number that is the same in all",
        ),
        pytest.param(
            "{rule: a, select: h.0.up, optimize: {weight: {lr_scale: 2}}}", {"h.0.up.weight": "1..5"}, id="an option"
        ),
    ],
)  # fmt: skip
def test_exceptions(rule: str, found: Mapping[str, str]) -> None:
    plan = planned(f"rules:\n{ALL}  - {rule}", blocks())
    assert exceptions(group(plan.rows)) == found


def test_several_numbers_are_counted() -> None:
    grid = isolated(
        lambda: nn.ModuleList(nn.ModuleList(nn.Linear(1, 1, bias=False) for _ in range(4)) for _ in range(4))
    )()
    plan = planned(f"rules:\n{ALL}  - {{rule: a, select: '1.2', set: {{weight: ones}}}}", grid)
    assert exceptions(group(plan.rows)) == {"1.2.weight": "15 others"}
