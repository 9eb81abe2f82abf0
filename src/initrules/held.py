"""What the parameters of a model hold now, or would after an application, as arrays for reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from initrules.apply import values
from initrules.decision import Row
from initrules.places import places_of
from initrules.planning import PlanData
from initrules.sources import NO_SOURCES, Sources


def held(model: Any, rows: Iterable[Row]) -> Iterator[tuple[Row, np.ndarray[Any, Any]]]:
    """The values of these rows in ``model``, of parametrized weights as the model uses them.

    Left out is what has no values: tensors on the meta device, lazy ones, shards.
    """
    places = places_of(model)
    for row in rows:
        place = places[row.path]
        with torch.no_grad():
            array = _array(place.chain() if place.parametrized else place.tensor())
        if array is not None:
            yield row, array


def drawn(
    model: Any, planned: PlanData, *, seed: int, sources: Sources = NO_SOURCES
) -> Iterator[tuple[Row, np.ndarray[Any, Any]]]:
    """What ``apply_`` would write with this seed, computed without writing; ``model`` may be on the meta device.

    Left out is what keeps or transforms the values found, and what the user's own code refuses to give.
    """
    for row, value in values(places_of(model), planned, seed=seed, sources=sources):
        array = _array(value) if isinstance(value, torch.Tensor) else None
        if array is not None:
            yield row, array


def _array(tensor: torch.Tensor) -> np.ndarray[Any, Any] | None:
    """A tensor's values in float64 on the CPU; None when it has none that a chart could show."""
    if nn.parameter.is_lazy(tensor) or tensor.device.type == "meta" or hasattr(tensor, "placements"):
        return None
    if tensor.is_complex() or tensor.layout != torch.strided:
        return None
    found: np.ndarray[Any, Any] = tensor.detach().to("cpu", torch.float64).numpy()
    return found
