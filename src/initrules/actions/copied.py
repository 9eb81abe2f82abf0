"""Actions that take values from elsewhere: another parameter, or a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from initrules.actions.base import Action, Draw, choice, special, text
from initrules.fans import Target

if TYPE_CHECKING:
    import torch

Shapes = Mapping[str, tuple[tuple[int, ...], str]]  # tensors of a checkpoint: shape and dtype by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy(Action):
    """Copy the value that another parameter has after this run.

    The other one is a path, ``encoder.0.weight``, or ``.weight`` of the same module; ``<capture>`` is
    replaced.
    Shape: that of the other. Units: its own, cast to this dtype.
    """

    name: ClassVar[str] = "copy"
    explicit: ClassVar[bool] = True
    direct: ClassVar[str | None] = "of"

    of: str = special("parameter", "the parameter to copy")
    shape: tuple[int, ...] | None = None  # of the other, filled in when the plan is made

    def problem(self, target: Target) -> str | None:
        """The other parameter must exist, be another one, and have the same shape."""
        if self.shape is None:
            return f"there is no parameter '{self.of}' to copy"
        if self.of == target.path:
            return "it cannot be a copy of itself"
        if self.shape != target.shape:
            shapes = "×".join(map(str, self.shape)), "×".join(map(str, target.shape))
            return f"'{self.of}' has shape {shapes[0]}, this parameter {shapes[1]}"
        return None

    def reads(self) -> tuple[str, ...]:
        """The other parameter."""
        return (self.of,)

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Copy."""
        del target
        tensor.copy_(draw.parameter(self.of))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Action):
    """Take the value from a checkpoint that is named under ``sources``.

    ``from_name`` (written ``name``) is the tensor in the checkpoint: by default the parameter's own
    name; text in which ``<capture>`` is replaced; or a map of prefixes, ``{own_encoder: encoder}``, in
    which ``*`` stands for one segment.
    With ``missing: next`` a module of which anything is missing or does not fit goes as a whole to
    the next claim.
    Shape: that of the stored tensor. Units: its own, cast to this dtype.
    """

    name: ClassVar[str] = "load"
    explicit: ClassVar[bool] = True

    source: str = text("an entry of 'sources'")
    tensor: str = special("names", "its name in the checkpoint, or a map of prefixes", "")
    missing: str = choice("what to do when it is not there or does not fit", "error", "error", "next")
    found: tuple[tuple[int, ...], str] | None = None  # shape and dtype, filled in when the plan is made

    def problem(self, target: Target) -> str | None:
        """The stored tensor must exist and fit."""
        if self.found is None:
            return f"the source '{self.source}' has no tensor '{self.tensor}'"
        shape, dtype = self.found
        if shape != target.shape:
            shapes = "×".join(map(str, shape)), "×".join(map(str, target.shape))
            return f"'{self.tensor}' of '{self.source}' has shape {shapes[0]}, this parameter {shapes[1]}"
        if dtype.startswith("complex") and not target.dtype.startswith("complex"):
            return f"'{self.tensor}' of '{self.source}' is {dtype}, this parameter {target.dtype}"
        return None

    def is_fixed(self) -> bool:
        """It does."""
        return True

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Copy from the checkpoint."""
        del target
        tensor.copy_(draw.stored(self.source, self.tensor))


def renamed(path: str, prefixes: Mapping[str, str]) -> str:
    """``path`` with the longest prefix that it has replaced; prefixes end at a dot, ``*`` is any one segment."""
    segments = path.split(".")
    for prefix in sorted(prefixes, key=lambda one: (one.count("."), len(one)), reverse=True):
        wanted = prefix.split(".") if prefix else []
        if len(wanted) <= len(segments) and all(one in {"*", two} for one, two in zip(wanted, segments, strict=False)):
            return ".".join(part for part in (prefixes[prefix], *segments[len(wanted) :]) if part)
    return path
