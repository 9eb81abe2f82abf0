"""Actions that draw every entry by itself, from a distribution with given numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from initrules.actions import law
from initrules.actions.base import Action, Draw, Moments, choice, flag, number
from initrules.actions.law import Law
from initrules.fans import Target
from initrules.precision import is_floating, largest

if TYPE_CHECKING:
    import torch


def not_drawable(target: Target) -> str | None:
    """Why random values do not fit this dtype, or None."""
    if is_floating(target.dtype):
        return None
    return f"random values do not fit {target.dtype}"


def too_large(target: Target, reach: float) -> str | None:
    """Why values of this size do not fit the dtype, or None."""
    most = largest(target.dtype)
    if most is None or reach <= most:
        return None
    return f"values up to {reach:.4g} do not fit {target.dtype}, whose largest value is {most:.4g}"


_REACH = 6  # σ: one draw of a normal in half a billion lies beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform(Action):
    """Draw every entry from U(low, high), or from U(-bound, bound).

    Shape: any. Units: those of the entries. Source: ``torch.nn.init.uniform_``.
    """

    name: ClassVar[str] = "uniform"
    entrywise: ClassVar[bool] = True
    together: ClassVar[tuple[tuple[str, ...], ...]] = (("low", "high"), ("bound",))

    low: float | None = number("least value", None)
    high: float | None = number("largest value", None)
    bound: float | None = number("largest absolute value", None, minimum=0)

    @property
    def limits(self) -> tuple[float, float]:
        """(low, high)."""
        if self.bound is not None:
            return -self.bound, self.bound
        return self.low or 0.0, self.high or 0.0

    def problem(self, target: Target) -> str | None:
        """The limits must be in order, the dtype must hold them."""
        low, high = self.limits
        if low > high:
            return f"low {low:g} is above high {high:g}"
        return not_drawable(target) or too_large(target, max(abs(low), abs(high), (high - low) / 2))

    def moments(self, target: Target) -> Moments:
        """Mean (low + high) / 2, std (high - low) / √12."""
        del target
        low, high = self.limits
        return Moments((low + high) / 2, (high - low) / math.sqrt(12))

    def law(self, target: Target) -> Law:
        """U(low, high)."""
        del target
        return law.uniform(*self.limits)

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw into ``tensor``."""
        del target
        draw.uniform_(tensor, *self.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal(Action):
    """Draw every entry from N(mean, std²).

    Shape: any. Units: ``std`` is a standard deviation. Source: ``torch.nn.init.normal_``.
    """

    name: ClassVar[str] = "normal"
    entrywise: ClassVar[bool] = True

    mean: float = number("centre of the distribution", 0.0)
    std: float = number("standard deviation", minimum=0)

    def problem(self, target: Target) -> str | None:
        """The dtype must hold the values."""
        return not_drawable(target) or too_large(target, abs(self.mean) + _REACH * self.std)

    def moments(self, target: Target) -> Moments:
        """Mean ``mean``, std ``std``."""
        del target
        return Moments(self.mean, self.std)

    def law(self, target: Target) -> Law:
        """N(mean, std²)."""
        del target
        return law.normal(self.mean, self.std)

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw into ``tensor``."""
        del target
        draw.normal_(tensor, self.mean, self.std)


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _mass(low: float, high: float) -> float:
    """How much of N(0, 1) lies in [low, high]; above 0 by symmetry, where the cdf has no digits left."""
    return _cdf(-low) - _cdf(-high) if low > 0 else _cdf(high) - _cdf(low)


def cut_moments(low: float, high: float) -> Moments:
    """Mean and std of N(0, 1) cut to [low, high].

    Source: Johnson, Kotz & Balakrishnan 1994, vol. 1, sec. 10.1 (doubly truncated normal).
    """
    width, middle = high - low, (low + high) / 2
    if width * max(1.0, abs(low), abs(high)) < 3e-3:  # nearly uniform, and the formula below loses its digits
        return Moments(middle * (1 - width**2 / 12), width / math.sqrt(12))
    mass = _mass(low, high)
    mean = (_density(low) - _density(high)) / mass
    edges = (low * _density(low) - high * _density(high)) / mass
    return Moments(mean, math.sqrt(max(0.0, 1 + edges - mean**2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TruncNormal(Action):
    """Draw every entry from N(mean, std²), cut off beyond ``cut`` standard deviations.

    ``low`` and ``high`` cut at absolute values instead, as ``torch.nn.init.trunc_normal_`` does.
    With ``correct`` σ is widened so that what remains has the standard deviation ``std``; ``cut``
    then counts the widened σ.
    Shape: any. Units: ``cut`` in σ. Source: inverse of the normal distribution function.
    """

    name: ClassVar[str] = "trunc_normal"
    entrywise: ClassVar[bool] = True
    excluding: ClassVar[tuple[tuple[str, ...], tuple[str, ...]]] = (("cut", "correct"), ("low", "high"))

    mean: float = number("centre before the cut", 0.0)
    std: float = number("standard deviation before the cut", above=0)
    cut: float | None = number("where to cut, in σ; 2 unless low and high are given", None, above=0)
    low: float | None = number("least value", None)
    high: float | None = number("largest value", None)
    method: str = choice("how stream: global draws: as torch, or as timm does", "rejection", "rejection", "inverse")
    correct: bool = flag("widen σ so that the result has std", default=False)

    @property
    def spread(self) -> float:
        """The σ that is drawn with."""
        return self.std / cut_moments(-self._cut, self._cut).std if self.correct else self.std

    @property
    def _cut(self) -> float:
        return 2.0 if self.cut is None else self.cut

    @property
    def limits(self) -> tuple[float, float]:
        """(low, high) in units of the entries."""
        if self.low is None and self.high is None:
            return self.mean - self._cut * self.spread, self.mean + self._cut * self.spread
        return (
            -math.inf if self.low is None else self.low,
            math.inf if self.high is None else self.high,
        )

    def problem(self, target: Target) -> str | None:
        """Something must remain after the cut, the dtype must be floating."""
        low, high = self.limits
        if low >= high:
            return f"low {low:g} is not below high {high:g}"
        if _mass((low - self.mean) / self.spread, (high - self.mean) / self.spread) < 1e-12:
            return f"nothing of N({self.mean:g}, {self.std:g}²) lies between {low:g} and {high:g}"
        reach = min(max(abs(low), abs(high)), abs(self.mean) + _REACH * self.spread)
        return not_drawable(target) or too_large(target, reach)

    def moments(self, target: Target) -> Moments:
        """Mean and std of what remains after the cut."""
        del target
        low, high = self.limits
        unit = cut_moments(max(-40.0, (low - self.mean) / self.spread), min(40.0, (high - self.mean) / self.spread))
        return Moments(self.mean + self.spread * unit.mean, self.spread * unit.std)

    def law(self, target: Target) -> Law:
        """What remains after the cut."""
        del target
        return law.cut_normal(self.mean, self.spread, *self.limits)

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw into ``tensor``."""
        del target
        draw.trunc_normal_(tensor, self.mean, self.spread, *self.limits, inverse=self.method == "inverse")
