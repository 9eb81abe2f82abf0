"""What every action is: its arguments, what it can take, what it is expected to write.

An action never touches torch's global random state: it draws through ``Draw``, and it writes only
into the tensor that ``apply`` hands it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from initrules.actions.law import Law
from initrules.evaluation import Missing
from initrules.expression import Expression
from initrules.fans import Fans, Target
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

    def constant_(self, tensor: torch.Tensor, value: float) -> None:
        """Fill with one number."""

    def uniform_(self, tensor: torch.Tensor, low: float, high: float) -> None:
        """Fill with draws from U(low, high)."""

    def normal_(self, tensor: torch.Tensor, mean: float, std: float) -> None:
        """Fill with draws from N(mean, std²)."""

    def trunc_normal_(
        self, tensor: torch.Tensor, mean: float, std: float, low: float, high: float, *, inverse: bool
    ) -> None:
        """Fill with draws from N(mean, std²) cut to [low, high]; ``inverse`` chooses the method of global streams."""

    def orthogonal_(self, tensor: torch.Tensor, gain: float) -> None:
        """Fill with a Haar-distributed (semi-)orthogonal matrix times ``gain``, rows = dimension 0."""

    def reset_(self, tensor: torch.Tensor) -> None:
        """Write what the owner's own reset method writes to this parameter."""

    def at(self, slot: str) -> Draw:
        """The draws of another place in a chain, or of another part."""

    def permutation(self, size: int) -> torch.Tensor:
        """A random order of ``size`` indices."""

    def parameter(self, path: str) -> torch.Tensor:
        """The value of another parameter after this run, or what was remembered under this name."""

    def remember(self, name: str, tensor: torch.Tensor) -> None:
        """Keep a part that was just filled for formulas that name it."""

    def computed(
        self, expression: Expression, tensor: torch.Tensor, tensors: Mapping[str, torch.Tensor], *, changes: bool
    ) -> torch.Tensor:
        """The value of a formula for ``tensor``, which is ``x`` when it ``changes`` it, in the stream's precision."""

    def stored(self, source: str, name: str) -> torch.Tensor:
        """A tensor of a checkpoint."""


class Action(ABC):
    """One way to give a parameter its value; the defaults suit a fill that every parameter can take.

    ``direct``: the argument that may stand without its name. ``transforms``: whether it changes a
    value instead of giving one. ``explicit``: whether it names the value of every single entry, so
    that a padding row gets the value named for it and is not cleared. ``entrywise``: whether it writes
    only by ``constant_``, ``uniform_``, ``normal_`` and ``trunc_normal_`` of ``Draw``, each entry once, so
    that it may be given the parameter itself, of whatever precision. ``together``: groups of
    arguments of which exactly one is given. ``excluding``: groups of which at most one is given.
    """

    __slots__ = ()

    name: ClassVar[str]
    direct: ClassVar[str | None] = None
    transforms: ClassVar[bool] = False
    explicit: ClassVar[bool] = False
    entrywise: ClassVar[bool] = False
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

    def law(self, target: Target) -> Law | None:
        """How each entry is distributed by itself, or None where they are not drawn one by one."""
        del target
        return None

    def transformed_law(self, law: Law) -> Law | None:
        """What a transform makes of the law before it, or None when that is not known."""
        del law
        return None

    def is_fixed(self) -> bool:
        """Whether the value follows from the arguments and from what it reads, without any drawing."""
        return False

    def transformed(self, moments: Moments) -> Moments | None:
        """What a transform makes of the moments before it, or None when that is not known."""
        del moments
        return None

    def reads(self) -> tuple[str, ...]:
        """The canonical names of the parameters whose values it needs."""
        return ()

    def keeps(self) -> bool:
        """Whether it needs the value that is there."""
        return False

    def fans(self, target: Target) -> Fans | Missing | None:
        """The fans that its spread comes from, or None when it asks for none."""
        del target
        return None

    def splits(self, target: Target) -> bool:
        """Whether it fills a packed weight part by part."""
        del target
        return False

    @abstractmethod
    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Write the value into ``tensor``: the parameter's shape, on the CPU, in working precision."""


class Wrap(ABC):
    """A parametrization.

    ``nan_on_zero``: whether it divides by a norm. ``stored``: what torch keeps in a state dict in place
    of the weight, below ``parametrizations.NAME``.
    """

    __slots__ = ()

    name: ClassVar[str]
    direct: ClassVar[str | None] = None
    nan_on_zero: ClassVar[bool] = False
    stored: ClassVar[tuple[str, ...]] = ("original",)
    dimensions: ClassVar[int] = 1

    def state_dict_keys(self, path: str) -> tuple[str, ...]:
        """What the state dict has in place of ``path`` once it is wrapped."""
        owner, _, local = path.rpartition(".")
        return tuple(f"{owner}.parametrizations.{local}.{name}".lstrip(".") for name in self.stored)

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


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action as rule files know it."""

    kind: str  # one of KINDS in initrules.calls
    required: bool
    minimum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    doc: str = ""
    field: str = ""  # where its name in rule files is not that of the field

    def problem(self, value: object) -> str | None:
        """Why ``value`` is of the wrong kind or out of range, or None."""
        if self.kind == "flag":
            return None if isinstance(value, bool) else f"must be true or false, not {value}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"must be a number, not {str(value).lower() if isinstance(value, bool) else repr(value)}"
        if self.kind == "integer" and value != int(value):
            return f"must be a whole number, not {value:g}"
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum:g}, not {value:g}"
        if self.above is not None and value <= self.above:
            return f"must be greater than {self.above:g}, not {value:g}"
        return None


def _field(argument: Argument, default: Any) -> Any:
    metadata = MappingProxyType({"argument": argument})
    if argument.required:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


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
    """The arguments of an action by the names that rule files use, in the order of its fields."""
    found = {f.name: replace(f.metadata["argument"], field=f.name) for f in fields(action) if "argument" in f.metadata}
    return {
        _WRITTEN.get((action.name, name), name): argument
        for name, argument in found.items()
        if argument.kind != "named"
    }


def extra_argument(action: type[Any]) -> Argument | None:
    """The argument that takes every key that is no argument: the parts of ``parts``."""
    return next(
        (
            replace(f.metadata["argument"], field=f.name)
            for f in fields(action)
            if "argument" in f.metadata and f.metadata["argument"].kind == "named"
        ),
        None,
    )


# Fields whose name in rule files differs, because a class has that name for itself.
_WRITTEN = {("load", "tensor"): "name"}


def text(doc: str, default: Any = REQUIRED) -> Any:
    """A field that takes a name; ``<capture>`` in it is replaced."""
    return _field(Argument("text", default is REQUIRED, doc=doc), default)


def special(kind: str, doc: str, default: Any = REQUIRED) -> Any:
    """A field of a kind that only one action has: literal, formula, parameter, names, sizes, calls, named."""
    return _field(Argument(kind, default is REQUIRED, doc=doc), default)


def described(action: Any) -> dict[str, Any]:
    """The arguments of an evaluated action that differ from their defaults, JSON-ready."""
    return {name: _plain(value) for name, value in _given(action)}


def _given(action: Any) -> Iterator[tuple[str, Any]]:
    for one in fields(action):
        value, argument = getattr(action, one.name), one.metadata.get("argument")
        if argument is None or value is None or value == one.default:
            continue
        if argument.kind == "named":
            yield from value
        else:
            yield _WRITTEN.get((action.name, one.name), one.name), value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return {value.name: described(value)} if isinstance(value, Action) else value


def summary(action: Any) -> str:
    """An evaluated action in one line: ``orthogonal gain=1.414``."""
    given = dict(_given(action))
    if action.direct in given and len(given) == 1:
        value = shown(given[action.direct])
        return value if action.name == "constant" else f"{action.name} {value}"
    return " ".join([action.name, *(f"{key}={shown(value)}" for key, value in given.items())])


def shown(value: object) -> str:
    """A value as tables print it: four digits, no noise."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Action):
        return summary(value)
    if isinstance(value, tuple) and value and all(isinstance(item, Action) for item in value):
        return ", ".join(summary(item) for item in value)
    if isinstance(value, tuple):
        inner = ", ".join(shown(item) for item in value[:8])
        return f"[{inner}{', ...' if len(value) > 8 else ''}]"
    return str(value)
