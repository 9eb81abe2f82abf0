"""The order of writing, and circles."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from initrules import sequence
from support import isolated, messages, place, planned


@isolated
def model() -> Any:
    net = nn.Module()
    block: Any = nn.Module()
    block.inner = nn.Linear(2, 2, bias=False)
    net.first = block
    net.scale = nn.Linear(2, 2, bias=False)
    block.gain = nn.Parameter(block.inner.weight.detach().clone())
    block.register_buffer("table", block.inner.weight.detach().clone())
    return net


RULES = """rules:
  - {rule: late, select: scale, set: {weight: zeros}}
  - {rule: early, select: first.inner, set: {weight: zeros}}
  - {rule: own, select: first, set: {gain: zeros, table: zeros}}
"""


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        pytest.param(
            "", ["first.table", "first.gain", "first.inner.weight", "scale.weight"], id="keyed: buffers first"
        ),
        pytest.param(
            "stream: global", ["first.gain", "first.table", "first.inner.weight", "scale.weight"], id="registration"
        ),
        pytest.param(
            "stream: global\norder: post-order",
            ["first.inner.weight", "first.gain", "first.table", "scale.weight"],
            id="children before their parent",
        ),
        pytest.param(
            "stream: global\norder: rules",
            ["scale.weight", "first.inner.weight", "first.gain", "first.table"],
            id="rule by rule",
        ),
    ],
)
def test_order(settings: str, wanted: list[str]) -> None:
    plan = planned(f"{settings}\n{RULES}", model())
    assert [row.path for row in sequence.in_order(plan.rows, plan.inventory, plan.rules)] == wanted


def test_what_is_read_comes_first() -> None:
    plan = planned("rules: [{rule: a, select: first.inner, set: {weight: {copy: scale.weight}}}, "
                   "{rule: b, select: scale, set: {weight: zeros}}]", model())  # fmt: skip
    order = [row.path for row in sequence.in_order(plan.rows, plan.inventory, plan.rules)]
    assert order == ["scale.weight", "first.inner.weight"]


def test_a_circle_is_one_finding_with_its_way() -> None:
    body = """rules:
  - {rule: a, select: first.inner, set: {weight: {copy: scale.weight}}}
  - {rule: b, select: scale, set: {weight: {copy: first.gain}}}
  - {rule: c, select: first, set: {gain: {copy: first.inner.weight}}}"""
    found = messages(planned(body, model()), "circle")
    assert len(found) == 1
    assert found[0].split("\n")[0] == (
        f"{place(body, '{copy: first.inner')}: 'first.gain' is computed by way of itself: "
        "first.gain → first.inner.weight → scale.weight → first.gain"
    )
