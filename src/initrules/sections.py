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

    @property
    def is_start(self) -> bool:
        """Whether it is one run from the first element on."""
        return len(self.starts) == 1 and self.starts[0] == 0

    def numbers(self, positions: np.ndarray[Any, np.dtype[np.int64]]) -> Words:
        """The numbers in the whole parameter of elements of this section, counted from its own start."""
        runs, inside = np.divmod(positions, max(1, self.length)) if len(self.starts) != 1 else (0, positions)
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
    return Section(_FIRST, count)


_FIRST = np.zeros(1, np.int64)
_FIRST.setflags(write=False)


def grid(shape: Sequence[int], indices: Sequence[np.ndarray[Any, np.dtype[np.int64]]]) -> Section:
    """The elements of a tensor of ``shape`` at all combinations of ``indices``, one list for each dimension."""
    starts, length, stride = np.zeros(1, np.int64), 1, 1
    for size, index in zip(reversed(shape), reversed(indices), strict=True):
        in_a_row = len(index) > 0 and bool((np.diff(index) == 1).all())
        if len(starts) == 1 and length == stride and in_a_row:  # all that lies further in is taken whole
            starts, length = starts + index[0] * stride, len(index) * stride
        else:
            starts = (index[:, None] * stride + starts[None, :]).reshape(-1)
        stride *= size
    return Section(starts, length)
