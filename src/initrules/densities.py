"""Normal densities as tables, from which a value costs one lookup and one addition.

The interval is cut into bins of equal width. Under the density, each bin holds a rectangle whose area
is a multiple of 2⁻¹⁵; an index of 15 bits chooses a rectangle, and 17 bits more a place in it. About
one index in seventy stands for what the rectangles leave over: a bin is then chosen by its share of
the rest, and a place in it by a density that falls or rises in a straight line.

Only +, -, ×, ÷ and square roots are used, which IEEE 754 defines to the last bit: no mathematical
library, whose last bits differ between machines, has a part in a value.

Source: Marsaglia, MacLaren & Bray 1964, "A fast procedure for generating normal random variables"
(rectangles, wedges, tails); Vose 1991, "A linear algorithm for generating random numbers with a given
distribution" (the choice of a bin).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]

BINS = 1024
INDEX_BITS = 15  # a table of 128 KiB in float32 stays in the nearest caches
ENTRIES = 1 << INDEX_BITS
REACH = 8.0  # N(0, 1) has 1.2e-15 of its mass beyond, less than the tables resolve


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """N(0, 1) cut to ``BINS`` bins of ``width`` from ``low`` on.

    ``left``: the left edge of each entry's rectangle, (32768,); entries from ``rest`` on stand for the
    rest. ``keep``, ``alias``: Vose's tables over the bins, (1024,), ``keep`` in units of 2⁻³⁰.
    ``slope``: the density of the rest at the left edge of its bin, in units of its mean there: from 2,
    which falls to zero, to 0, which rises from zero, (1024,).
    """

    low: float
    width: float
    left: Floats
    rest: int
    keep: np.ndarray[Any, np.dtype[np.int64]]
    alias: np.ndarray[Any, np.dtype[np.int64]]
    slope: Floats

    def leftover(self, words: np.ndarray[Any, np.dtype[np.uint64]]) -> Floats:
        """Values of the rest, one for each word: 10 bits choose a bin, 30 keep it, 24 a place."""
        chosen = (words >> np.uint64(54)).view(np.int64)
        coin = (words >> np.uint64(24) & np.uint64(2**30 - 1)).view(np.int64)
        bins = np.where(coin < self.keep[chosen], chosen, self.alias[chosen])
        place = ((words & np.uint64(2**24 - 1)).view(np.int64) + 0.5) * 2.0**-23  # twice the place in [0, 1]
        slope = self.slope[bins]
        inside = place / (slope + np.sqrt(slope * slope + (2 - 2 * slope) * place))
        return (bins + inside) * self.width + self.low


@functools.lru_cache(maxsize=64)
def cut_normal(low: float = -REACH, high: float = REACH) -> Density:
    """The density of N(0, 1) between ``low`` and ``high``, which may be infinite.

    What lies more than 8 beyond zero, or beyond the nearer limit, is too rare to be drawn.
    """
    low, high = max(low, min(-REACH, high - REACH)), min(high, max(REACH, low + REACH))
    width = (high - low) / BINS
    nodes = low + width / 2 * np.arange(2 * BINS + 1)  # edges and middles
    peak = min(max(low, 0.0), high)
    heights = _exp((peak - nodes) * (peak + nodes) / 2)
    edges = heights[::2]
    masses = (edges[:-1] + 4 * heights[1::2] + edges[1:]) / 6  # Simpson's rule
    total = float(np.add.accumulate(masses)[-1])  # in order: a pairwise sum differs between builds
    masses, edges = masses / total, edges / total
    lowest = np.minimum(np.minimum(edges[:-1], edges[1:]), masses)
    counts = np.floor(lowest * ENTRIES).astype(np.int64)
    left = np.repeat(low + width * np.arange(BINS), counts)
    floor = counts / ENTRIES
    keep, alias = _vose(np.maximum(masses - floor, 0.0))
    at_left, at_right = np.maximum(edges[:-1] - floor, 0.0), np.maximum(edges[1:] - floor, 0.0)
    both = at_left + at_right
    slope = np.divide(2 * at_left, both, out=np.ones(BINS), where=both > 0)
    table = np.concatenate([left, np.zeros(ENTRIES - len(left))])
    return Density(low, width, table, len(left), np.rint(keep * 2.0**30).astype(np.int64), alias, slope)


def _exp(x: Floats) -> Floats:
    """Exponential of numbers that are not positive, by Taylor's series and squaring, to about 1e-12."""
    small = np.maximum(x, -740.0) / 1024
    result = np.ones_like(small)
    for order in range(12, 0, -1):
        result = 1 + small / order * result
    for _ in range(10):
        result = result * result
    return result


def _vose(weights: Floats) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """For each bin the share to keep and the bin to take otherwise, so that bins come by their weights."""
    count = len(weights)
    total = float(np.add.accumulate(weights)[-1])
    if total <= 0:  # the rectangles leave nothing over
        return np.ones(count), np.arange(count)
    shares = (weights / total * count).tolist()
    keep, alias = [1.0] * count, list(range(count))
    small = [i for i, share in enumerate(shares) if share < 1]
    large = [i for i, share in enumerate(shares) if share >= 1]
    while small and large:
        less, more = small.pop(), large[-1]
        keep[less], alias[less] = shares[less], more
        shares[more] -= 1 - shares[less]
        if shares[more] < 1:
            small.append(large.pop())
    return np.array(keep), np.array(alias)
