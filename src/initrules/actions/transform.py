"""Actions that change the value that a fill, or ``keep``, gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from initrules.actions.base import Action, Draw, Moments, choice, integer, number
from initrules.actions.law import Law
from initrules.errors import ApplyError
from initrules.fans import Target

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Action):
    """Multiply every entry by a factor.

    Shape: any. Units: a factor on the std.
    """

    name: ClassVar[str] = "scale"
    direct: ClassVar[str | None] = "factor"
    transforms: ClassVar[bool] = True

    factor: float = number("multiplies every entry")

    def transformed(self, moments: Moments) -> Moments:
        """Both moments grow by the factor."""
        return Moments(moments.mean * self.factor, moments.std * abs(self.factor))

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def transformed_law(self, law: Law) -> Law:
        """The law grows by the factor."""
        return law.scaled(self.factor)

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Multiply in place."""
        del target, draw
        tensor.mul_(self.factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalize(Action):
    """Scale so that the standard deviation or the norm is the one given.

    ``per: row`` does so for each slice of dimension 0 by itself, such as the filters of a convolution.
    Shape: any. Units: ``std`` divides by n - 1, ``norm`` is the Euclidean one.
    Source: e.g. the filter-wise normalisation of Cobbe et al. 2021 (PPG).
    """

    name: ClassVar[str] = "normalize"
    transforms: ClassVar[bool] = True
    together: ClassVar[tuple[tuple[str, ...], ...]] = (("std",), ("norm",))

    std: float | None = number("the wanted standard deviation", None, minimum=0)
    norm: float | None = number("the wanted Euclidean norm", None, minimum=0)
    per: str = choice("the whole tensor, or each slice of dimension 0", "tensor", "tensor", "row")

    def problem(self, target: Target) -> str | None:
        """A spread needs two entries, a row a dimension."""
        if self.per == "row" and not target.shape:
            return "a scalar has no rows to normalize"
        entries = target.numel // max(1, target.shape[0]) if self.per == "row" else target.numel
        if self.std is not None and entries < 2:
            return "a single entry has no standard deviation"
        return None

    def transformed(self, moments: Moments) -> Moments | None:
        """The std that is asked for; the mean stays near zero only if it was."""
        return Moments(0.0, self.std) if self.std is not None and moments.mean == 0 else None

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Multiply in place. Raises ``ApplyError`` when there is nothing to scale."""
        del target, draw
        dims = tuple(range(1 if self.per == "row" else 0, tensor.ndim))
        if self.std is not None:
            size, wanted = tensor.std(dim=dims, keepdim=True), self.std
        else:
            size, wanted = tensor.norm(p=2, dim=dims, keepdim=True), self.norm or 0.0
        if bool((size == 0).any()):
            hint = "Normalize something that was drawn, or leave it out."
            raise ApplyError("what is to be normalized is zero", hint=hint)
        tensor.mul_(wanted / size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Action):
    """Repeat each slice of dimension 0 ``times`` times; what stands before it fills the first 1/times.

    With ``times: next.upscale_factor**2`` a convolution before a pixel shuffle starts without
    checkerboard artefacts.
    Shape: dimension 0 divisible by ``times``. Source: Aitken et al. 2017 (ICNR).
    """

    name: ClassVar[str] = "repeat"
    transforms: ClassVar[bool] = True

    times: int = integer("how often each slice stands", minimum=1)

    def problem(self, target: Target) -> str | None:
        """Dimension 0 must be divisible."""
        if not target.shape or target.shape[0] % self.times:
            size = target.shape[0] if target.shape else "no dimension 0"
            return f"repeat needs a dimension 0 divisible by {self.times}, this parameter has {size}"
        return None

    def transformed(self, moments: Moments) -> Moments:
        """Repetition changes neither moment."""
        return moments

    def before(self, target: Target) -> Target:
        """What the actions before it fill: the first 1/times of dimension 0."""
        return target.slice(0, 0, target.shape[0] // self.times)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def transformed_law(self, law: Law) -> Law:
        """Each entry by itself is distributed as before."""
        return law

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Spread the first slices over the whole."""
        del draw
        small = tensor[: target.shape[0] // self.times].clone()
        tensor.copy_(small.repeat_interleave(self.times, dim=0))
