"""Orthogonal matrices: moments, parts, and what is no matrix."""

from __future__ import annotations

import math

import pytest

from initrules.actions.matrix import Orthogonal
from initrules.fans import Target
from targets import packed, target

_QKV = packed("q", "k", "v", rows=4, columns=8)


@pytest.mark.parametrize(
    ("action", "weight", "std"),
    [
        pytest.param(Orthogonal(), target(4, 8), 1 / math.sqrt(8), id="more columns than rows"),
        pytest.param(Orthogonal(), target(8, 4), 1 / math.sqrt(8), id="more rows than columns"),
        pytest.param(Orthogonal(gain=-3), target(8, 4), 3 / math.sqrt(8), id="a negative gain"),
        pytest.param(Orthogonal(), target(4, 2, 3, 3), 1 / math.sqrt(18), id="a kernel is flattened"),
        pytest.param(Orthogonal(), _QKV, 1 / math.sqrt(8), id="part by part"),
        pytest.param(Orthogonal(parts="whole"), _QKV, 1 / math.sqrt(12), id="as one"),
        pytest.param(Orthogonal(parts="each"), _QKV, 1 / math.sqrt(8), id="each, said so"),
        pytest.param(Orthogonal(), target(0, 3), 1 / math.sqrt(3), id="an empty weight"),
        pytest.param(Orthogonal(), target(0, 0), 1, id="no entries at all"),
    ],
)
def test_moments(action: Orthogonal, weight: Target, std: float) -> None:
    assert action.moments(weight) == pytest.approx((0, std))
    assert action.problem(weight) is None


@pytest.mark.parametrize(
    ("action", "weight", "problem"),
    [
        pytest.param(
            Orthogonal(), target(3), "orthogonal needs at least 2 dimensions, this parameter has 1", id="a bias"
        ),
        pytest.param(Orthogonal(), target(3, 3, dtype="int8"), "random values do not fit int8", id="integers"),
        pytest.param(
            Orthogonal(gain=7e4),
            target(3, 3, dtype="float16"),
            "values up to 7e+04 do not fit float16, whose largest value is 6.55e+04",
            id="a gain too large",
        ),
    ],
)
def test_what_cannot_be(action: Orthogonal, weight: Target, problem: str) -> None:
    assert action.problem(weight) == problem


def test_parts() -> None:
    assert Orthogonal().splits(_QKV)
    assert not Orthogonal(parts="whole").splits(_QKV)
    assert not Orthogonal().splits(target(3, 3))
