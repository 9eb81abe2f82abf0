"""Histograms of what parameters hold, gathered over many arrays in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

BINS = 48
MOST = 1 << 18  # values that are kept for the bins: enough for the height of each within a few percent

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bins of equal width from ``low`` to ``high``; ``mean`` and ``std`` are of all ``count`` finite values.

    ``counts`` are of those that were put into bins, every n-th where there are many; one bin when all
    values are equal. ``strange``: how many values are not finite.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    mean: float
    std: float
    count: int
    strange: int = 0

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON-ready data, with the digits that a chart can show."""
        found: dict[str, Any] = {
            "low": _digits(self.low), "high": _digits(self.high), "counts": list(self.counts),
            "mean": _digits(self.mean), "std": _digits(self.std), "count": self.count,
        }  # fmt: skip
        return found | ({"strange": self.strange} if self.strange else {})


def _digits(number: float) -> float:
    return float(f"{number:.6g}")


class Gathering:
    """Takes arrays one after the other and gives one histogram of them all."""

    def __init__(self) -> None:
        self._samples: list[Array] = []
        self._kept = 0
        self._every = 1
        self._count = 0
        self._strange = 0
        self._mean = self._squares = 0.0
        self._low, self._high = np.inf, -np.inf

    def add(self, array: Array) -> None:
        """Take the values of an array; what is not finite is counted.

        Source of the joined variance: Chan, Golub and LeVeque 1979, eq. 2.1.
        """
        flat = np.asarray(array, dtype=np.float64).reshape(-1)
        finite = flat[np.isfinite(flat)]
        self._strange += flat.size - finite.size
        if not finite.size:
            return
        mean, total = float(finite.mean()), self._count + finite.size
        apart = mean - self._mean
        self._squares += float(np.square(finite - mean).sum()) + apart**2 * self._count * finite.size / total
        self._mean += apart * finite.size / total
        self._count = total
        self._low, self._high = min(self._low, float(finite.min())), max(self._high, float(finite.max()))
        self._keep(finite)

    def _keep(self, finite: Array) -> None:
        """Hold every n-th value; every second of those once they are too many."""
        self._samples.append(finite[:: self._every].astype(np.float32))
        self._kept += self._samples[-1].size
        while self._kept > MOST:
            self._samples = [np.concatenate(self._samples)[::2]]
            self._kept, self._every = self._samples[0].size, self._every * 2

    def histogram(self) -> Histogram | None:
        """What was gathered; None when no value was."""
        if not self._count:
            return Histogram(0.0, 0.0, (), 0.0, 0.0, 0, self._strange) if self._strange else None
        low, high = self._low, self._high
        std = (self._squares / self._count) ** 0.5
        counts: tuple[int, ...] = (self._kept,)
        if np.float32(low) + np.float32((high - low) / BINS) > np.float32(low):  # else there is nothing to divide
            values = np.clip(np.concatenate(self._samples).astype(np.float64), low, high)
            counts = tuple(int(number) for number in np.histogram(values, BINS, (low, high))[0])
        return Histogram(low, high, counts, self._mean, std, self._count, self._strange)
