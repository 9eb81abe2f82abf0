"""Whether a live model is still the one that was planned, without reading all of it again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, NamedTuple

import torch
from torch import nn

from initrules.places import Place, places_of
from initrules.survey import modules_by_path, root_entries


class Part(NamedTuple):
    """One module: what it holds, and what is known of its tensors."""

    module: nn.Module
    modules: tuple[nn.Module | None, ...]
    tensors: tuple[torch.Tensor | None, ...]
    facts: list[Any]

    def unchanged(self) -> bool:
        """Whether it holds the same objects, and its tensors are of the same kind."""
        module = self.module
        if not _same(module._modules.values(), self.modules):
            return False
        tensors = _tensors(module)
        return _same(tensors, self.tensors) and [*map(_facts, tensors)] == self.facts


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The objects that a model is made of, and where its tensors live."""

    model: Any
    entries: tuple[nn.Module, ...] | None
    parts: tuple[Part, ...]
    places: Mapping[str, Place]

    def unchanged(self, model: Any) -> bool:
        """Whether this is the same model with the same modules and tensors; attributes are not compared."""
        if model is not self.model:
            return False
        entries = root_entries(model)
        if entries is not None and not _same(entries.values(), self.entries or ()):
            return False
        return all(part.unchanged() for part in self.parts)


def take(model: Any) -> Snapshot:
    """Remember the objects of a model."""
    modules = {id(module): module for _, _, module in modules_by_path(model) if isinstance(module, nn.Module)}
    entries = root_entries(model)
    parts = tuple(map(_part, modules.values()))
    return Snapshot(model, None if entries is None else tuple(entries.values()), parts, places_of(model))


def _part(module: nn.Module) -> Part:
    tensors = _tensors(module)
    return Part(module, tuple(module._modules.values()), tensors, [*map(_facts, tensors)])


def _tensors(module: nn.Module) -> tuple[torch.Tensor | None, ...]:
    return (*module._parameters.values(), *module._buffers.values())


def _facts(tensor: torch.Tensor | None) -> tuple[Any, ...] | None:
    if tensor is None or nn.parameter.is_lazy(tensor):
        return None
    return tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad


def _same(one: Collection[Any], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))
