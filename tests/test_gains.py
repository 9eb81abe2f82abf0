"""Recommended gains, held against torch's own."""

from __future__ import annotations

import pytest
from torch import nn

from initrules.gains import GAINS, recommended_gain


@pytest.mark.parametrize("name", sorted(GAINS.keys() - {"identity"}))
def test_gains_are_those_of_torch(name: str) -> None:
    assert recommended_gain(name) == pytest.approx(nn.init.calculate_gain(name), rel=1e-15)  # type: ignore[arg-type]


@pytest.mark.parametrize("slope", [0.0, 0.2, 1, 5**0.5])
def test_a_leaky_relu_has_a_slope(slope: float) -> None:
    assert recommended_gain("leaky_relu", slope) == pytest.approx(nn.init.calculate_gain("leaky_relu", slope))


def test_others_have_none() -> None:
    assert recommended_gain("relu", 0.3) == recommended_gain("relu")
