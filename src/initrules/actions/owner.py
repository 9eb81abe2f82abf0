"""Actions that ask the module that owns the parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from initrules import expression
from initrules.actions.base import Action, Draw, Moments, function_of_x, number
from initrules.errors import ExpressionError
from initrules.evaluation import Scope, evaluate
from initrules.expression import FUNCTIONS, Expression
from initrules.fans import Target
from initrules.source import Span

if TYPE_CHECKING:
    import torch

_LARGEST = 1e6  # a bias beyond this is no starting point for training


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Action):
    """Write what the owner's ``reset_parameters`` (or ``_reset_parameters``) writes here.

    The method runs on a scratch copy of the owner, under the parameter's own key, so that the
    other parameters of the owner keep their values.
    Shape: any. Source: the module's own class.
    """

    name: ClassVar[str] = "reset"

    def problem(self, target: Target) -> str | None:
        """The owner's class must have a reset method."""
        if target.resets is None:
            return "the module that owns it has no 'reset_parameters' method"
        return None

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Reset a copy and take this parameter from it."""
        del target
        draw.reset_(tensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Action):
    """Set the bias for which the output is ``value`` after ``through``.

    ``through`` is a monotone expression of ``x``, such as ``-softplus(x)``, or the name of a function
    (``sigmoid``, ``tanh``, ``softplus``, ``exp``); it is inverted numerically. The output is ``value``
    exactly when the weight of the layer is zero.
    Shape: a bias. Units: ``value`` is in units of the output. Source: bisection, to 1e-12 relative.
    """

    name: ClassVar[str] = "output"

    value: float = number("the wanted output")
    through: str = function_of_x("what follows the layer, as an expression of x", "x")

    def problem(self, target: Target) -> str | None:
        """The value must be within the range of ``through``."""
        if len(target.shape) != 1:
            return f"output sets a bias, a parameter with 1 dimension; this one has {len(target.shape)}"
        try:
            self.bias()
        except ExpressionError as error:
            return error.message
        return None

    def moments(self, target: Target) -> Moments:
        """Mean = the bias, std 0."""
        del target
        return Moments(self.bias(), 0.0)

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Fill with the bias."""
        del target, draw
        tensor.fill_(self.bias())

    def bias(self) -> float:
        """The x with through(x) = value. Raises ``ExpressionError`` when there is none."""
        return inverse(transform(self.through), self.value, self.through)


def transform(through: str) -> Callable[[float], float]:
    """The function of x that ``through`` names or spells out."""
    text = f"{through}(x)" if through in FUNCTIONS else "x" if through == "identity" else through
    parsed = expression.parse(text, Span("through", 1, 1))
    return lambda x: _real(parsed, x)


def _real(parsed: Expression, x: float) -> float:
    value = evaluate(parsed, Scope(values={"x": x}))
    return value if isinstance(value, int | float) else math.nan


def inverse(function: Callable[[float], float], value: float, text: str) -> float:
    """The x in ±1e6 with function(x) = value, by bisection of a monotone function."""

    def at(x: float) -> float | None:
        try:
            return function(x) - value
        except ExpressionError:
            return None

    points = [p for p in ((x, at(x)) for x in _grid()) if p[1] is not None]
    rising = [b[1] >= a[1] for a, b in pairwise(points) if a[1] != b[1]]  # type: ignore[operator]
    if rising and any(rising) and not all(rising):
        raise ExpressionError(f"'{text}' rises and falls, so that it has no single inverse")
    for (low, below), (high, above) in pairwise(points):
        if below == 0:
            return low
        if below * above < 0:  # type: ignore[operator]
            return _bisect(at, low, high, below)  # type: ignore[arg-type]
    if points and points[-1][1] == 0:
        return points[-1][0]
    reached = sorted(p[1] + value for p in points)  # type: ignore[operator]
    span = f"between {reached[0]:.4g} and {reached[-1]:.4g}" if reached else "not defined anywhere"
    raise ExpressionError(f"no bias gives the output {value:.4g}: '{text}' is {span}")


def _grid() -> list[float]:
    half = [_LARGEST * 0.5 ** (i / 2) for i in range(80)]
    return [-x for x in half] + [0.0] + half[::-1]


def _bisect(at: Callable[[float], float | None], low: float, high: float, below: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        found = at(middle)
        if found is None or middle in {low, high} or found == 0:
            return middle
        if found * below > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
