"""Tables of cut normal densities against scipy's distribution functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from initrules.densities import BINS, ENTRIES, Density, cut_normal
from initrules.streams import stream_key, stream_of, words_

CUTS = [
    pytest.param(-math.inf, math.inf, id="not cut"),
    pytest.param(-2.0, 2.0, id="at 2"),
    pytest.param(-0.5, 3.0, id="uneven"),
    pytest.param(1.0, math.inf, id="one side"),
    pytest.param(-math.inf, -3.0, id="lower tail"),
    pytest.param(6.0, 7.0, id="far out"),
    pytest.param(20.0, 21.0, id="further than floats reach by the distribution function"),
    pytest.param(-1e-6, 1e-6, id="narrow"),
]


def masses(density: Density) -> Any:
    """How likely each bin is: by its rectangles, and by its part of the rest."""
    bins = np.rint((density.left[: density.rest] - density.low) / density.width).astype(int)
    rest = density.keep / 2.0**30 / BINS
    np.add.at(rest, density.alias, (1 - density.keep / 2.0**30) / BINS)
    return np.bincount(bins, minlength=BINS) / ENTRIES + rest * (1 - density.rest / ENTRIES)


def reference(density: Density) -> Any:
    """The same from scipy, on the side where its numbers keep their digits."""
    edges = density.low + density.width * np.arange(BINS + 1)
    logs = stats.norm.logsf(edges) if density.low >= 0 else stats.norm.logcdf(edges)
    below = np.exp(logs - logs.max())
    found = np.abs(np.diff(below))
    return found / found.sum()


@pytest.mark.parametrize(("low", "high"), CUTS)
def test_every_bin_has_its_mass(low: float, high: float) -> None:
    """To the 2⁻³⁰ of a bin's share of the rest that the choice resolves, and the digits that scipy keeps."""
    density = cut_normal(low, high)
    assert np.abs(masses(density) - reference(density)).max() < 3e-10


@pytest.mark.parametrize(("low", "high"), CUTS)
def test_few_indices_stand_for_the_rest(low: float, high: float) -> None:
    assert 1 - cut_normal(low, high).rest / ENTRIES < 0.04


@pytest.mark.parametrize(("low", "high"), CUTS)
def test_the_rest_stays_inside(low: float, high: float) -> None:
    density = cut_normal(low, high)
    edges = np.array([0, 2**64 - 1, 2**54 - 1, 2**24 - 1, 1 << 54], np.uint64)
    words = np.concatenate([edges, words_(np.arange(100_000, dtype=np.uint64), stream_of(stream_key(0, "a")))])
    found = density.leftover(words)
    assert np.isfinite(found).all()
    assert ((found >= density.low) & (found <= density.low + BINS * density.width)).all()


def test_the_rest_has_its_own_distribution() -> None:
    """The density minus its rectangles, integrated by scipy's distribution function."""
    density = cut_normal()
    edges = density.low + density.width * np.arange(BINS + 1)
    bins = np.rint((density.left[: density.rest] - density.low) / density.width).astype(int)
    rest = np.diff(stats.norm.cdf(edges)) - np.bincount(bins, minlength=BINS) / ENTRIES
    found = density.leftover(words_(np.arange(400_000, dtype=np.uint64), stream_of(stream_key(0, "b"))))
    counts = np.histogram(found, edges)[0]
    wide = rest * len(found) / rest.sum() > 10
    expected = rest[wide] / rest[wide].sum() * counts[wide].sum()
    assert stats.chisquare(counts[wide], expected).pvalue > 1e-4


def test_tables_hold_no_rounding_of_a_mathematical_library() -> None:
    """Frozen: these digits are part of every value that is drawn, on any machine."""
    density = cut_normal(-2.0, 2.0)
    assert density.rest == 32222
    assert density.left[[0, 1000, 20000, 32000]].tolist() == [-2.0, -1.61328125, 0.2890625, 1.8828125]
    slopes = [round(float(one), 12) for one in density.slope[[0, 400, 800]]]
    assert slopes == [0.894412998812, 0.937053990544, 1.177981735227]
