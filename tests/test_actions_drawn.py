"""Distributions with given numbers: limits, moments, and what cannot be drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from initrules.actions.base import Action
from initrules.actions.drawn import Normal, TruncNormal, Uniform, cut_moments
from targets import target


@pytest.mark.parametrize(
    ("action", "mean", "std"),
    [
        pytest.param(Uniform(low=1, high=3), 2, 2 / math.sqrt(12), id="between limits"),
        pytest.param(Uniform(bound=0.5), 0, 1 / math.sqrt(12), id="within a bound"),
        pytest.param(Uniform(bound=0), 0, 0, id="a bound of zero"),
        pytest.param(Uniform(low=0, high=0), 0, 0, id="limits of zero"),
        pytest.param(Normal(std=0.02), 0, 0.02, id="a normal"),
        pytest.param(Normal(mean=1, std=0), 1, 0, id="a normal without spread"),
        pytest.param(TruncNormal(std=1), 0, 0.8796256610342398, id="cut at two σ"),  # σ of N(0, 1) cut at ±2
        pytest.param(TruncNormal(std=0.1, mean=3, correct=True), 3, 0.1, id="corrected"),
        pytest.param(TruncNormal(std=2, cut=40), 0, 2, id="hardly cut"),
        pytest.param(TruncNormal(std=1, low=0), math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi), id="half a normal"),
        pytest.param(TruncNormal(std=1, high=0), -math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi), id="the other"),
        pytest.param(TruncNormal(std=1, cut=1e-9, correct=True), 0, 1, id="a cut so narrow that it is uniform"),
    ],
)
def test_moments(action: Action, mean: float, std: float) -> None:
    found = action.moments(target(3, 4))
    assert found == pytest.approx((mean, std), rel=1e-12, abs=1e-15)
    assert action.problem(target(3, 4)) is None


@given(st.floats(-9, 9), st.floats(1e-6, 12))
def test_moments_of_a_cut_are_its_integrals(low: float, width: float) -> None:
    high = low + width
    assume(high != low)
    at = np.linspace(low, high, 200_001)
    nearest = 0.0 if low < 0 < high else min(abs(low), abs(high))
    weight = np.exp(-(at**2 - nearest**2) / 2)
    weight[[0, -1]] /= 2
    mean = float((weight * at).sum() / weight.sum())
    std = math.sqrt(float((weight * (at - mean) ** 2).sum() / weight.sum()))
    found = cut_moments(low, high)
    assert found.mean == pytest.approx(mean, rel=1e-7, abs=1e-5 * std)
    assert found.std == pytest.approx(std, rel=1e-4)


@given(st.floats(1e-3, 10), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_correct_keeps_the_standard_deviation(cut: float, std: float, mean: float) -> None:
    action = TruncNormal(mean=mean, std=std, cut=cut, correct=True)
    assert action.moments(target(2)).std == pytest.approx(std, rel=1e-6)
    low, high = action.limits
    assert (high - low) / 2 == pytest.approx(cut * action.spread, rel=1e-9)


@pytest.mark.parametrize(
    ("action", "limits"),
    [
        pytest.param(TruncNormal(std=0.5, mean=1), (0, 2), id="two σ unless told otherwise"),
        pytest.param(TruncNormal(std=0.5, cut=1), (-0.5, 0.5), id="in σ"),
        pytest.param(TruncNormal(std=0.5, low=-2, high=2), (-2, 2), id="absolute"),
        pytest.param(TruncNormal(std=0.5, low=-2), (-2, math.inf), id="from below"),
        pytest.param(TruncNormal(std=0.5, high=2), (-math.inf, 2), id="from above"),
    ],
)
def test_limits(action: TruncNormal, limits: tuple[float, float]) -> None:
    assert action.limits == limits


@pytest.mark.parametrize(
    ("action", "dtype", "problem"),
    [
        pytest.param(Uniform(low=1, high=0), "float32", "low 1 is above high 0", id="limits in disorder"),
        pytest.param(TruncNormal(std=1, low=1, high=1), "float32", "low 1 is not below high 1", id="nothing between"),
        pytest.param(
            TruncNormal(std=0.01, low=1), "float32", "nothing of N(0, 0.01²) lies between 1 and inf", id="out of reach"
        ),
        pytest.param(
            TruncNormal(std=0.01, high=-1), "float32", "nothing of N(0, 0.01²) lies between -inf and -1",
            id="out of reach below",
        ),
        pytest.param(TruncNormal(std=1, low=6.9, high=7), "float32", None, id="far but within reach"),
        pytest.param(Normal(std=1), "int64", "random values do not fit int64", id="integers"),
        pytest.param(Uniform(bound=1), "bool", "random values do not fit bool", id="truth"),
        pytest.param(TruncNormal(std=1), "uint8", "random values do not fit uint8", id="bytes"),
        pytest.param(Normal(std=1), "bfloat16", None, id="low precision"),
        pytest.param(Normal(std=1), "complex64", None, id="complex numbers"),
        pytest.param(Normal(std=2e4), "float16", "values up to 1.2e+05 do not fit float16, whose largest value is "
                     "6.55e+04", id="a normal that reaches too far"),
        pytest.param(Uniform(bound=7e4), "float16", "values up to 7e+04 do not fit float16, whose largest value is "
                     "6.55e+04", id="a uniform that reaches too far"),
        pytest.param(TruncNormal(std=5e4), "float16", "values up to 1e+05 do not fit float16, whose largest value is "
                     "6.55e+04", id="a cut normal that reaches too far"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn(action: Action, dtype: str, problem: str | None) -> None:
    assert action.problem(target(4, dtype=dtype)) == problem
