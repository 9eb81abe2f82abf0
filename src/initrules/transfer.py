"""Warm starts: what ``load`` takes from checkpoints, refuses, and leaves over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.actions.copied import Load
from initrules.cascade import Claim, Contest
from initrules.decision import Row
from initrules.errors import EvaluationError
from initrules.evaluation import Catalog
from initrules.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Transfer:
    """One checkpoint: what is taken from it, what is not, and what is left over on both sides.

    ``taken``: (parameter, tensor) pairs; ``refused``: (parameter, reason) pairs; ``left``: tensors that
    no parameter takes; ``without``: parameters that ask for none of them.
    """

    source: str
    taken: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str], ...]
    left: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fall:
    """A contest whose winners could not load: who won before, and why each does not fit."""

    claim: Claim
    reason: str


def fall_through(
    contests: Sequence[Contest],
    inventory: Inventory,
    evaluated: Callable[[Claim], tuple[Any, ...]],
    problem: Callable[[Claim, tuple[Any, ...]], str | None],
) -> tuple[tuple[Contest, ...], Mapping[int, tuple[Fall, ...]]]:
    """Let modules that cannot load whole go to the next claim, where ``missing: next`` says so.

    Returns the contests without the claims that fell, and those claims by parameter.
    """
    current = {(contest.parameter, contest.prop): contest for contest in contests}
    fallen: dict[int, list[Fall]] = {}
    while True:
        unfit = _unfit(current.values(), inventory, evaluated, problem)
        if not unfit:
            break
        for contest, reason in unfit:
            fallen.setdefault(contest.parameter, []).append(Fall(contest.winner, reason))
            key = (contest.parameter, contest.prop)
            if len(contest.claims) > 1:
                current[key] = Contest(contest.parameter, contest.prop, contest.claims[1:])
            else:
                del current[key]
    return tuple(current[key] for key in sorted(current)), {key: tuple(falls) for key, falls in fallen.items()}


def _unfit(
    contests: Any, inventory: Inventory, evaluated: Callable[[Claim], tuple[Any, ...]],
    problem: Callable[[Claim, tuple[Any, ...]], str | None],
) -> list[tuple[Contest, str]]:  # fmt: skip
    """The contests of every module of which something that wants to load does not fit, by whatever rule."""
    modules: dict[int, list[tuple[Contest, str | None]]] = {}
    for contest in contests:
        if contest.prop != "set" or not contest.winner.declaration.may_fall:
            continue
        try:
            reason = problem(contest.winner, evaluated(contest.winner))
        except EvaluationError as error:
            reason = error.message
        owner = inventory.names[contest.winner.names[0].owner].module
        modules.setdefault(owner, []).append((contest, reason))
    found = []
    for members in modules.values():
        first = next((f"{reason}" for _, reason in members if reason), None)
        if first:
            found += [(contest, reason or f"its module does not fit: {first}") for contest, reason in members]
    return found


def transfers(
    rows: Sequence[Row], fallen: Mapping[int, tuple[Fall, ...]], catalogs: Mapping[str, Catalog], inventory: Inventory
) -> tuple[Transfer, ...]:
    """For each checkpoint what is taken, refused and left over."""
    found = []
    for source, catalog in catalogs.items():
        asking = [(row, action) for row in rows if row.value for action in row.value.actions
                  if isinstance(action, Load) and action.source == source]  # fmt: skip
        problems = [(row, action, action.problem(row.target)) for row, action in asking]
        taken = [(row.path, action.tensor) for row, action, problem in problems if problem is None]
        refused = [(row.path, problem) for row, _, problem in problems if problem is not None]
        refused += [
            (inventory.parameters[parameter].path, fall.reason)
            for parameter, falls in fallen.items()
            for fall in falls
            if fall.claim.declaration.calls[0].given.get("source") == source
        ]
        used = {tensor for _, tensor in taken}
        left = tuple(name for name in catalog if name not in used)
        asked = {path for path, _ in (*taken, *refused)}
        without = tuple(row.path for row in rows if row.path not in asked and not row.parameter.buffer)
        found.append(Transfer(source, tuple(taken), tuple(refused), left, without))
    return tuple(found)
