"""Tail probabilities, against scipy, against sums computed exactly, and against simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special, stats  # type: ignore[import-untyped]

from initrules import tails
from initrules.actions.law import Law, cut_normal, normal, uniform

Floats = np.ndarray[Any, np.dtype[np.float64]]


@pytest.mark.parametrize("count", [16, 1000, 10**6, 10**8])
@pytest.mark.parametrize("z", [-6.0, -2.0, 2.0, 6.0])
def test_squares_of_a_normal_have_chi_squared(count: int, z: float) -> None:
    squares = count + z * math.sqrt(2 * count)
    expected = stats.chi2.sf(squares, count) if z > 0 else stats.chi2.cdf(squares, count)
    found = tails.of_squares(squares / count - 1, count, normal(0, 1))
    assert found == pytest.approx(min(1, 2 * expected), rel=0.01, abs=1e-300)


def exact(law: Law, density: Callable[[Floats], Floats], count: int, z: float) -> float:
    """The tail of a sum of squares, by the Fourier transform of its distribution on a fine grid."""
    size = 2**19
    step = 1.5 * (count + 40 * math.sqrt(count)) / size
    edges = np.linspace(max(law.low, -12), min(law.high, 12), 1_000_001)
    x = (edges[1:] + edges[:-1]) / 2
    weights = density(x) / density(x).sum()
    shares, _ = np.histogram(((x - law.mean) / law.std) ** 2, bins=size, range=(0, size * step), weights=weights)
    summed = np.fft.irfft(np.fft.rfft(shares) ** count, size)
    at = (np.arange(size) + count / 2) * step
    limit = count + z * math.sqrt((law.kurtosis - 1) * count)
    return float(np.maximum(summed, 0)[at > limit if z > 0 else at < limit].sum())


@pytest.mark.parametrize("z", [-5.0, -4.0, 4.0, 5.0])
@pytest.mark.parametrize("count", [16, 100])
@pytest.mark.parametrize(("law", "density", "most"), [
    pytest.param(uniform(-1, 1), np.ones_like, 1.01, id="uniform"),
    pytest.param(cut_normal(0, 1, -2, 2), lambda x: np.exp(-x * x / 2), 1.01, id="cut at 2σ"),
    pytest.param(cut_normal(0, 1, 1, 3), lambda x: np.exp(-x * x / 2), 1.01, id="cut to one side"),
    pytest.param(cut_normal(0, 1, 0, 9), lambda x: np.exp(-x * x / 2), 1.12, id="half a normal"),
])  # fmt: skip
def test_other_squares_are_no_likelier_than_said(
    law: Law, density: Callable[[Floats], Floats], most: float, count: int, z: float
) -> None:
    said = tails.of_squares(z * math.sqrt((law.kurtosis - 1) / count), count, law) / 2
    assert exact(law, density, count, z) <= most * said + 1e-11  # the transform has no more digits


def test_means_of_a_normal_are_normal() -> None:
    assert tails.of_mean(0.5, 100, normal(3, 2)) == pytest.approx(2 * stats.norm.sf(5))
    assert tails.of_mean(-0.5, 100, normal(3, 2)) == pytest.approx(2 * stats.norm.sf(5))
    assert tails.of_mean(0.0, 100, normal(3, 2)) == 1


def test_a_skewed_mean_has_one_long_tail() -> None:
    law = cut_normal(0, 1, 0, 9)
    up, down = (tails.of_mean(side * 0.4, 100, law) for side in (1, -1))
    assert up > 2 * stats.norm.sf(4) > down
    assert tails.of_mean(-0.4, 100, law.scaled(-1)) == pytest.approx(up)


def test_a_random_direction_is_rarely_near_a_line() -> None:
    for dimensions in (2, 3, 10, 1000):
        cosines = np.sqrt(np.linspace(0.001, 0.999, 500))
        bound = np.array([tails.of_cap(float(cosine), dimensions) for cosine in cosines])
        true = special.betainc((dimensions - 1) / 2, 0.5, 1 - cosines**2)
        assert (true <= bound * (1 + 1e-9) + 1e-290).all()
    assert tails.of_cap(1.0001, 100) == 0


def test_distances_of_empirical_distributions() -> None:
    generator = np.random.default_rng(0)
    for count, probability in ((50, 0.05), (400, 0.02)):
        far = math.sqrt(math.log(2 / probability) / (2 * count))
        assert tails.of_distance(far, count) == pytest.approx(probability)
        samples = np.sort(generator.random((2000, count)))
        steps = np.arange(count + 1) / count
        away = np.maximum(steps[1:] - samples, samples - steps[:-1]).max(axis=1)
        assert (away >= far).mean() <= 1.3 * probability  # of 2,000 samples
        both = math.sqrt((1 - math.log(probability)) / count)
        assert tails.of_distance_between(both, count) == pytest.approx(probability)
        others = np.sort(generator.random((2000, count)))
        apart = [stats.ks_2samp(one, other).statistic for one, other in zip(samples[:300], others[:300], strict=True)]
        assert (np.array(apart) >= both).mean() <= probability
    assert tails.of_distance(0, 9) == tails.of_distance_between(0, 9) == 1
