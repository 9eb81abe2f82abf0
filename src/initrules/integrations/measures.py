"""Statistics of the values of several tensors together, in blocks: no temporary grows with a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

BINS = 64
_BLOCK = 1 << 18  # entries at a time
_MOST_WORK = 1 << 33  # entries times the smaller side of a matrix for its singular values: a second or two on one core


@dataclass(frozen=True, slots=True)
class Measures:
    """Of all finite entries together; ``norm``: the mean of the tensors' norms; ``counts``: of equal bins."""

    entries: int
    non_finite: int
    total: float
    squares: float
    low: float | None
    high: float | None
    norm: float | None
    effective_rank: float | None
    counts: tuple[int, ...] = ()

    @property
    def mean(self) -> float | None:
        """None where no entry is finite."""
        finite = self.entries - self.non_finite
        return self.total / finite if finite else None

    @property
    def std(self) -> float | None:
        """Of the entries as a whole: divided by their number."""
        finite, mean = self.entries - self.non_finite, self.mean
        return None if mean is None else math.sqrt(max(self.squares / finite - mean * mean, 0.0))

    def raw(self) -> dict[str, Any]:
        """The histogram as TensorBoard takes it: bins by their upper ends."""
        assert self.low is not None
        assert self.high is not None
        step = (self.high - self.low) / len(self.counts)
        ends = [self.low + step * (n + 1) for n in range(len(self.counts) - 1)]
        return {
            "min": self.low,
            "max": self.high,
            "num": self.entries - self.non_finite,
            "sum": self.total,
            "sum_squares": self.squares,
            "bucket_limits": [*ends, self.high],
            "bucket_counts": list(self.counts),
        }


def measured(tensors: Sequence[torch.Tensor], rank: float | None = None) -> Measures:
    """Measure tensors together; complex ones by the absolute values of their entries. ``rank``: put beside."""
    entries = non_finite = 0
    total = squares = 0.0
    low, high = math.inf, -math.inf
    norms = []
    for tensor in tensors:
        within = 0.0
        for block in _blocks(tensor):
            finite = _finite(block)
            entries += block.numel()
            non_finite += block.numel() - finite.numel()
            if finite.numel():
                least, most = finite.aminmax()
                low, high = min(low, least.item()), max(high, most.item())
                total += finite.sum().item()
                within += finite.dot(finite).item()
        squares += within
        norms.append(math.sqrt(within))
    seen = entries > non_finite
    return Measures(
        entries, non_finite, total, squares, low if seen else None, high if seen else None,
        sum(norms) / len(norms) if seen else None, rank if not non_finite else None,
        _counted(tensors, low, high) if seen else (),
    )  # fmt: skip


def effective_rank(tensor: torch.Tensor) -> float | None:
    """The exponential of the entropy of the singular values, normed to sum 1; None for what is no matrix of use.

    Shape: (out, ...), taken as a matrix of ``out`` rows. Units: between 1 and the smaller side; 0 for zeros.
    Source: Roy & Vetterli 2007, "The effective rank".
    """
    if tensor.ndim < 2 or not tensor.numel():
        return None
    matrix = tensor.detach().reshape(len(tensor), -1)
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.mT
    side = matrix.shape[1]
    if matrix.numel() * side > _MOST_WORK:
        return None
    exact = torch.promote_types(matrix.dtype, torch.float64)
    products = torch.zeros(side, side, dtype=exact, device=matrix.device)
    for rows in torch.split(matrix, 4 * side):
        wide = rows.to(exact)
        products += wide.mH @ wide
    if not bool(products.isfinite().all()):
        return None
    values = torch.linalg.eigvalsh(products).clamp_min(0).sqrt()
    if not bool(values.any()):
        return 0.0
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def _counted(tensors: Sequence[torch.Tensor], low: float, high: float) -> tuple[int, ...]:
    """How many finite entries are in each of the equal bins from ``low`` to ``high``; one bin if these are equal."""
    bins = BINS if low < high else 1
    scale = bins / (high - low) if low < high else 0.0
    counts = torch.zeros(bins, dtype=torch.int64)
    for tensor in tensors:
        for block in _blocks(tensor):
            places = _finite(block).sub(low).mul_(scale).int().clamp_(0, bins - 1)
            counts += torch.bincount(places, minlength=bins).cpu()
    return tuple(counts.tolist())


def _finite(block: torch.Tensor) -> torch.Tensor:
    whole = bool(block.sum().isfinite()) or bool(block.isfinite().all())  # a finite sum has finite terms only
    return block if whole else block[block.isfinite()]


def _blocks(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The entries in double precision, some at a time."""
    for block in torch.split(tensor.detach().reshape(-1), _BLOCK):
        yield (block.abs() if block.is_complex() else block).double()
