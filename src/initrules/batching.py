"""Many small parameters in one go: the same values as one by one, for a fraction of the calls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from initrules.filling import BLOCK, INDEX, PLACE, Bell, Even, Fill, Flat, Values, middle, step, write_
from initrules.streams import mix_


def write_together_(fills: Sequence[Fill]) -> None:
    """Draw small fills of one kind of law at once: the same values as one by one."""
    if isinstance(fills[0].law, Even):
        if fills[0].law.value == 0:
            torch._foreach_zero_([fill.tensor for fill in fills])
        else:
            for fill in fills:
                write_(fill)
        return
    counts = np.array([fill.tensor.numel() for fill in fills])
    used = (counts + 1) // 2
    first = np.concatenate([[0], np.cumsum(used)])
    numbers = np.arange(first[-1], dtype=np.uint64) - np.repeat(first[:-1], used).astype(np.uint64)
    seeds = np.array([fill.stream.seed for fill in fills if fill.stream], np.uint64)
    gammas = np.array([fill.stream.gamma for fill in fills if fill.stream], np.uint64)
    halves = mix_(numbers * np.repeat(gammas, used) + np.repeat(seeds, used)).view(np.uint32)
    if isinstance(fills[0].law, Flat):
        values = _spread_together(fills, halves, used * 2)
    else:
        values = _tabled_together(fills, halves, first * 2, seeds, gammas)
    lengths = [size for count in counts.tolist() for size in ((count, 1) if count % 2 else (count,))]
    drawn = torch.split(torch.from_numpy(values), lengths)
    places = np.concatenate([[0], np.cumsum(1 + counts % 2)])[:-1].tolist()
    torch._foreach_copy_([fill.tensor.view(-1) for fill in fills], [drawn[place] for place in places])


def _each(fills: Sequence[Fill], counts: Any, pick: Any) -> Any:
    return np.repeat(np.array([pick(fill.law) for fill in fills]), counts)


def _spread_together(fills: Sequence[Fill], halves: Any, counts: Any) -> Values:
    values: Values = halves.view(np.int32).astype(np.float32)
    values *= _each(fills, counts, lambda law: (law.high - law.low) * 2.0**-32).astype(np.float32)
    values += _each(fills, counts, lambda law: (law.high + law.low) / 2).astype(np.float32)
    low, high = _each(fills, counts, lambda law: law.low), _each(fills, counts, lambda law: law.high)
    np.clip(values, low.astype(np.float32), high.astype(np.float32), out=values)
    return values


def _tabled_together(fills: Sequence[Fill], halves: Any, first: Any, seeds: Any, gammas: Any) -> Values:
    counts = np.diff(first)
    law = fills[0].law
    assert isinstance(law, Bell)
    density = law.density
    index = halves >> INDEX
    mean, std = _each(fills, counts, lambda law: law.mean), _each(fills, counts, lambda law: law.std)
    values: Values = (halves & PLACE).astype(np.float32)
    values *= _each(fills, counts, step).astype(np.float32)
    values += (density.left[index] * std + _each(fills, counts, middle)).astype(np.float32)
    places = np.flatnonzero(index >= density.rest)
    owner = np.searchsorted(first, places, side="right") - 1
    numbers = (places - first[owner]).astype(np.uint64)
    far = mix_(numbers * gammas[owner] + (seeds[owner] + np.uint64(2**63)))
    values[places] = density.leftover(far) * std[places] + mean[places]
    if law.limits:
        low, high = (_each(fills, counts, lambda law, side=side: law.limits[side]) for side in (0, 1))
        np.clip(values, low.astype(np.float32), high.astype(np.float32), out=values)
    return values


def together(fills: Sequence[Fill]) -> Iterator[list[Fill]]:
    """Small fills in lots that one call writes: one kind of law, about ``BLOCK`` elements."""
    kinds: dict[Any, list[Fill]] = {}
    for fill in fills:
        kinds.setdefault(_kind(fill), []).append(fill)
    for lot in kinds.values():
        ends = itertools.accumulate(fill.tensor.numel() for fill in lot)
        for _, group in itertools.groupby(zip(lot, ends, strict=True), key=lambda pair: pair[1] // BLOCK):
            yield [fill for fill, _ in group]


def _kind(fill: Fill) -> Any:
    match fill.law:
        case Even(value):
            return value, fill.tensor.dtype, fill.tensor.device
        case Bell(density, _, _, limits):
            return id(density), limits is None
        case _:
            return None
