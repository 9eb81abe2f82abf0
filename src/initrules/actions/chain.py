"""Runs a chain of actions on one tensor: the first fills, the rest transform.

``repeat`` is special: what stands before it fills only the first part of dimension 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initrules.actions.base import Action, Draw, Moments
from initrules.actions.law import Law
from initrules.actions.transform import Repeat
from initrules.fans import Target

if TYPE_CHECKING:
    import torch


def targets(actions: Sequence[Action], target: Target) -> list[Target]:
    """What each action of a chain works on."""
    found: list[Target] = []
    current = target
    for action in reversed(actions):
        found.append(current)
        if isinstance(action, Repeat) and action.problem(current) is None:
            current = action.before(current)
    return found[::-1]


def problems(actions: Sequence[Action], target: Target) -> Iterator[tuple[int, str]]:
    """The position of each action that the parameter cannot take, and why."""
    for position, (action, part) in enumerate(zip(actions, targets(actions, target), strict=True)):
        problem = action.problem(part)
        if problem:
            yield position, problem


def moments(actions: Sequence[Action], target: Target) -> Moments | None:
    """Expected mean and std after a whole chain without problems, when they are known."""
    if not actions:
        return None
    found = actions[0].moments(targets(actions, target)[0])
    for action in actions[1:]:
        found = action.transformed(found) if found is not None else None
    return found


def law(actions: Sequence[Action], target: Target) -> Law | None:
    """How each entry is distributed after a whole chain, when that is known."""
    found = actions[0].law(targets(actions, target)[0]) if actions else None
    for action in actions[1:]:
        found = action.transformed_law(found) if found is not None else None
    return found


def is_fixed(actions: Sequence[Action]) -> bool:
    """Whether nothing in a chain is drawn."""
    return all(action.is_fixed() for action in actions)


def write_(actions: Sequence[Action], tensor: torch.Tensor, target: Target, draw: Draw) -> None:
    """Run the chain; ``tensor`` holds the present value when it begins with ``keep``."""
    for position, (action, part) in enumerate(zip(actions, targets(actions, target), strict=True)):
        rows = tensor if part.shape == target.shape else tensor[: part.shape[0]]
        action.write_(rows, part, draw.at(str(position)) if position else draw)


def keeps(actions: Sequence[Action]) -> bool:
    """Whether a chain needs the value that is there."""
    return any(action.keeps() for action in actions)


def reads(actions: Sequence[Action]) -> tuple[str, ...]:
    """Every parameter whose value a chain needs."""
    return tuple(dict.fromkeys(path for action in actions for path in action.reads()))
