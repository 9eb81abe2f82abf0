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

    def is_fixed(self) -> bool:
        """It does."""
        return True

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
    """The x in ±1e6 with function(x) = value, by bisection of a monotone function.

    Where a whole stretch gives the value, as with ``max(x, 0)``, the end nearest to 0. A value that
    is only reached by rounding, as 1 by a sigmoid, is not reached.
    """

    def at(x: float) -> float | None:
        try:
            found = function(x) - value
        except ExpressionError:
            return None
        return None if math.isnan(found) else found

    points = [(x, found) for x, found in ((x, at(x)) for x in _grid()) if found is not None]
    changes = [b - a for (_, a), (_, b) in pairwise(points) if abs(b - a) > _NOISE * (abs(a) + abs(b))]
    if changes and min(changes) < 0 < max(changes):
        raise ExpressionError(f"'{text}' rises and falls, so that it has no single inverse")
    exact = [x for x, found in points if found == 0]
    if exact:
        return _edge(at, min(exact, key=abs), value, text)
    for (low, below), (high, above) in pairwise(points):
        if (below < 0) != (above < 0):  # a product would underflow
            return _bisect(at, low, high, below)
    reached = sorted(found + value for _, found in points)
    span = f"between {reached[0]:.4g} and {reached[-1]:.4g}" if reached else "not defined anywhere"
    raise ExpressionError(f"no bias gives the output {value:.4g}: '{text}' is {span}")


_NOISE = 1e-9  # relative; differences below it are rounding, not a change of direction
_FLAT = 1e-6  # a slope below it is saturation: a step of 1 in the bias would not be seen in the output


def _edge(at: Callable[[float], float | None], x: float, value: float, text: str) -> float:
    """The point nearest to 0 at which the value is still reached, if the function moves beyond it."""
    low, high = 0.0, x  # at ``high`` the value is reached, at ``low`` it is not, or there is no value
    if x == 0 or at(low) == 0:
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        low, high = (low, middle) if at(middle) == 0 else (middle, high)
    step = max(1.0, abs(high)) * 1e-3
    around = [abs(found) for found in (at(high - step), at(high + step)) if found is not None]
    if max(around, default=0.0) < _FLAT * step:
        raise ExpressionError(f"no bias gives the output {value:.4g}: '{text}' only comes near it")
    return high


def _grid() -> list[float]:
    half = [_LARGEST * 0.5 ** (i / 2) for i in range(80)]
    return [-x for x in half] + [0.0] + half[::-1]


def _bisect(at: Callable[[float], float | None], low: float, high: float, below: float) -> float:
    for _ in range(200):
        middle = (low + high) / 2
        found = at(middle)
        if found is None or middle in {low, high} or found == 0:
            return middle
        if (found < 0) == (below < 0):
            low = middle
        else:
            high = middle
    return (low + high) / 2
