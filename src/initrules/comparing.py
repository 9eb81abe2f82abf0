"""Compares what a plan writes with what is there, one parameter after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from initrules.apply import values
from initrules.decision import Row
from initrules.effective import is_spectral_norm, weight, written
from initrules.places import Place
from initrules.planning import PlanData
from initrules.sources import Sources


def compare(
    places: Mapping[str, Place], planned: PlanData, rows: Sequence[Row], seed: int, sources: Sources
) -> Iterator[tuple[Row, str | Exception | None]]:
    """For each of these rows how it differs from what is computed again; an error where that fails."""
    for row, value in values(places, replace(planned, rows=tuple(rows)), seed=seed, sources=sources):
        yield row, value if isinstance(value, Exception) else difference(value, places[row.path])


def difference(value: torch.Tensor, place: Place) -> str | None:
    """How a parameter differs from a value, or None."""
    found, exactly = written(place)
    value = value.to(found.device)
    if exactly and torch.equal(found, value):
        return None
    if not exactly:
        found, value, tolerance = _through(value, place)
        if bool(((found - value).abs() <= tolerance).all()):
            return None
    else:
        tolerance = 0.0
    off = (found.to(_wide(found)) - value.to(_wide(value))).abs()
    wrong = int((off > tolerance).sum())
    return f"differs in {wrong:,} of {value.numel():,} values, by up to {float(off.max()):.4g}"


def _wide(tensor: torch.Tensor) -> torch.dtype:
    return torch.complex128 if tensor.is_complex() else torch.float64


def _through(value: torch.Tensor, place: Place) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The weight, what it should be, and what the way through a parametrization may change by rounding."""
    found = weight(place)
    if any(is_spectral_norm(one) for one in place.chain):
        value = value / (value.norm() / found.norm())
    scale = max(1.0, float(value.abs().max())) if value.numel() else 1.0
    return found, value, 64 * torch.finfo(value.dtype).eps * scale
