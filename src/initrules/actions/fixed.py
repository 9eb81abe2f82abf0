"""Actions that draw nothing: constants, and leaving alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from initrules.actions.base import Action, Draw, Moments, number
from initrules.fans import Target
from initrules.precision import integer_limits, largest

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros(Action):
    """Set every entry to 0.

    Shape: any. Source: ``torch.nn.init.zeros_``.
    """

    name: ClassVar[str] = "zeros"
    entrywise: ClassVar[bool] = True

    def moments(self, target: Target) -> Moments:
        """Mean 0, std 0."""
        del target
        return Moments(0.0, 0.0)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Fill with 0."""
        del target
        draw.constant_(tensor, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ones(Action):
    """Set every entry to 1.

    Shape: any. Source: ``torch.nn.init.ones_``.
    """

    name: ClassVar[str] = "ones"
    entrywise: ClassVar[bool] = True

    def moments(self, target: Target) -> Moments:
        """Mean 1, std 0."""
        del target
        return Moments(1.0, 0.0)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Fill with 1."""
        del target
        draw.constant_(tensor, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Action):
    """Set every entry to ``value``; a bare number or expression means the same.

    Shape: any. Source: ``torch.nn.init.constant_``.
    """

    name: ClassVar[str] = "constant"
    direct: ClassVar[str | None] = "value"
    entrywise: ClassVar[bool] = True

    value: float = number("what every entry becomes")

    def problem(self, target: Target) -> str | None:
        """The dtype must hold the value."""
        limits = integer_limits(target.dtype)
        if limits and not (self.value == int(self.value) and limits[0] <= self.value <= limits[1]):
            return f"{self.value:g} does not fit {target.dtype}"
        most = largest(target.dtype)
        if most is not None and abs(self.value) > most:
            return f"{self.value:g} does not fit {target.dtype}, whose largest value is {most:.4g}"
        return None

    def moments(self, target: Target) -> Moments:
        """Mean ``value``, std 0."""
        del target
        return Moments(float(self.value), 0.0)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Fill with ``value``."""
        del target
        draw.constant_(tensor, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep(Action):
    """Leave the value that is there: it wins, loses and locks like any other value.

    Shape: any.
    """

    name: ClassVar[str] = "keep"
    explicit: ClassVar[bool] = True

    def keeps(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Write nothing."""
        del tensor, target, draw
