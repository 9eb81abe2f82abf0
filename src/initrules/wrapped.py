"""Weights under parametrizations and old hooks: what is stored for them, and what their module sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from initrules.hooked import SpectralNormHook, WeightNormHook, hooks_of
from initrules.inventory import UNKNOWN_SHAPE


def chains(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The parametrizations of a module by the local name of what they wrap, old hooks among them."""
    if parametrize.is_parametrized(module):
        wrapped: Any = module.parametrizations
        yield from wrapped.items()
    yield from hooks_of(module).items()


def originals(chain: Any) -> tuple[torch.Tensor, ...]:
    """What is stored for a parametrized weight, the largest first (weight_norm's direction)."""
    if isinstance(chain, WeightNormHook | SpectralNormHook):
        return chain.stored
    if chain.is_tensor:
        return (chain.original,)
    several = [getattr(chain, f"original{n}") for n in range(chain.ntensors)]
    return tuple(sorted(several, key=lambda tensor: (tensor.numel(), tensor.ndim), reverse=True))


def effective_shape(chain: Any) -> tuple[int, ...]:
    """The shape of a parametrized weight as the module sees it.

    torch's own parametrizations keep the shape of the largest original. Others are asked on the
    meta device, where they have neither values to read nor buffers to change.
    """
    largest = originals(chain)[0]
    if nn.parameter.is_lazy(largest):
        return UNKNOWN_SHAPE
    if all(wrap_name(one) in _SAME_SHAPE for one in chain):
        return tuple(largest.shape)
    held = {**dict(chain.named_parameters()), **dict(chain.named_buffers())}
    on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in held.items()}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return tuple(torch.func.functional_call(chain, on_meta, ()).shape)
    except Exception:  # noqa: BLE001  # a user's code that needs values; the stored shape is the best guess
        return tuple(largest.shape)


_OWN_WRAPS = {
    "_SpectralNorm": "spectral_norm", "_WeightNorm": "weight_norm", "_Orthogonal": "orthogonal",
    "SpectralNormHook": "spectral_norm", "WeightNormHook": "weight_norm",
}  # fmt: skip
_SAME_SHAPE = frozenset(_OWN_WRAPS.values())


def wrap_name(parametrization: nn.Module) -> str:
    """What rules and plans call a parametrization: torch's own by the names of rule files, others by their class."""
    kind = type(parametrization).__name__
    return _OWN_WRAPS.get(kind, kind)
