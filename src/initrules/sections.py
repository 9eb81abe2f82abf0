"""Which elements of a whole parameter a tensor holds: all, a block, or a shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initrules.streams import Words


@dataclass(frozen=True, slots=True, eq=False)
class Section:
    """Runs of ``length`` elements from each of ``starts`` on, numbered as in the whole parameter."""

    starts: np.ndarray[Any, np.dtype[np.int64]]
    length: int

    def numbers(self, positions: np.ndarray[Any, np.dtype[np.int64]]) -> Words:
        """The numbers in the whole parameter of elements of this section, counted from its own start."""
        runs, inside = np.divmod(positions, max(1, self.length)) if len(self.starts) > 1 else (0, positions)
        numbers: Words = np.add(self.starts[runs], inside).view(np.uint64)
        return numbers

    def part(self, begin: int, end: int) -> Section:
        """The elements ``begin`` to ``end``: whole runs, or a piece of one, or each for itself."""
        first, inside = divmod(begin, self.length)
        last = -(-end // self.length)
        if last - first == 1:
            return Section(self.starts[first:last] + inside, end - begin)
        if inside or end % self.length:
            return Section(self.numbers(np.arange(begin, end)).astype(np.int64), 1)
        return Section(self.starts[first:last], self.length)


def whole(count: int) -> Section:
    """All of ``count`` elements."""
    return Section(np.zeros(1, np.int64), count)


def box(shape: Sequence[int], ranges: Sequence[tuple[int, int]]) -> Section:
    """The elements of a box in a tensor of ``shape``, in row-major order; ``ranges``: (start, stop) by dimension."""
    starts, length, stride = np.zeros(1, np.int64), 1, 1
    for size, (low, high) in zip(reversed(shape), reversed(ranges), strict=True):
        if len(starts) == 1 and length == stride:  # all that lies further in is taken whole
            starts, length = starts + low * stride, (high - low) * stride
        else:
            starts = (np.arange(low, high)[:, None] * stride + starts[None, :]).reshape(-1)
        stride *= size
    return Section(starts, length)
