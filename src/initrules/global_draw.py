"""``stream: global``: torch's own generator and ``torch.nn.init``, for the same bits as hand-written code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from initrules import torch_formula
from initrules.draw import Elsewhere, in_double
from initrules.errors import ApplyError
from initrules.expression import Expression
from initrules.resetting import reset_copy


class GlobalDraw:
    """Draws from torch's default generator, in the parameter's own dtype and on its device.

    ``copies``: scratch copies of modules that were reset, so that one reset serves all parameters
    of a module, as it does in hand-written code.
    """

    def __init__(self, owner: nn.Module, local: str, elsewhere: Elsewhere, copies: dict[int, nn.Module]) -> None:
        self._owner = owner
        self._local = local
        self._elsewhere = elsewhere
        self._copies = copies

    def at(self, slot: str) -> GlobalDraw:
        """The same generator serves every slot."""
        del slot
        return self

    def constant_(self, tensor: torch.Tensor, value: float) -> None:
        """As ``torch.nn.init.constant_``."""
        tensor.fill_(value)

    def uniform_(self, tensor: torch.Tensor, low: float, high: float) -> None:
        """As ``torch.nn.init.uniform_``."""
        tensor.uniform_(low, high)

    def normal_(self, tensor: torch.Tensor, mean: float, std: float) -> None:
        """As ``torch.nn.init.normal_``."""
        tensor.normal_(mean, std)

    def trunc_normal_(
        self, tensor: torch.Tensor, mean: float, std: float, low: float, high: float, *, inverse: bool = False
    ) -> None:
        """As ``torch.nn.init.trunc_normal_``, or by the inverse of the distribution as timm does."""
        if not inverse:
            nn.init.trunc_normal_(tensor, mean, std, low, high)
            return
        below, above = ((1 + math.erf((side - mean) / std / math.sqrt(2))) / 2 for side in (low, high))
        tensor.uniform_(2 * below - 1, 2 * above - 1).erfinv_()
        tensor.mul_(std * math.sqrt(2)).add_(mean).clamp_(low, high)

    def orthogonal_(self, tensor: torch.Tensor, gain: float) -> None:
        """As ``torch.nn.init.orthogonal_``."""
        nn.init.orthogonal_(tensor, gain)

    def permutation(self, size: int) -> torch.Tensor:
        """As ``torch.randperm``."""
        return torch.randperm(size)

    def reset_(self, tensor: torch.Tensor) -> None:
        """Take the value from the owner's own reset, which runs once for all its parameters."""
        if id(self._owner) not in self._copies:
            self._copies[id(self._owner)] = reset_copy(self._owner)
        found: Any = getattr(self._copies[id(self._owner)], self._local).detach()
        if found.isnan().any():
            raise ApplyError(f"the reset method of {type(self._owner).__name__} does not give it a value")
        tensor.copy_(found)

    def parameter(self, path: str) -> torch.Tensor:
        """The value of another parameter, or of a part."""
        return self._elsewhere.parameter(path)

    def remember(self, name: str, tensor: torch.Tensor) -> None:
        """Keep a part for formulas that name it."""
        self._elsewhere.parts[name] = tensor

    def computed(
        self, expression: Expression, tensor: torch.Tensor, tensors: Mapping[str, torch.Tensor], *, changes: bool
    ) -> torch.Tensor:
        """What transforms is done with torch's own operations in the parameter's dtype; tables are not."""
        if not changes:
            return in_double(expression, tensor, tensors, changes=False)
        return torch_formula.compute(expression, tensor, tensors)

    def stored(self, source: str, name: str) -> torch.Tensor:
        """A tensor of a checkpoint."""
        return self._elsewhere.stored(source, name)
