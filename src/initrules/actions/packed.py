"""Filling the parts of a packed weight each in its own way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from initrules.actions import chain
from initrules.actions.base import Action, Draw, Moments, integer, special
from initrules.fans import Part, Target

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(Action):
    """Fill the named parts of a packed weight each by its own action.

    Parts have the module's own names (``q k v`` of an attention, ``i f g o`` of an LSTM, ``r z n`` of a
    GRU), or those that ``sizes`` gives along ``dim``; ``"*"`` stands for the parts not named.
    ``sizes`` is a list or a map, or one number for equal pieces, and ``each`` fills every one.
    Shape: the sizes add up to dimension ``dim``. Fans are those of the part.
    """

    name: ClassVar[str] = "parts"

    dim: int = integer("the dimension that is divided", 0)
    sizes: tuple[tuple[str, int], ...] | None = special("sizes", "how large the parts are", None)
    each: tuple[Any, ...] | None = special("calls", "the action for every part", None)
    named: tuple[tuple[str, tuple[Any, ...]], ...] = special("named", "an action for each part by name", ())

    def problem(self, target: Target) -> str | None:
        """The sizes must add up, every part must be named, each action must fit its part."""
        if not -len(target.shape) <= self.dim < len(target.shape):
            return f"dim {self.dim} of a parameter with {len(target.shape)} dimensions"
        try:
            parts = self.split(target)
        except ValueError as error:
            return str(error)
        return self._naming(parts) or next(self._inner(parts, target), None) or self._circle(parts)

    def split(self, target: Target) -> tuple[Part, ...]:
        """The parts of this target. Raises ``ValueError`` when they do not add up."""
        if self.sizes is None:
            if not target.parts:
                raise ValueError("the module has no parts of its own: give 'sizes'")
            return target.parts
        dim = self.dim % len(target.shape)
        sizes = list(self.sizes)
        if len(sizes) == 1 and not sizes[0][0]:  # one number: equal pieces
            step = max(1, sizes[0][1])
            count, rest = divmod(target.shape[dim], step)
            sizes = [("", step)] * count + ([("", rest)] if rest else [])
            if rest:
                raise ValueError(f"pieces of {step} do not fill dimension {dim}, which has {target.shape[dim]}")
        total = sum(size for _, size in sizes)
        if total != target.shape[dim]:
            raise ValueError(f"the sizes add up to {total}, dimension {dim} has {target.shape[dim]}")
        return tuple(_placed(sizes, dim))

    def _naming(self, parts: Sequence[Part]) -> str | None:
        names = {part.name for part in parts}
        known = ", ".join(f"'{name}'" for name in dict.fromkeys(part.name for part in parts) if name)
        unknown = [name for name, _ in self.named if name not in names and name != "*"]
        if unknown:
            return f"there is no part '{unknown[0]}'; the parts are {known or 'not named'}"
        missing = [part.name for part in parts if self.actions_of(part) is None]
        return f"no action for the part '{missing[0]}'; name it, or '*' for the rest" if missing else None

    def actions_of(self, part: Part) -> tuple[Any, ...] | None:
        """The actions that fill one part."""
        chosen = dict(self.named)
        return chosen.get(part.name) or chosen.get("*") or self.each

    def _inner(self, parts: Sequence[Part], target: Target) -> Iterator[str]:
        for part in parts:
            for _, problem in chain.problems(self.actions_of(part) or (), self._piece(target, part)):
                yield f"part '{part.name}': {problem}" if part.name else problem

    def _piece(self, target: Target, part: Part) -> Target:
        piece = target.slice(part.dim, part.start, part.stop)
        return replace(piece, beside=tuple(one.name for one in self.split(target)))

    def pieces(self, target: Target) -> Iterator[tuple[Part, tuple[Any, ...], Target]]:
        """Each part of this target with the actions that fill it and what they work on."""
        for part in self.split(target):
            yield part, self.actions_of(part) or (), self._piece(target, part)

    def _needs(self, part: Part) -> set[str]:
        """The parts whose values a part is computed from."""
        reads = chain.reads(self.actions_of(part) or ())
        return {path.removeprefix("parts.") for path in reads if path.startswith("parts.")}

    def _ordered(self, parts: Sequence[Part]) -> list[tuple[int, Part]]:
        """The parts with their positions, each after those that it needs; those of a circle are left out."""
        waiting, done = list(enumerate(parts)), list[tuple[int, Part]]()
        while ready := next((one for one in waiting if self._needs(one[1]) <= {part.name for _, part in done}), None):
            waiting.remove(ready)
            done.append(ready)
        return done

    def _circle(self, parts: Sequence[Part]) -> str | None:
        filled = {part.name for _, part in self._ordered(parts)}
        left = [f"'{part.name}'" for part in parts if part.name not in filled]
        return f"the parts {', '.join(left)} cannot be filled one after the other" if left else None

    def moments(self, target: Target) -> Moments | None:
        """Known when every part has the same."""
        found = {chain.moments(self.actions_of(part) or (), self._piece(target, part)) for part in self.split(target)}
        return found.pop() if len(found) == 1 else None

    def reads(self) -> tuple[str, ...]:
        """Whatever the parts' actions read."""
        chains = [actions for _, actions in self.named] + ([self.each] if self.each else [])
        return tuple(path for actions in chains for path in chain.reads(actions) if not path.startswith("parts."))

    def splits(self, target: Target) -> bool:
        """It does, whenever the module names the parts."""
        return self.sizes is None and bool(target.parts)

    def keeps(self) -> bool:
        """Whether a part is left as it is."""
        return any(chain.keeps(actions) for actions in (*dict(self.named).values(), self.each or ()))

    def is_fixed(self) -> bool:
        """Whether every part is."""
        return all(chain.is_fixed(actions) for actions in (*dict(self.named).values(), self.each or ()))

    def write_(self, tensor: torch.Tensor, target: Target, draw: Draw) -> None:
        """Fill part by part, in their order along the dimension; what others read comes before them."""
        for index, part in self._ordered(self.split(target)):
            view = tensor.narrow(part.dim, part.start, part.stop - part.start)
            piece = view.contiguous()
            inner = self._piece(target, part)
            chain.write_(self.actions_of(part) or (), piece, inner, draw.at(f"part {index}"))
            if piece.data_ptr() != view.data_ptr():
                view.copy_(piece)
            draw.remember(f"parts.{part.name}", piece)


def _placed(sizes: Sequence[tuple[str, int]], dim: int) -> Iterator[Part]:
    start = 0
    for name, size in sizes:
        yield Part(name, dim, start, start + size)
        start += size
