"""Many small parameters in one go: the same values as one by one, for a fraction of the calls."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from initrules.filling import BLOCK, INDEX, PLACE, Bell, Even, Fill, Flat, Values, middle, step
from initrules.streams import mix_, streams_of


def write_together_(fills: Sequence[Fill]) -> None:
    """Draw small fills of one kind of law at once: the same values as one by one."""
    law = fills[0].law
    if isinstance(law, Even):
        _even_(fills, law.value)
        return
    counts = np.array([fill.tensor.numel() for fill in fills])
    used = (counts + 1) // 2
    first = np.concatenate([[0], np.cumsum(used)])
    numbers = np.arange(first[-1], dtype=np.uint64) - np.repeat(first[:-1], used).astype(np.uint64)
    seeds, gammas = streams_of([fill.key for fill in fills if fill.key is not None])
    halves = mix_(numbers * np.repeat(gammas, used) + np.repeat(seeds, used)).view(np.uint32)
    each = _each(fills, used * 2)
    if isinstance(law, Flat):
        values = _spread_together(each, halves)
    else:
        values = _tabled_together(law, each, halves, first * 2, seeds, gammas)
    _hand_out_(fills, torch.from_numpy(values))


def _even_(fills: Sequence[Fill], value: float) -> None:
    tensors = [fill.tensor for fill in fills]
    if value == 0:
        torch._foreach_zero_(tensors)
    else:
        for tensor in tensors:
            tensor.fill_(value)


def _hand_out_(fills: Sequence[Fill], values: torch.Tensor) -> None:
    """Copy values to where they belong; each tensor has an even number of them, of which the last may be spare."""
    begin = 0
    for shape, lot in itertools.groupby([fill.tensor for fill in fills], key=lambda tensor: tensor.shape):
        tensors = list(lot)
        each = shape.numel() + shape.numel() % 2
        end = begin + len(tensors) * each
        drawn = values[begin:end].view(len(tensors), each)[:, : shape.numel()]
        torch._foreach_copy_(tensors, drawn.view(len(tensors), *shape).unbind())
        begin = end


_Each = Callable[[Callable[[Any], float]], Any]


def _each(fills: Sequence[Fill], counts: Any) -> _Each:
    """What gives a number of every element's law, where each fill has so many elements."""
    laws = list({id(fill.law): fill.law for fill in fills}.values())
    if len(laws) == 1:
        return lambda pick: np.broadcast_to(pick(laws[0]), counts.sum())
    places = {id(law): place for place, law in enumerate(laws)}
    index = np.repeat([places[id(fill.law)] for fill in fills], counts)
    return lambda pick: np.array([pick(law) for law in laws])[index]


def _spread_together(each: _Each, halves: Any) -> Values:
    values: Values = halves.view(np.int32).astype(np.float32)
    values *= each(lambda law: (law.high - law.low) * 2.0**-32).astype(np.float32)
    values += each(lambda law: (law.high + law.low) / 2).astype(np.float32)
    low, high = each(lambda law: law.low), each(lambda law: law.high)
    np.clip(values, low.astype(np.float32), high.astype(np.float32), out=values)
    return values


def _tabled_together(law: Bell, each: _Each, halves: Any, first: Any, seeds: Any, gammas: Any) -> Values:
    density = law.density
    index = halves >> INDEX
    mean, std = each(lambda law: law.mean), each(lambda law: law.std)
    values: Values = (halves & PLACE).astype(np.float32)
    values *= each(step).astype(np.float32)
    values += (density.left[index] * std + each(middle)).astype(np.float32)
    places = np.flatnonzero(index >= density.rest)
    owner = np.searchsorted(first, places, side="right") - 1
    numbers = (places - first[owner]).astype(np.uint64)
    far = mix_(numbers * gammas[owner] + (seeds[owner] + np.uint64(2**63)))
    values[places] = density.leftover(far) * std[places] + mean[places]
    if law.limits:
        low, high = each(lambda law: law.limits[0]), each(lambda law: law.limits[1])
        np.clip(values, low.astype(np.float32), high.astype(np.float32), out=values)
    return values


def together(fills: Sequence[Fill]) -> Iterator[list[Fill]]:
    """Small fills in lots that one call writes: one kind of law, about ``BLOCK`` elements."""
    laws: dict[int, list[Fill]] = {}
    for fill in fills:
        laws.setdefault(id(fill.law), []).append(fill)
    kinds: dict[Any, list[Fill]] = {}
    for alike in laws.values():
        kinds.setdefault(_kind(alike[0].law), []).extend(alike)
    for lot in kinds.values():
        ends = np.cumsum([fill.tensor.numel() for fill in lot]) // BLOCK
        for begin, end in itertools.pairwise((0, *(np.flatnonzero(np.diff(ends)) + 1).tolist(), len(lot))):
            yield lot[begin:end]


def _kind(law: Even | Flat | Bell) -> Any:
    match law:
        case Even(value):
            return value
        case Bell(density, _, _, limits):
            return id(density), limits is None
        case _:
            return None
