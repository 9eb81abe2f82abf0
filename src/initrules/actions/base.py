"""What every action is: its arguments, what it can take, what it is expected to write.

An action never touches torch's global random state: it draws through ``Draw``, and it writes only
into the tensor that ``apply`` hands it.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from initrules.fans import Target
from initrules.precision import is_floating

if TYPE_CHECKING:
    import torch


REQUIRED: Any = object()  # the default of an argument that has none


class Moments(NamedTuple):
    """Expected mean and standard deviation of the entries."""

    mean: float
    std: float


class Draw(Protocol):
    """The only source of randomness and of outside values while an action writes."""

    def uniform_(self, tensor: torch.Tensor, low: float, high: float) -> None:
        """Fill with draws from U(low, high)."""

    def normal_(self, tensor: torch.Tensor, mean: float, std: float) -> None:
        """Fill with draws from N(mean, std²)."""

    def trunc_normal_(self, tensor: torch.Tensor, mean: float, std: float, low: float, high: float) -> None:
        """Fill with draws from N(mean, std²) cut to [low, high]."""

    def orthogonal_(self, tensor: torch.Tensor, gain: float) -> None:
        """Fill with a Haar-distributed (semi-)orthogonal matrix times ``gain``, rows = dimension 0."""

    def reset_(self, tensor: torch.Tensor) -> None:
        """Write what the owner's own reset method writes to this parameter."""


class Action(ABC):
    """One way to give a parameter its value; the defaults suit a fill that every parameter can take.

    ``direct``: the argument that may stand without its name. ``transforms``: whether it changes a
    value instead of giving one. ``together``: groups of arguments of which exactly one is given.
    ``excluding``: groups of which at most one is given.
    """

    __slots__ = ()

    name: ClassVar[str]
    direct: ClassVar[str | None] = None
    transforms: ClassVar[bool] = False
    together: ClassVar[tuple[tuple[str, ...], ...]] = ()
    excluding: ClassVar[tuple[tuple[str, ...], ...]] = ()

    def problem(self, target: Target) -> str | None:
        """Why this parameter cannot take the value, or None."""
        del target
        return None  # sub-classes return a text

    def moments(self, target: Target) -> Moments | None:
        """Expected mean and std of the entries, or None when they are not known beforehand."""
        del target
        return None

    @abstractmethod
    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Write the value into ``tensor``: the parameter's shape, on the CPU, in working precision."""


class Wrap(ABC):
    """A parametrization. ``nan_on_zero``: whether it divides by a norm."""

    __slots__ = ()

    name: ClassVar[str]
    direct: ClassVar[str | None] = None
    nan_on_zero: ClassVar[bool] = False
    dimensions: ClassVar[int] = 1

    def problem(self, target: Target) -> str | None:
        """Why this parameter cannot be wrapped, or None."""
        if not is_floating(target.dtype):
            return f"{self.name} cannot wrap {target.dtype}"
        if len(target.shape) >= self.dimensions:
            return None
        plural = "s" * (self.dimensions != 1)
        return f"{self.name} needs at least {self.dimensions} dimension{plural}, this parameter has {len(target.shape)}"


class Option(ABC):
    """An option of ``optimize``: every parameter can take it."""

    __slots__ = ()

    name: ClassVar[str]
    direct: ClassVar[str | None] = "value"

    def problem(self, target: Target) -> str | None:
        """Never a problem."""
        del target
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action as rule files know it."""

    kind: str  # "number", "integer", "flag", "choice", "expression", "text"
    required: bool
    minimum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    doc: str = ""

    def problem(self, value: object) -> str | None:
        """Why ``value`` is out of range, or None."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not math.isfinite(value):
            return f"must be finite, not {value}"
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum:g}, not {value:g}"
        if self.above is not None and value <= self.above:
            return f"must be greater than {self.above:g}, not {value:g}"
        return None


def _field(argument: Argument, default: Any) -> Any:
    metadata = MappingProxyType({"argument": argument})
    if argument.required:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def number(doc: str, default: Any = REQUIRED, *, minimum: float | None = None, above: float | None = None) -> Any:
    """A field that takes a number or an expression; required without ``default``."""
    return _field(Argument("number", default is REQUIRED, minimum, above, doc=doc), default)


def integer(doc: str, default: Any = REQUIRED, *, minimum: float | None = None) -> Any:
    """A field that takes a whole number or an expression; required without ``default``."""
    return _field(Argument("integer", default is REQUIRED, minimum, doc=doc), default)


def flag(doc: str, default: bool) -> Any:
    """A field that takes true or false."""
    return _field(Argument("flag", required=False, doc=doc), default)


def choice(doc: str, default: Any, *choices: str) -> Any:
    """A field that takes one word of ``choices``; required when the default is ``REQUIRED``."""
    return _field(Argument("choice", default is REQUIRED, choices=choices, doc=doc), default)


def function_of_x(doc: str, default: str) -> Any:
    """A field that takes an expression of ``x``, or the name of a function."""
    return _field(Argument("expression", required=False, doc=doc), default)


def arguments(action: type[Any]) -> Mapping[str, Argument]:
    """The arguments of an action by name, in the order of its fields."""
    return {f.name: f.metadata["argument"] for f in dataclasses.fields(action) if "argument" in f.metadata}


def described(action: Any) -> dict[str, Any]:
    """The arguments of an evaluated action that differ from their defaults."""
    found = {}
    for field in dataclasses.fields(action):
        value = getattr(action, field.name)
        if value != field.default and value is not None:
            found[field.name] = value
    return found


def summary(action: Any) -> str:
    """An evaluated action in one line: ``orthogonal gain=1.414``."""
    given = described(action)
    if action.direct in given and len(given) == 1:
        value = given[action.direct]
        return shown(value) if action.name == "constant" else f"{action.name} {shown(value)}"
    return " ".join([action.name, *(f"{key}={shown(value)}" for key, value in given.items())])


def shown(value: object) -> str:
    """A value as tables print it: four digits, no noise."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
