"""Actions that compute every entry: from a list of numbers, or by a formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from initrules import expression
from initrules.actions.base import Action, Draw, Moments, special
from initrules.errors import ApplyError
from initrules.expression import Expression
from initrules.fans import Target
from initrules.precision import integer_limits
from initrules.source import Span

if TYPE_CHECKING:
    import torch

_CHECKED = 65_536  # entries of a formula that the plan computes to find infinities


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Action):
    """Set the entries to the nested numbers given, row by row.

    Shape: that of the numbers; expressions may stand in quotes. Source: none, a plain copy.
    """

    name: ClassVar[str] = "literal"
    explicit: ClassVar[bool] = True
    direct: ClassVar[str | None] = "value"

    value: tuple[Any, ...] = special("literal", "the numbers, nested like the parameter")

    def problem(self, target: Target) -> str | None:
        """The numbers must have the parameter's shape and fit its dtype."""
        shape = nested_shape(self.value)
        if shape is None:
            return "the numbers of 'literal' are nested unevenly"
        if shape != target.shape:
            return f"the numbers have shape {_times(shape)}, the parameter {_times(target.shape)}"
        limits = integer_limits(target.dtype)
        wrong = [n for n in flattened(self.value) if limits and not (n == int(n) and limits[0] <= n <= limits[1])]
        return f"{wrong[0]:g} does not fit {target.dtype}" if wrong else None

    def moments(self, target: Target) -> Moments:
        """Mean and spread of the numbers themselves."""
        del target
        numbers = flattened(self.value)
        mean = math.fsum(numbers) / max(1, len(numbers))
        return Moments(mean, math.sqrt(math.fsum((n - mean) ** 2 for n in numbers) / max(1, len(numbers))))

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Copy the numbers."""
        del target, draw
        tensor.copy_(tensor.new_tensor(self.value))


def nested_shape(value: Any) -> tuple[int, ...] | None:
    """The shape of nested tuples of numbers, None when it is uneven."""
    if not isinstance(value, tuple):
        return ()
    inner = {nested_shape(item) for item in value}
    if len(inner) > 1 or None in inner:
        return None
    return (len(value), *(inner.pop() or ())) if inner else (0,)


def flattened(value: Any) -> list[float]:
    """All numbers of nested tuples."""
    return [n for item in value for n in flattened(item)] if isinstance(value, tuple) else [value]


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula(Action):
    """Compute every entry by an expression of ``x`` (the value so far) and its indices ``i j k l``.

    Without ``x`` it fills, with ``x`` it transforms. ``mean(x) std(x) norm(x)`` look at the whole
    tensor, ``module.NAME`` is another parameter of the module after this run, ``parts.NAME`` another
    part of the same weight.
    Shape: any of at most 4 dimensions where indices are used. Units: float64, then cast; with
    ``stream: global`` a formula that transforms uses torch's own operations in the parameter's dtype.
    """

    name: ClassVar[str] = "formula"
    explicit: ClassVar[bool] = True
    direct: ClassVar[str | None] = "value"

    value: str = special("formula", "the expression")
    reading: tuple[tuple[str, str], ...] = ()  # (name in the formula, canonical path)

    @property
    def changes(self) -> bool:
        """Whether it needs a value to begin with."""
        return "x" in self._parsed().names

    def _parsed(self) -> Expression:
        return expression.parse(self.value, Span("formula", 1, 1))

    def reads(self) -> tuple[str, ...]:
        """The parameters it names."""
        return tuple(path for _, path in self.reading)

    def problem(self, target: Target) -> str | None:
        """The indices must exist and, where that can be computed at once, the values be finite."""
        parsed = self._parsed()
        from initrules import formula  # noqa: PLC0415  # it imports numpy, which only formulas need

        unfit = formula.unfit(parsed, len(target.shape))
        if unfit:
            return unfit
        absent = [name for name, _ in self.reading if name.startswith("parts.") and name[6:] not in target.beside]
        if absent:
            return f"there is no part '{absent[0][6:]}' beside this one; 'parts' names them"
        if parsed.names & {"x", "module", "parts"} or target.numel > _CHECKED:
            return None
        return infinities(formula.finite(formula.compute(parsed, None, target.shape, {})), self.value)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Compute into ``tensor``."""
        del target
        parsed = self._parsed()
        tensors = {name: draw.parameter(path).detach() for name, path in self.reading}
        try:
            value = draw.computed(parsed, tensor, tensors, changes="x" in parsed.names)
        except (ValueError, RuntimeError):  # numpy's and torch's, of shapes that cannot be broadcast
            raise _misfit(self.value, tensors, tuple(tensor.shape)) from None
        found = infinities(value.isfinite().cpu().numpy(), self.value)
        if found:
            raise ApplyError(found, hint="Guard the entry: log(x) if x > 0 else 0.")
        tensor.copy_(value)


def _misfit(text: str, tensors: Mapping[str, Any], shape: tuple[int, ...]) -> ApplyError:
    others = ", ".join(f"'{name}' has shape {_times(tuple(tensor.shape))}" for name, tensor in tensors.items())
    return ApplyError(
        f"the formula '{text}' joins shapes that do not fit: {others}, this parameter {_times(shape)}",
        hint="Use mean(), std() or norm() of the other one, or name one of the same shape.",
    )


def infinities(finite: Any, text: str) -> str | None:
    """Which entries are not ``finite``, or None when all are."""
    import numpy as np  # noqa: PLC0415  # only formulas need it

    bad = np.logical_not(finite)
    if not bad.any():
        return None
    first = tuple(int(axis[0]) for axis in np.nonzero(bad))
    place = f"[{', '.join(map(str, first))}]" if first else "the only entry"
    return f"the formula '{text}' is not finite at {place} ({int(bad.sum())} of {bad.size} entries)"
