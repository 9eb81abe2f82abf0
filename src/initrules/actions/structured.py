"""Actions that write a fixed pattern or a pattern with random places: identities and sparse matrices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from initrules.actions.base import Action, Draw, Moments, number
from initrules.actions.drawn import not_drawable
from initrules.fans import Target

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye(Action):
    """Set a matrix to the identity: ones on the diagonal, zeros elsewhere.

    Shape: 2-D. Source: ``torch.nn.init.eye_``.
    """

    name: ClassVar[str] = "eye"

    def problem(self, target: Target) -> str | None:
        """The parameter must be a matrix."""
        return None if len(target.shape) == 2 else f"eye needs 2 dimensions, this parameter has {len(target.shape)}"

    def moments(self, target: Target) -> Moments:
        """Of n diagonal ones among all entries."""
        return _of_ones(min(target.shape), target.numel)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Write the diagonal."""
        del target, draw
        tensor.zero_().fill_diagonal_(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirac(Action):
    """Make a convolution pass its input on: a one in the middle of the kernel for each channel.

    In a grouped convolution each group passes its own channels on.
    Shape: (out, in / groups, *kernel), 3-D to 5-D. Source: ``torch.nn.init.dirac_``; Zagoruyko & Komodakis 2017.
    """

    name: ClassVar[str] = "dirac"

    def problem(self, target: Target) -> str | None:
        """The parameter must be a convolution's kernel."""
        if not 3 <= len(target.shape) <= 5:
            return f"dirac needs 3 to 5 dimensions, this parameter has {len(target.shape)}"
        groups = self._groups(target)
        return (
            f"dimension 0 ({target.shape[0]}) is not divisible by {groups} groups" if target.shape[0] % groups else None
        )

    def _groups(self, target: Target) -> int:
        groups = target.owner.attributes.get("groups", 1) if target.layout == "role" else 1
        return groups if isinstance(groups, int) else 1

    def moments(self, target: Target) -> Moments:
        """Of one entry for each channel that is passed on."""
        groups = self._groups(target)
        return _of_ones(groups * min(target.shape[0] // groups, target.shape[1]), target.numel)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Write the ones."""
        del draw
        groups = self._groups(target)
        each = target.shape[0] // groups
        middle = tuple(size // 2 for size in target.shape[2:])
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(each, target.shape[1])):
                tensor[(group * each + channel, channel, *middle)] = 1


def _of_ones(ones: int, entries: int) -> Moments:
    share = ones / max(1, entries)
    return Moments(share, math.sqrt(share * (1 - share)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaOrthogonal(Action):
    """Make a convolution orthogonal: an orthogonal matrix times ``gain`` in the middle of the kernel.

    Shape: (out, in, *kernel), 3-D to 5-D, with in ≤ out. Units: ``gain`` is the singular value.
    Source: Xiao et al. 2018, algorithm 1.
    """

    name: ClassVar[str] = "delta_orthogonal"

    gain: float = number("the singular values", 1.0)

    def problem(self, target: Target) -> str | None:
        """The parameter must be a kernel that does not narrow."""
        if not 3 <= len(target.shape) <= 5:
            return f"delta_orthogonal needs 3 to 5 dimensions, this parameter has {len(target.shape)}"
        if target.shape[1] > target.shape[0]:
            outputs, inputs = target.shape[:2]
            return f"delta_orthogonal needs at least as many outputs as inputs, not {outputs} and {inputs}"
        return not_drawable(target)

    def moments(self, target: Target) -> Moments:
        """Mean 0; each of the columns has norm ``gain``."""
        return Moments(0.0, abs(self.gain) * math.sqrt(target.shape[1] / max(1, target.numel)))

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw the middle, clear the rest."""
        middle = tuple(size // 2 for size in target.shape[2:])
        matrix = tensor.new_empty(target.shape[:2])
        draw.orthogonal_(matrix, self.gain)
        tensor.zero_()
        centre: Any = (slice(None), slice(None), *middle)
        tensor[centre] = matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse(Action):
    """Draw every entry from N(0, std²), then clear a share ``sparsity`` of each column.

    Shape: 2-D; column = dimension 1. Units: ``sparsity`` is a share, 0 to 1.
    Source: Martens 2010; ``torch.nn.init.sparse_``.
    """

    name: ClassVar[str] = "sparse"

    sparsity: float = number("the share of zeros in each column", minimum=0)
    std: float = number("standard deviation of the others", 0.01, minimum=0)

    def problem(self, target: Target) -> str | None:
        """The parameter must be a matrix, the share at most 1."""
        if len(target.shape) != 2:
            return f"sparse needs 2 dimensions, this parameter has {len(target.shape)}"
        if self.sparsity > 1:
            return f"sparsity is a share of each column, at most 1, not {self.sparsity:g}"
        return not_drawable(target)

    def moments(self, target: Target) -> Moments:
        """Mean 0; the zeros count."""
        rows = target.shape[0]
        kept = 1 - math.ceil(self.sparsity * rows) / max(1, rows)
        return Moments(0.0, self.std * math.sqrt(kept))

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw, then clear."""
        rows, columns = target.shape
        zeros = math.ceil(self.sparsity * rows)
        draw.normal_(tensor, 0.0, self.std)
        for column in range(columns):
            tensor[draw.at(str(column)).permutation(rows)[:zeros], column] = 0
