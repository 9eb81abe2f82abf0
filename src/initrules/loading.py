"""Puts the weights of a file into a model, as the training program would have, to look at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from initrules.errors import ModelError
from initrules.places import places_of
from initrules.planning import PlanData
from initrules.resetting import seeded_globally
from initrules.sources import Tensors
from initrules.survey import root_entries
from initrules.verdict import Problem
from initrules.wrapping import wrap_


def load_(model: Any, planned: PlanData, tensors: Tensors) -> list[Problem]:
    """Load a state dict into a model that was just built, parametrized as the plan has it.

    Returns where the file holds two values for one tensor. Raises ``ModelError`` when names or shapes do not fit.
    """
    _wrap_as_planned(model, planned)
    state = _state(model)
    unknown = [name for name in tensors if name not in state]
    reached = {_memory(state[name]) for name in tensors if name in state}
    missing = [name for name, tensor in state.items() if name not in tensors and _memory(tensor) not in reached]
    if unknown or missing:
        words = [f"'{name}' is missing" for name in missing[:3]] + [f"'{name}' is unknown" for name in unknown[:3]]
        raise ModelError(
            f"the weights are not of this model: {', '.join(words)} ({len(missing)} missing, {len(unknown)} unknown)",
            hint="'--key' names the entry of the file that holds the state_dict.",
        )
    for name, tensor in tensors.items():
        if state[name].shape != tensor.shape:
            shapes = ["×".join(map(str, one.shape)) or "scalar" for one in (tensor, state[name])]
            raise ModelError(f"the weights are not of this model: '{name}' has shape {shapes[0]}, not {shapes[1]}")
    problems = list(_split_ties(state, tensors))
    with torch.no_grad():
        for name, tensor in tensors.items():
            state[name].copy_(tensor)
    return problems


def _wrap_as_planned(model: Any, planned: PlanData) -> None:
    places = places_of(model)
    for row in planned.rows:
        wrap = row.decisions.get("parametrize")
        place = places[row.path]
        if wrap is not None and wrap.writes and not place.parametrized:
            with seeded_globally(0):
                wrap_(place.owner, place.local, wrap.actions[0])


def _state(model: Any) -> dict[str, torch.Tensor]:
    entries = root_entries(model)
    roots = {"": model} if entries is None else {f"{name}.": module for name, module in entries.items()}
    return {
        f"{prefix}{name}": value
        for prefix, module in roots.items()
        for name, value in module.state_dict().items()
        if isinstance(value, torch.Tensor)
    }


def _memory(tensor: torch.Tensor) -> Any:
    return (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else id(tensor)


def _split_ties(state: Mapping[str, torch.Tensor], tensors: Tensors) -> Iterator[Problem]:
    first: dict[Any, str] = {}
    for name, tensor in tensors.items():
        twin = first.setdefault(_memory(state[name]), name)
        if twin != name and not torch.equal(tensor, tensors[twin]):
            yield Problem(name, "tie", f"has other values in the file than '{twin}', with which it is one tensor")
