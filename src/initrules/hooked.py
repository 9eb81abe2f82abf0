"""Weights under torch's old hooks, ``torch.nn.utils.weight_norm`` and ``spectral_norm``.

These hooks store a weight under other names (``weight_g`` and ``weight_v``, or ``weight_orig``) and
compute it anew before each forward pass. Here each has the face of a torch parametrization: called,
it gives the weight; ``right_inverse`` writes one; ``original`` is what is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import torch
from torch import nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


@dataclass(frozen=True, slots=True)
class WeightNormHook:
    """``weight_v`` gives the direction, ``weight_g`` the norm of each slice along ``hook.dim``."""

    owner: nn.Module
    hook: WeightNorm

    is_tensor: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("_v", "_g")

    @property
    def original(self) -> torch.Tensor:
        """The direction, which has the weight's shape."""
        return self.stored[0]

    @property
    def stored(self) -> tuple[torch.Tensor, ...]:
        """All that is stored for the weight, the largest first."""
        return _stored(self)

    def right_inverse(self, value: torch.Tensor) -> None:
        """Store a weight as direction and norm."""
        direction, norm = self.stored
        direction.copy_(value)
        norm.copy_(torch.norm_except_dim(value, 2, self.hook.dim))

    def __call__(self) -> torch.Tensor:
        """The weight as the next forward pass computes it."""
        weight: torch.Tensor = self.hook.compute_weight(self.owner)
        return weight

    def __iter__(self) -> Iterator[WeightNormHook]:
        yield self

    def __deepcopy__(self, memo: dict[int, Any]) -> WeightNormHook:
        return WeightNormHook(_stand_in(self), self.hook)


@dataclass(frozen=True, slots=True)
class SpectralNormHook:
    """``weight_orig`` is divided by its largest singular value, which ``weight_u`` and ``weight_v`` estimate."""

    owner: nn.Module
    hook: SpectralNorm

    is_tensor: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ("_orig", "_u", "_v")

    @property
    def original(self) -> torch.Tensor:
        """The weight before the division."""
        return self.stored[0]

    @property
    def stored(self) -> tuple[torch.Tensor, ...]:
        """All that is stored for the weight and can be trained."""
        return _stored(self)[:1]

    @property
    def _u(self) -> torch.Tensor:
        return _stored(self)[1]

    @property
    def _v(self) -> torch.Tensor:
        return _stored(self)[2]

    def _reshape_weight_to_matrix(self, weight: torch.Tensor) -> torch.Tensor:
        return self.hook.reshape_weight_to_matrix(weight)

    def right_inverse(self, value: torch.Tensor) -> None:
        """Store a weight; whoever calls this makes the estimate fit, as for a parametrization."""
        self.original.copy_(value)

    def __call__(self) -> torch.Tensor:
        """The weight as the next forward pass in eval mode computes it."""
        return self.hook.compute_weight(self.owner, do_power_iteration=False)

    def __iter__(self) -> Iterator[SpectralNormHook]:
        yield self

    def __deepcopy__(self, memo: dict[int, Any]) -> SpectralNormHook:
        return SpectralNormHook(_stand_in(self), self.hook)


Hook: TypeAlias = "WeightNormHook | SpectralNormHook"


def hooks_of(module: nn.Module) -> dict[str, Hook]:
    """The weights of a module that stand under an old hook, by local name."""
    found: dict[str, Hook] = {}
    for hook in module._forward_pre_hooks.values():
        one = _faced(module, hook)
        if one is not None and all(_tensor(module, one.hook.name + suffix) is not None for suffix in one.names):
            found[one.hook.name] = one
    return found


def _faced(module: nn.Module, hook: Any) -> Hook | None:
    if isinstance(hook, WeightNorm):
        return WeightNormHook(module, hook)
    return SpectralNormHook(module, hook) if isinstance(hook, SpectralNorm) else None


def show_(one: Hook, weight: torch.Tensor) -> None:
    """Put a weight where forward passes read it, for those who look before the next one."""
    setattr(one.owner, one.hook.name, weight)


def stored_names(module: nn.Module) -> frozenset[str]:
    """The local names under which old hooks store their weights, buffers included."""
    return frozenset(name + suffix for name, one in hooks_of(module).items() for suffix in one.names)


def unhook_(module: nn.Module) -> None:
    """Make the weights under old hooks plain parameters again; their values are not kept."""
    for name, one in hooks_of(module).items():
        plain = torch.empty_like(one.original)
        for suffix in one.names:
            delattr(module, name + suffix)
        delattr(module, name)
        module.register_parameter(name, nn.Parameter(plain))
    kept = {key: hook for key, hook in module._forward_pre_hooks.items() if _faced(module, hook) is None}
    module._forward_pre_hooks.clear()
    module._forward_pre_hooks.update(kept)


def computed(module: nn.Module) -> Iterator[torch.Tensor]:
    """The attributes that old hooks have computed: no parameters, and some cannot be copied."""
    for name in hooks_of(module):
        value = module.__dict__.get(name)
        if isinstance(value, torch.Tensor):
            yield value


def _tensor(module: nn.Module, name: str) -> torch.Tensor | None:
    parameter = module._parameters.get(name)
    return module._buffers.get(name) if parameter is None else parameter


def _stored(one: Hook) -> tuple[torch.Tensor, ...]:
    found = (_tensor(one.owner, one.hook.name + suffix) for suffix in one.names)
    return tuple(tensor for tensor in found if tensor is not None)


def _stand_in(one: Hook) -> nn.Module:
    """A module with copies of what the hook stores and nothing else."""
    made = nn.Module()
    for suffix, tensor in zip(one.names, _stored(one), strict=True):
        made.register_buffer(one.hook.name + suffix, tensor.detach().clone())
    return made
