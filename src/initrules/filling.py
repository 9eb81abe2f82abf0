"""Random values for the elements of tensors, block by block.

An element's value depends on its stream and its number in the whole parameter alone, so that blocks,
shards and batches of small parameters can be drawn in any order and on any thread. Elements of up to
32 bits take half a word each, elements of 64 bits a word of their own.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from initrules.densities import ENTRIES, INDEX_BITS, Density
from initrules.sections import Section
from initrules.streams import Stream, Words, mix_, stream_of, words_

BLOCK = 1 << 18  # elements; smaller blocks lose the second core to the interpreter's lock, larger ones the cache
_SMALL = 1 << 12
_SHARED = 1 << 15  # from here on a table scaled for the block pays
INDEX = np.uint32(32 - INDEX_BITS)
PLACE = np.uint32((1 << 32 - INDEX_BITS) - 1)
_WIDE_PLACE = np.uint64((1 << 64 - INDEX_BITS) - 1)
_NUMBERS = np.arange(BLOCK + 1, dtype=np.uint64)
_NUMBERS.setflags(write=False)

Values = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Even:
    """The same number everywhere."""

    value: float


@dataclass(frozen=True, slots=True)
class Flat:
    """U(low, high)."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bell:
    """N(mean, std²) cut by ``density``; ``limits``: no value lies beyond, in units of the values."""

    density: Density
    mean: float
    std: float
    limits: tuple[float, float] | None = None


class Fill(NamedTuple):
    """A real and dense tensor of any precision, to be filled with a constant or from the stream of a key."""

    tensor: torch.Tensor
    key: int | None  # a constant has none
    law: Even | Flat | Bell
    section: Section

    @property
    def wide(self) -> bool:
        """Whether each element takes a whole word."""
        return self.tensor.dtype == torch.float64

    @property
    def small(self) -> bool:
        """Whether it is cheaper to draw it together with others."""
        tensor = self.tensor
        if tensor.numel() > _SMALL or isinstance(self.law, Even):
            return tensor.numel() <= _SMALL
        plain = tensor.dtype == torch.float32 and tensor.is_contiguous()
        return plain and self.section.is_start and self.section.length >= tensor.numel()


def blocks(fill: Fill) -> Iterator[Fill]:
    """The same work in pieces of about ``BLOCK`` elements, whose tensors are views of the whole."""
    tensor, runs = fill.tensor, fill.section
    if tensor.numel() <= BLOCK:
        yield fill
    elif tensor.is_contiguous():
        flat = tensor.view(-1)
        step = BLOCK if runs.length >= BLOCK else BLOCK // runs.length * runs.length
        for begin in range(0, len(flat), step):
            end = min(begin + step, len(flat))
            yield Fill(flat[begin:end], fill.key, fill.law, runs.part(begin, end))
    else:
        row = tensor[0].numel()
        rows = max(1, BLOCK // row)
        for begin in range(0, len(tensor), rows):
            piece = tensor[begin] if rows == 1 else tensor[begin : begin + rows]
            part = runs.part(begin * row, begin * row + piece.numel())
            yield from blocks(Fill(piece, fill.key, fill.law, part))


class _Room(threading.local):
    """Memory that each thread keeps for its blocks."""

    def __init__(self) -> None:
        self.words = np.empty(BLOCK, np.uint64)
        self.moved = np.empty(BLOCK, np.uint64)
        self.values = np.empty(BLOCK, np.float32)
        self.rest = np.empty(BLOCK, np.bool_)
        self.steps = np.empty(BLOCK // 2 + 1, np.uint64)
        self.gamma = 0

    def multiples(self, gamma: int) -> Words:
        """0, 1, 2, ... times a stream's step: kept, because most blocks follow one of their own stream."""
        if self.gamma != gamma:
            np.multiply(_NUMBERS[: len(self.steps)], np.uint64(gamma), out=self.steps)
            self.gamma = gamma
        return self.steps


_ROOM = _Room()


class _Code:
    """The machine code that draws, once it is loaded."""

    kernels: Any = None


_CODE = _Code()


def compile_drawing() -> bool:
    """Draw by machine code from now on, in this process: the same values, two to three times as fast.

    It takes half a second to load, and some seconds once on a machine, when numba compiles it. ``apply_`` does
    so by itself when it has drawn for about as long. Returns whether numba (the extra ``fast``) is there and works.
    """
    if _CODE.kernels is None:
        with contextlib.suppress(
            Exception
        ):  # numba absent, of another numpy, without a place for its code: numpy does it
            _CODE.kernels = importlib.import_module("initrules.kernels")
    return _CODE.kernels is not None


def write_(fill: Fill) -> None:
    """Draw one block into its tensor."""
    tensor, key, law, section = fill
    count = tensor.numel()
    if key is None or isinstance(law, Even):
        assert isinstance(law, Even)
        tensor.fill_(law.value)
        return
    if not count:
        return
    stream = stream_of(key)
    if fill.wide:
        values = _wide(section, stream, law, count)
    else:
        here = tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.is_contiguous()
        values = tensor.detach().view(-1).numpy() if here else _ROOM.values[:count]
        if _CODE.kernels is None:
            _draw_(values, stream, law, section)
        else:
            _draw_compiled_(_CODE.kernels, values, stream, law, section)
        if here:
            return
    tensor.copy_(torch.from_numpy(values).view(tensor.shape))


def _draw_(values: Values, stream: Stream, law: Flat | Bell, section: Section) -> None:
    halves = _halves(section, stream, len(values))
    if isinstance(law, Flat):
        _spread_(values, halves, law)
    else:
        _tabled_(values, halves, law, section, stream)


def _draw_compiled_(code: Any, values: Values, stream: Stream, law: Flat | Bell, section: Section) -> None:
    """The same in machine code."""
    where = section.starts, section.length, stream.seed, stream.gamma
    code.halves_(values, *where)
    if isinstance(law, Flat):
        code.flat_(values, *_spread(law))
        return
    one = law.density
    table = _scaled(one, law.std, middle(law)).numpy()
    code.bell_(values, table, one.rest, step(law), *where, law.mean, law.std, one.low, one.width, one.keep, one.alias,
               one.slope)  # fmt: skip
    _clip_(values, law)


def _halves(runs: Section, stream: Stream, count: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The half words of the elements of a section: element n has half n % 2 of word n // 2."""
    starts, length = runs.starts, runs.length
    if len(starts) == 1:
        first = int(starts[0])
        used = (first % 2 + count + 1) // 2
        words = _ROOM.words[:used]
        if count >= _SHARED:
            np.add(_ROOM.multiples(stream.gamma)[:used], np.uint64(stream.state(first // 2)), out=words)
        else:
            np.multiply(_NUMBERS[:used], np.uint64(stream.gamma), out=words)
            np.add(words, np.uint64(stream.state(first // 2)), out=words)
        mix_(words, _ROOM.moved[:used])
        return words.view(np.uint32)[first % 2 : first % 2 + count]
    if length % 2 == 0 and not (starts % 2).any():
        each = length // 2
        numbers = _ROOM.words[: count // 2].reshape(len(starts), each)
        np.add((starts // 2).astype(np.uint64)[:, None], _NUMBERS[:each], out=numbers)
        return words_(numbers.reshape(-1), stream, _ROOM.moved[: count // 2]).view(np.uint32)
    numbers = _element_numbers(runs, count)
    odd = (numbers & np.uint64(1)).astype(np.bool_)
    words = words_(np.right_shift(numbers, np.uint64(1), out=numbers), stream, _ROOM.moved[:count])
    return words.view(np.uint32).reshape(count, 2)[np.arange(count), odd.astype(np.int64)]


def _element_numbers(runs: Section, count: int) -> Words:
    numbers = _ROOM.words[:count].reshape(len(runs.starts), runs.length)
    np.add(runs.starts.astype(np.uint64)[:, None], _NUMBERS[: runs.length], out=numbers)
    return numbers.reshape(-1)


def _spread_(values: Values, halves: np.ndarray[Any, np.dtype[np.uint32]], law: Flat) -> None:
    scale, middle, low, high = _spread(law)
    np.copyto(values, halves.view(np.int32), casting="unsafe")
    np.multiply(values, scale, out=values)
    np.add(values, middle, out=values)
    np.clip(values, low, high, out=values)


def _spread(law: Flat) -> tuple[np.float32, ...]:
    """By what a half word is multiplied, what is added, and what no value lies beyond."""
    numbers = (law.high - law.low) * 2.0**-32, (law.high + law.low) / 2, law.low, law.high
    return tuple(map(np.float32, numbers))


def _tabled_(
    values: Values, halves: np.ndarray[Any, np.dtype[np.uint32]], law: Bell, runs: Section, stream: Stream
) -> None:
    """A rectangle by the upper 16 bits, the place in it by the lower; then the rest by words far away."""
    density, count = law.density, len(values)
    index = np.right_shift(halves, INDEX, out=_ROOM.moved.view(np.uint32)[:count])
    rest = np.greater_equal(index, np.uint32(density.rest), out=_ROOM.rest[:count])
    found = _ROOM.moved.view(np.float32)[count : 2 * count]
    if count >= _SHARED or (law.mean, law.std) == (0, 1):
        table = _scaled(density, law.std, middle(law))
        torch.index_select(table, 0, torch.from_numpy(index.view(np.int32)), out=torch.from_numpy(found))
    else:
        np.copyto(found, density.left[index] * law.std + middle(law), casting="unsafe")
    inside = np.bitwise_and(halves, PLACE, out=halves)
    offset = _ROOM.values[:count]
    np.copyto(offset, inside.view(np.int32), casting="unsafe")
    np.multiply(offset, np.float32(step(law)), out=offset)
    np.add(offset, found, out=values)
    places = np.flatnonzero(rest)
    values[places] = _rest(law, words_(runs.numbers(places), stream.far()))
    _clip_(values, law)


def _clip_(values: Values, law: Bell) -> None:
    if law.limits:
        low, high = law.limits
        np.clip(values, np.float32(low), np.float32(high), out=values)


def step(law: Bell) -> float:
    """The distance between neighbouring places in a rectangle."""
    return law.density.width * law.std / (1 << 32 - INDEX_BITS)


def middle(law: Bell) -> float:
    """What is added to a place, so that it stands for the middle of its little interval."""
    return law.mean + step(law) / 2


@functools.lru_cache(maxsize=16)
def _scaled(density: Density, std: float, middle: float) -> torch.Tensor:
    return torch.from_numpy((density.left * std + middle).astype(np.float32))


def _rest(law: Bell, words: Words) -> Values:
    return law.density.leftover(words) * law.std + law.mean


def _wide(runs: Section, stream: Stream, law: Flat | Bell, count: int) -> Values:
    """In double precision, one word for each element."""
    words = words_(_element_numbers(runs, count), stream, _ROOM.moved[:count])
    if isinstance(law, Flat):
        spread = (words >> np.uint64(11)).astype(np.float64) * (2.0**-53 * (law.high - law.low)) + law.low
        return np.clip(spread, law.low, law.high)
    density = law.density
    index = (words >> np.uint64(64 - INDEX_BITS)).view(np.int64)
    inside = ((words & _WIDE_PLACE).view(np.int64) + 0.5) * (density.width * law.std * ENTRIES * 2.0**-64)
    values = density.left[index] * law.std + law.mean + inside
    places = np.flatnonzero(index >= density.rest)
    values[places] = _rest(law, words_(runs.numbers(places), stream.far()))
    return np.clip(values, *law.limits) if law.limits else values
