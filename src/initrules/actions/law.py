"""Distributions of the entries that an action draws: the moments that statistical tests need."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

NORMAL_KURTOSIS, NORMAL_SIXTH = 3.0, 15.0
_REACH = 12.0  # σ: what a normal has beyond adds nothing to a double
_NODES = 160
_NOISE = 1e-12  # σ: a mean below it is rounding


@dataclass(frozen=True, slots=True)
class Law:
    """The distribution of independent entries.

    ``skew``, ``kurtosis``, ``sixth``: standardised central moments of order 3, 4 and 6. ``low``, ``high``: no entry
    lies beyond. ``centre``, ``spread``: of the normal before it was cut; ``spread`` is 0 for a uniform.
    """

    mean: float
    std: float
    skew: float = 0.0
    kurtosis: float = NORMAL_KURTOSIS
    sixth: float = NORMAL_SIXTH
    low: float = -math.inf
    high: float = math.inf
    centre: float = 0.0
    spread: float = 0.0

    @property
    def square_skew(self) -> float:
        """The skewness of squared deviations from the mean: √8 for a normal."""
        third = self.sixth - 3 * self.kurtosis + 2
        return third / math.pow(self.kurtosis - 1, 1.5)

    def scaled(self, factor: float) -> Law:
        """That of the entries times a factor."""
        ends = sorted((self.low * factor, self.high * factor)) if factor else (0.0, 0.0)
        return replace(
            self,
            mean=self.mean * factor + 0.0,
            std=self.std * abs(factor),
            skew=self.skew if factor >= 0 else -self.skew,
            low=ends[0],
            high=ends[1],
            centre=self.centre * factor,
            spread=self.spread * abs(factor),
        )


def normal(mean: float, std: float) -> Law:
    """N(mean, std²)."""
    return Law(mean, std, centre=mean, spread=std)


def uniform(low: float, high: float) -> Law:
    """U(low, high)."""
    middle, width = (low + high) / 2, high - low
    return Law(middle, width / math.sqrt(12), 0.0, 9 / 5, 27 / 7, low, high)


@functools.lru_cache(maxsize=1)
def _rule() -> Any:
    """Nodes and weights of the quadrature on [-1, 1]."""
    import numpy as np  # noqa: PLC0415

    return np.polynomial.legendre.leggauss(_NODES)


def cut_normal(mean: float, std: float, low: float, high: float) -> Law:
    """N(mean, std²) cut to [low, high]; moments by Gauss-Legendre quadrature, to 1e-12."""
    import numpy as np  # noqa: PLC0415  # only tests of a cut normal need it

    begin, end = ((side - mean) / std for side in (low, high))
    begin, end = max(begin, min(-_REACH, end - _REACH)), min(end, max(_REACH, begin + _REACH))
    nodes, weights = _rule()
    x = begin + (end - begin) * (nodes + 1) / 2
    nearest = min(max(begin, 0.0), end)
    share = weights * np.exp((nearest - x) * (nearest + x) / 2)
    share /= share.sum()
    middle = float(share @ x)
    middle = 0.0 if abs(middle) < _NOISE else middle
    width = math.sqrt(float(share @ (x - middle) ** 2))
    third, fourth, sixth = (float(share @ ((x - middle) / width) ** order) for order in (3, 4, 6))
    return Law(mean + std * middle, std * width, third, fourth, sixth, low, high, mean, std)
