"""What tests look at: sums over a tensor in double precision, and a sample of its entries."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

from initrules.actions.law import Law

_CHUNK = 1 << 17  # entries that are in double precision at a time: they stay in the cache
SAMPLE = 1 << 14  # entries that are sorted


class Sums(NamedTuple):
    """Of the deviations z = (x - mean) / std of entries from their law: how many, Σz, Σz², the ends of x."""

    entries: int
    first: float
    second: float
    low: float
    high: float

    def plus(self, other: Sums) -> Sums:
        """Those of both together."""
        ends = min(self.low, other.low), max(self.high, other.high)
        return Sums(self.entries + other.entries, self.first + other.first, self.second + other.second, *ends)


def sums(tensor: torch.Tensor, law: Law) -> Sums:
    """Look at every entry once; ``law.std`` is positive."""
    found = Sums(0, 0.0, 0.0, math.inf, -math.inf)
    flat = tensor.detach().reshape(-1)
    for begin in range(0, flat.numel(), _CHUNK):
        entries = flat[begin : begin + _CHUNK]
        off = entries.to(torch.float64, copy=True).sub_(law.mean)
        first, second = float(off.sum()) / law.std, float(torch.dot(off, off)) / law.std**2
        found = found.plus(Sums(len(entries), first, second, *map(float, torch.aminmax(entries))))
    return found


def sample(tensor: torch.Tensor) -> torch.Tensor:
    """At most ``SAMPLE`` entries spread over the tensor, sorted, in double precision."""
    flat = tensor.detach().reshape(-1)
    step = max(1, math.ceil(flat.numel() / SAMPLE))
    return torch.sort(flat[::step].to("cpu", torch.float64))[0]


def distance(entries: torch.Tensor, law: Law) -> float:
    """The largest distance between the distribution of sorted entries and the law's own (Kolmogorov)."""
    at = cumulative(entries, law)
    steps = torch.arange(len(entries) + 1, dtype=torch.float64) / len(entries)
    return float(torch.maximum(steps[1:] - at, at - steps[:-1]).max())


def distance_between(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest distance between the distributions of two sorted samples (Smirnov)."""
    points = torch.cat([one, other])
    shares = [torch.searchsorted(entries, points, right=True) / len(entries) for entries in (one, other)]
    return float((shares[0] - shares[1]).abs().max())


def cumulative(x: torch.Tensor, law: Law) -> torch.Tensor:
    """The share of entries that are at most ``x``."""
    if not law.spread:
        return ((x - law.low) / (law.high - law.low)).clamp(0, 1)
    ends = torch.tensor([law.low, law.high], dtype=torch.float64)
    below, above = torch.special.ndtr((ends - law.centre) / law.spread)
    at: torch.Tensor = torch.special.ndtr((x - law.centre) / law.spread)
    share: torch.Tensor = (at - below) / (above - below)
    return share.clamp(0, 1)
