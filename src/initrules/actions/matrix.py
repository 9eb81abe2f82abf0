"""Actions that make a whole matrix at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from initrules.actions.base import Action, Draw, Moments, choice, number
from initrules.actions.drawn import not_drawable, too_large
from initrules.fans import Target

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthogonal(Action):
    """Fill with a Haar-distributed (semi-)orthogonal matrix times ``gain``.

    All singular values are ``gain``. Trailing dimensions are flattened into columns.
    Shape: (rows, *columns), at least 2-D; packed weights get one matrix for each part.
    Units: ``gain`` is the singular value. Source: Saxe et al. 2014, sec. 3; Stewart 1980.
    """

    name: ClassVar[str] = "orthogonal"

    gain: float = number("the singular values", 1.0)
    parts: str | None = choice("packed weights part by part, or as one", None, "each", "whole")

    def splits(self, target: Target) -> bool:
        """Each part of a packed weight gets a matrix of its own, unless ``parts: whole``."""
        return bool(target.parts) and (target.split if self.parts is None else self.parts == "each")

    def problem(self, target: Target) -> str | None:
        """The parameter must be a matrix."""
        if len(target.shape) < 2:
            return f"orthogonal needs at least 2 dimensions, this parameter has {len(target.shape)}"
        return not_drawable(target) or too_large(target, abs(self.gain))

    def moments(self, target: Target) -> Moments:
        """Mean 0, std gain / √(the larger side): each entry's share of unit rows or columns."""
        shape = target.part_shape if self.splits(target) else target.shape
        return Moments(0.0, abs(self.gain) / math.sqrt(max(shape[0], math.prod(shape[1:]), 1)))

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw into ``tensor``, part by part if it is packed."""
        if not tensor.numel():
            return
        if not self.splits(target):
            draw.orthogonal_(tensor, self.gain)
            return
        for part in target.parts:
            draw.orthogonal_(tensor.narrow(part.dim, part.start, part.stop - part.start), self.gain)
