"""What differs between plans: exactly the groups whose decisions changed, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.decision import Decision, Row
from initrules.grouping import Group, group
from initrules.planning import PlanData


@dataclass(frozen=True, slots=True)
class Side:
    """What one plan decides about a group: the value, its rule and place; empty when nobody decides."""

    summary: str
    rule: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One group of parameters and what each plan decides about one of their properties.

    ``sides`` stand in the order of the plans; None where the parameter does not exist.
    """

    group: Group
    prop: str
    sides: tuple[Side | None, ...]


def changes(plans: Sequence[PlanData]) -> tuple[Change, ...]:
    """Every property of every parameter on which the plans do not agree, in groups."""
    rows: dict[str, list[Row | None]] = {}
    for index, plan in enumerate(plans):
        for row in plan.rows:
            rows.setdefault(row.path, [None] * len(plans))[index] = row
    found: list[Change] = []
    for prop in _properties(plans):
        differing: dict[Any, list[Row]] = {}
        for versions in rows.values():
            sides = tuple(_side(row, prop) for row in versions)
            if len({_essence(side) for side in sides}) > 1:
                present = next(row for row in versions if row is not None)
                differing.setdefault(sides, []).append(present)
        for sides, members in differing.items():
            found += [Change(one, prop, sides) for one in group(members)]
    return tuple(found)


def _properties(plans: Sequence[PlanData]) -> list[str]:
    found = {prop for plan in plans for row in plan.rows for prop in row.decisions}
    return sorted({"set", *found}, key=lambda prop: (prop != "set", prop != "parametrize", prop))


def _side(row: Row | None, prop: str) -> Side | None:
    if row is None:
        return None
    decision: Decision | None = row.decisions.get(prop)
    if decision is None:
        return Side("frozen" if row.parameter.frozen else "no rule" if prop == "set" else "–")
    return Side(decision.summary, decision.rule, decision.span.place)


_SAME = {"zeros": "0", "ones": "1"}  # two spellings of one value


def _essence(side: Side | None) -> str | None:
    """What counts as a difference: the value, not the rule that gives it nor how it is written."""
    return None if side is None else essence(side.summary)


def essence(summary: str) -> str:
    """A value in the one spelling that is compared: ``zeros`` is ``0``."""
    return _SAME.get(summary, summary)


def tally(found: Sequence[Change]) -> Mapping[str, int]:
    """How many parameters changed, by property."""
    counts: dict[str, int] = {}
    for change in found:
        counts[change.prop] = counts.get(change.prop, 0) + len(change.group.rows)
    return counts
