"""Actions whose spread comes from the fans of the weight."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from initrules.actions import law
from initrules.actions.base import Action, Draw, Moments, choice, number
from initrules.actions.drawn import TruncNormal, not_drawable, too_large
from initrules.actions.law import Law
from initrules.evaluation import Missing
from initrules.fans import Fans, Target
from initrules.gains import recommended_gain

if TYPE_CHECKING:
    import torch

_MODES = ("fan_in", "fan_out", "fan_avg")
# Recommended gains exist for these; the others are spelled as ``gain``.
_NONLINEARITIES = ("leaky_relu", "relu", "linear", "sigmoid", "tanh", "selu")


@dataclass(frozen=True, slots=True, kw_only=True)
class FanScaled(Action):
    """What the actions here share: a std from a fan, a shape of distribution, three arguments."""

    entrywise: ClassVar[bool] = True

    fan: float | None = number("use this number as the fan", None, above=0)
    layout: str | None = choice("fans by module role, or as torch reads the shape", None, "role", "torch")
    parts: str | None = choice("packed weights part by part, or as one", None, "each", "whole")

    @abstractmethod
    def std(self, target: Target) -> float:
        """The standard deviation for this weight."""

    @abstractmethod
    def shape(self) -> str:
        """``normal``, ``uniform`` or ``truncated_normal``."""

    def splits(self, target: Target) -> bool:
        """The fans are those of one part of a packed weight, unless ``parts: whole``."""
        return bool(target.parts) and (target.split if self.parts is None else self.parts == "each")

    def fans(self, target: Target) -> Fans | Missing | None:
        """By role or as torch reads the shape, of a part or of the whole."""
        return target.fans(self.layout, self.parts) if self.fan is None else None

    def chosen_fan(self, target: Target, mode: str) -> float:
        """The number that the variance is divided by; at least 1, so that empty weights pass."""
        if self.fan is not None:
            return self.fan
        fans = target.fans(self.layout, self.parts)
        if isinstance(fans, Missing):
            raise TypeError(fans.reason)  # problem() reports it before anything is computed
        average = (fans.fan_in + fans.fan_out) / 2
        return max(1, {"fan_in": fans.fan_in, "fan_out": fans.fan_out, "fan_avg": average}[mode])

    def problem(self, target: Target) -> str | None:
        """The parameter must have fans and a floating dtype."""
        fans = target.fans(self.layout, self.parts)
        if self.fan is None and isinstance(fans, Missing):
            return fans.reason
        return not_drawable(target) or too_large(target, math.sqrt(3) * self.std(target))

    def moments(self, target: Target) -> Moments:
        """Mean 0 and the std."""
        return Moments(0.0, self.std(target))

    def law(self, target: Target) -> Law:
        """By the shape of the distribution."""
        std = self.std(target)
        if self.shape() == "uniform":
            return law.uniform(-math.sqrt(3) * std, math.sqrt(3) * std)
        if self.shape() == "truncated_normal" and std > 0:
            return TruncNormal(std=std, correct=True).law(target)
        return law.normal(0.0, std)

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Draw into ``tensor``."""
        std = self.std(target)
        if self.shape() == "uniform":
            draw.uniform_(tensor, -math.sqrt(3) * std, math.sqrt(3) * std)
        elif self.shape() == "truncated_normal" and std > 0:
            wide = TruncNormal(std=std, correct=True)
            draw.trunc_normal_(tensor, 0.0, wide.spread, *wide.limits, inverse=False)
        else:
            draw.normal_(tensor, 0.0, std)


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceScaling(FanScaled):
    """Draw every entry with variance scale / fan.

    ``truncated_normal`` is cut at ±2σ and widened so that the variance is kept.
    Shape: any tensor with fans, e.g. ``Linear.weight`` (out_features, in_features).
    Units: ``scale`` multiplies the variance, a gain the std: ``scale = gain**2``.
    Source: He et al. 2015, eq. 10 (``scale=2, mode="fan_in"``).
    """

    name: ClassVar[str] = "variance_scaling"

    scale: float = number("multiplies the variance", 1.0, minimum=0)
    mode: str = choice("the fan to divide by", "fan_in", *_MODES)
    distribution: str = choice("shape of the distribution", "normal", "normal", "uniform", "truncated_normal")

    def std(self, target: Target) -> float:
        """√(scale / fan)."""
        return math.sqrt(self.scale / self.chosen_fan(target, self.mode))

    def shape(self) -> str:
        """As asked for."""
        return self.distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Xavier(FanScaled):
    """The spread that the two Xavier actions share."""

    gain: float = number("multiplies the std", 1.0, minimum=0)

    def std(self, target: Target) -> float:
        """Gain · √(2 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(2 / (2 * self.chosen_fan(target, "fan_avg")))  # rounds as torch.nn.init does


@dataclass(frozen=True, slots=True, kw_only=True)
class XavierNormal(Xavier):
    """Draw every entry from N(0, gain² · 2 / (fan_in + fan_out)).

    Shape: any tensor with fans. Units: ``gain`` multiplies the std; ``fan`` replaces the average.
    Source: Glorot & Bengio 2010, eq. 12.
    """

    name: ClassVar[str] = "xavier_normal"

    def shape(self) -> str:
        """Normal."""
        return "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class XavierUniform(Xavier):
    """Draw every entry from U(-b, b), b = gain · √(6 / (fan_in + fan_out)).

    Shape: any tensor with fans. Units: ``gain`` multiplies the std; ``fan`` replaces the average.
    Source: Glorot & Bengio 2010, eq. 16.
    """

    name: ClassVar[str] = "xavier_uniform"

    def shape(self) -> str:
        """Uniform."""
        return "uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kaiming(FanScaled):
    """The spread that the two Kaiming actions share."""

    a: float = number("negative slope of a leaky ReLU", 0.0)
    mode: str = choice("the fan to divide by", "fan_in", *_MODES)
    nonlinearity: str = choice("the activation that follows", "leaky_relu", *_NONLINEARITIES)

    def std(self, target: Target) -> float:
        """Gain / √fan."""
        gain = recommended_gain(self.nonlinearity, self.a)
        return gain / math.sqrt(self.chosen_fan(target, self.mode))


@dataclass(frozen=True, slots=True, kw_only=True)
class KaimingNormal(Kaiming):
    """Draw every entry from N(0, gain² / fan).

    The gain belongs to the activation: √2 for ReLU, √(2 / (1 + a²)) for a leaky ReLU of slope ``a``.
    Shape: any tensor with fans. Source: He et al. 2015, eqs. 10 and 14.
    """

    name: ClassVar[str] = "kaiming_normal"

    def shape(self) -> str:
        """Normal."""
        return "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class KaimingUniform(Kaiming):
    """Draw every entry from U(-b, b), b = gain · √(3 / fan).

    The gain belongs to the activation: √2 for ReLU, √(2 / (1 + a²)) for a leaky ReLU of slope ``a``.
    Shape: any tensor with fans. Source: He et al. 2015, eqs. 10 and 14.
    """

    name: ClassVar[str] = "kaiming_uniform"

    def shape(self) -> str:
        """Uniform."""
        return "uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lecun(FanScaled):
    """The spread that the two LeCun actions share."""

    def std(self, target: Target) -> float:
        """√(1 / fan_in)."""
        return 1 / math.sqrt(self.chosen_fan(target, "fan_in"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LecunNormal(Lecun):
    """Draw every entry from N(0, 1 / fan_in): the plain normal, not a truncated one.

    Shape: any tensor with fans. Source: LeCun et al. 1998, sec. 4.6; Klambauer et al. 2017.
    """

    name: ClassVar[str] = "lecun_normal"

    def shape(self) -> str:
        """Normal."""
        return "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class LecunUniform(Lecun):
    """Draw every entry from U(-b, b), b = √(3 / fan_in).

    Shape: any tensor with fans. Source: LeCun et al. 1998, sec. 4.6.
    """

    name: ClassVar[str] = "lecun_uniform"

    def shape(self) -> str:
        """Uniform."""
        return "uniform"
