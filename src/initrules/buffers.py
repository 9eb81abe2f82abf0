"""Values for buffers on the meta device that no rule gives one: those that the model's own methods can compute."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from initrules.planning import PlanData
from initrules.resetting import seeded_globally
from initrules.streams import stream_key
from initrules.survey import modules_by_path

_RESETS = ("reset_running_stats", "reset_parameters", "_reset_parameters")
_FOR_OTHERS = "_init_weights"  # transformers' method that starts a module below


def computed_buffers(model: Any, planned: PlanData, seed: int) -> dict[str, torch.Tensor]:
    """Values for buffers on the meta device by name, where a method of the model's own writes them.

    That is the owner's reset method, as for the statistics of a batch norm, or the ``_init_weights`` of
    the nearest module above that has one, as for the tables of transformers' rotary embeddings. A table
    that only a constructor computes is not found. ``seed``: for methods that draw.
    """
    wanted = {
        row.path
        for row in planned.rows
        if row.parameter.buffer and row.parameter.device == "meta" and row.value is None
    }
    found: dict[str, torch.Tensor] = {}
    above: list[Any] = []  # for each module name: the nearest module up to it with a method for others
    for path, parent, module in modules_by_path(model) if wanted else ():
        helper = module if hasattr(type(module), _FOR_OTHERS) else above[parent] if parent is not None else None
        above.append(helper)
        prefix = f"{path}." if path else ""
        missing = {prefix + local: local for local in getattr(module, "_buffers", ()) if prefix + local in wanted}
        if missing:
            given = _written(module, _methods(module, helper), stream_key(seed, path, "buffers"))
            found |= {name: given[local] for name, local in missing.items() if local in given}
    return found


def _methods(module: nn.Module, helper: Any) -> Iterator[Callable[[Any], Any]]:
    """What may write the buffers of a copy of the module."""
    for name in _RESETS:
        if hasattr(type(module), name):
            yield getattr(type(module), name)
    if helper is not None:
        yield getattr(helper, _FOR_OTHERS)


def _written(module: nn.Module, methods: Iterator[Callable[[Any], Any]], key: int) -> dict[str, torch.Tensor]:
    """The buffers of a module on the meta device that a method writes to a copy with real buffers."""
    scratch = _with_real_buffers(module)
    before = {local: (id(one), one._version) for local, one in scratch._buffers.items() if one is not None}
    with seeded_globally(key), torch.device("cpu"):
        for method in methods:
            with contextlib.suppress(Exception):  # a method that needs more than a copy has; the buffer is reported
                method(scratch)
    return {
        local: one
        for local, one in scratch._buffers.items()
        if one is not None and not one.is_meta and before.get(local) != (id(one), one._version)
    }


def _with_real_buffers(module: nn.Module) -> nn.Module:
    """A copy whose buffers have memory, but no values where they had none; its parameters have no memory."""
    memo: dict[int, Any] = {id(one): _without_memory(one) for one in module.parameters()}
    for buffer in module.buffers():
        real = torch.zeros(buffer.shape, dtype=buffer.dtype, device="cpu")
        memo[id(buffer)] = real if buffer.is_meta else real.copy_(buffer)
    copied: nn.Module = copy.deepcopy(module, memo)
    return copied


def _without_memory(parameter: nn.Parameter) -> nn.Parameter:
    if parameter.is_meta or nn.parameter.is_lazy(parameter):
        return parameter
    return nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)


def loose_tensors(model: Any) -> list[str]:
    """The tensors on the meta device that modules keep as plain attributes, by name: nothing gives them a value."""
    found = []
    for path, _, module in modules_by_path(model):
        attributes = vars(module) if isinstance(module, nn.Module) else {}
        held = [name for name, value in attributes.items() if isinstance(value, torch.Tensor) and value.is_meta]
        found += [f"{path}.{name}" if path else name for name in held]
    return found
