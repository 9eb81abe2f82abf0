"""Options of ``optimize``: what the optimizer is told about a parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from initrules.actions.base import Option, flag, number


@dataclass(frozen=True, slots=True, kw_only=True)
class LrScale(Option):
    """Multiply the learning rate of this parameter. Units: 1 leaves it as it is."""

    name: ClassVar[str] = "lr_scale"

    value: float = number("multiplies the learning rate", minimum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDecay(Option):
    """Set the weight decay of this parameter, in the optimizer's own units."""

    name: ClassVar[str] = "weight_decay"

    value: float = number("the weight decay", minimum=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze(Option):
    """Leave the parameter out of ``param_groups``; ``requires_grad`` is not touched."""

    name: ClassVar[str] = "freeze"

    value: bool = flag("leave it out", default=True)
