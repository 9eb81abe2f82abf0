"""Draws single parameters of a plan into scratch tensors, for statistics: no model is written.

What another parameter is read for is drawn too. Values that a model has, and reset methods, need a
model; an inventory has neither.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from initrules.actions import chain
from initrules.actions.base import Draw
from initrules.decision import Row
from initrules.draw import Elsewhere, KeyedDraw
from initrules.errors import ApplyError
from initrules.global_draw import GlobalDraw
from initrules.places import Place, places_of
from initrules.planning import PlanData
from initrules.resetting import seeded_globally
from initrules.ruletest.judging import Statistics
from initrules.sources import NO_SOURCES, Sources
from initrules.streams import stream_key

_NEEDS_A_MODEL = "Give the case a 'model' instead of an inventory."


class Scratch:
    """Values of one plan, drawn when they are asked for. ``model`` builds one with values, if there is any."""

    def __init__(self, plan: PlanData, sources: Sources = NO_SOURCES, model: Callable[[], Any] | None = None) -> None:
        self._plan = plan
        self._sources = sources
        self._model = model
        self._places: Mapping[str, Place] | None = None

    def statistics(self, row: Row, seed: int) -> Statistics:
        """Of the entries that a parameter starts with under a seed. Raises ``ApplyError``."""
        with torch.no_grad():
            return statistics(self.value(row, seed))

    def value(self, row: Row, seed: int) -> torch.Tensor:
        """The value before any parametrization, in the parameter's shape and dtype, on the CPU."""
        decision = row.value
        if decision is None:
            return self._stored(row)
        tensor = torch.empty(row.parameter.shape, dtype=torch.float32, device="cpu")
        dtype: torch.dtype = getattr(torch, row.parameter.dtype)
        if dtype.itemsize >= 4 or not dtype.is_floating_point:
            tensor = tensor.to(dtype)
        if chain.keeps(decision.actions):
            tensor.copy_(self._stored(row))
        with contextlib.ExitStack() as stack:
            if self._plan.rules.stream == "global":
                stack.enter_context(seeded_globally(stream_key(seed, row.path)))
            chain.write_(decision.actions, tensor, row.target, self._draw(row, seed))
        if row.target.padding is not None and not decision.actions[0].explicit:
            tensor[row.target.padding] = 0
        return tensor.to(dtype)

    def _draw(self, row: Row, seed: int) -> Draw:
        elsewhere = Elsewhere(lambda path: self._other(path, seed), self._sources.tensor)
        owner: nn.Module = nn.Module()
        if any(action.name == "reset" for action in row.value.actions if row.value):  # type: ignore[union-attr]
            owner = self._place(row).owner
        local = row.target.met.rpartition(".")[2]
        if self._plan.rules.stream == "global":
            return GlobalDraw(owner, local, elsewhere, {})
        return KeyedDraw(seed, row.path, owner, local, elsewhere)

    def _other(self, path: str, seed: int) -> torch.Tensor:
        row = self._plan.row(path)
        assert row is not None  # the plan has looked it up
        return self.value(row, seed)

    def _stored(self, row: Row) -> torch.Tensor:
        place = self._place(row)
        found: torch.Tensor = place.chain() if place.parametrized else place.tensor()
        return found.detach().cpu()

    def _place(self, row: Row) -> Place:
        if self._model is None:
            raise ApplyError(f"the value of '{row.path}' depends on what the model has", hint=_NEEDS_A_MODEL)
        if self._places is None:
            self._places = places_of(self._model())
        return self._places[row.target.met]


def statistics(tensor: torch.Tensor) -> Statistics:
    """Mean and std over the entries, with their standard errors from the kurtosis that is found."""
    wide = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    values = wide.double().flatten()
    count = max(1, values.numel())
    mean = values.mean()
    off = values - mean
    variance = float((off**2).mean())
    std = math.sqrt(variance)
    kurtosis = float((off**4).mean()) / variance**2 if variance else 1.0
    return Statistics(
        mean=float(mean),
        std=std,
        low=float(values.min()),
        high=float(values.max()),
        mean_error=std / math.sqrt(count),
        std_error=std * math.sqrt(max(kurtosis - 1, 0.0) / (4 * count)),  # of a large sample's std
    )
