"""The drawing of blocks as machine code, by numba: the same bits as ``filling`` draws, in one pass over the memory.

Only what is drawn most is here, values of 32 bits. Nothing but ``filling`` imports this module, where numba is
installed; numba compiles it once and keeps the code in its cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types

F = TypeVar("F", bound=Callable[..., Any])

_U64 = np.uint64
_OUT = types.Array(types.float32, 1, "C")
_STARTS = types.Array(types.int64, 1, "C", readonly=True)
_TABLE = types.Array(types.float32, 1, "C", readonly=True)
_BINS = types.Array(types.int64, 1, "C", readonly=True)
_SLOPES = types.Array(types.float64, 1, "C", readonly=True)
_STREAM = (types.uint64, types.uint64)


def _inlined(function: F) -> F:
    found: Any = numba.njit(nogil=True, inline="always")(function)
    return cast("F", found)


def _compiled(*arguments: Any) -> Callable[[F], F]:
    def compiled(function: F) -> F:
        found: Any = numba.njit(types.void(*arguments), nogil=True, cache=True)(function)
        return cast("F", found)

    return compiled


@_inlined
def mix(word: Any) -> Any:
    """SplitMix64's finaliser of one word."""
    word = (word ^ (word >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> _U64(27))) * _U64(0x94D049BB133111EB)
    return word ^ (word >> _U64(31))


@_compiled(_OUT, _STARTS, types.int64, *_STREAM)
def halves_(values: Any, starts: Any, length: int, seed: Any, gamma: Any) -> None:
    """The half words of runs of ``length`` elements from each of ``starts`` on, as they lie in 32 bits."""
    halves = values.view(np.uint32)
    for run in range(starts.size):
        here = run * length
        end = min(here + length, values.size)
        number = starts[run]
        if number & 1 and here < end:
            halves[here] = np.uint32(mix(seed + _U64(number >> 1) * gamma) >> _U64(32))
            here, number = here + 1, number + 1
        state = seed + _U64(number >> 1) * gamma
        for pair in range((end - here) // 2):
            word = mix(state + _U64(pair) * gamma)
            halves[here + 2 * pair] = np.uint32(word)
            halves[here + 2 * pair + 1] = np.uint32(word >> _U64(32))
        if (end - here) & 1:
            halves[end - 1] = np.uint32(mix(state + _U64((end - here) // 2) * gamma))


@_compiled(_OUT, types.float32, types.float32, types.float32, types.float32)
def flat_(values: Any, scale: Any, middle: Any, low: Any, high: Any) -> None:
    """Make uniform values of half words, in place."""
    halves = values.view(np.int32)
    for here in range(values.size):
        values[here] = min(max(np.float32(halves[here]) * scale + middle, low), high)


@_inlined
def leftover(word: Any, low: Any, width: Any, keep: Any, alias: Any, slope: Any) -> Any:
    """A value of what the rectangles of a density leave over."""
    chosen = np.int64(word >> _U64(54))
    coin = np.int64(word >> _U64(24) & _U64(0x3FFFFFFF))
    if coin >= keep[chosen]:
        chosen = alias[chosen]
    place = (np.float64(np.int64(word & _U64(0xFFFFFF))) + 0.5) * 2.0**-23
    steep = slope[chosen]
    inside = place / (steep + np.sqrt(steep * steep + (2 - 2 * steep) * place))
    return (chosen + inside) * width + low


@_compiled(_OUT, _TABLE, types.uint32, types.float32, _STARTS, types.int64, *_STREAM, types.float64, types.float64,
           types.float64, types.float64, _BINS, _BINS, _SLOPES)  # fmt: skip
def bell_(  # noqa: PLR0913, PLR0917  # numba takes no objects of ours
    values: Any, table: Any, rest: Any, step: Any, starts: Any, length: int, seed: Any, gamma: Any, mean: float,
    std: float, low: float, width: float, keep: Any, alias: Any, slope: Any
) -> None:  # fmt: skip
    """Make normal values of half words, in place: by table, the few that it leaves over by words far away."""
    halves = values.view(np.uint32)
    far = seed + (gamma << _U64(63))
    for run in range(starts.size):
        begin = run * length
        for here in range(begin, min(begin + length, values.size)):
            half = halves[here]
            index = half >> np.uint32(17)
            if index < rest:
                values[here] = np.float32(np.int32(half & np.uint32(0x1FFFF))) * step + table[index]
            else:
                word = mix(far + _U64(starts[run] + here - begin) * gamma)
                values[here] = np.float32(leftover(word, low, width, keep, alias, slope) * std + mean)
