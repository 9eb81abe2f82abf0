"""What differs between plans: exactly the groups whose decisions changed, and why."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
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

    ``sides`` stand in the order of the plans; None where the parameter does not exist. ``why``: what
    makes the difference.
    """

    group: Group
    prop: str
    sides: tuple[Side | None, ...]
    why: str = ""


def changes(plans: Sequence[PlanData]) -> tuple[Change, ...]:
    """Every property of every parameter on which the plans do not agree, in groups."""
    rows: dict[str, list[Row | None]] = {}
    for index, plan in enumerate(plans):
        for row in plan.rows:
            rows.setdefault(row.path, [None] * len(plans))[index] = row
    found: list[Change] = []
    for prop in _properties(plans):
        differing: dict[tuple[tuple[Side | None, ...], str], list[Row]] = {}
        for versions in rows.values():
            sides = tuple(_side(row, prop) for row in versions)
            if len({_essence(row, prop) for row in versions}) > 1:
                present = next(row for row in versions if row is not None)
                differing.setdefault((sides, _why(plans, versions, prop)), []).append(present)
        for (sides, why), members in differing.items():
            found += [Change(one, prop, sides, why) for one in group(members, look=lambda _: None)]
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


def _why(plans: Sequence[PlanData], rows: Sequence[Row | None], prop: str) -> str:
    """What makes the difference between the first plan and each of the others."""
    first, *others = zip(plans, rows, strict=True)
    reasons = (
        _reason(first[0], first[1].decisions.get(prop), plan, row.decisions.get(prop))
        for plan, row in others
        if row is not None and first[1] is not None
    )
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def _reason(before: PlanData, then: Decision | None, after: PlanData, now: Decision | None) -> str:
    if then is None or now is None:
        return _claimed(before, then, after, now)
    if essence(then) == essence(now):
        return ""
    if then.rule != now.rule:
        return _other_winner(then, now, after)
    if then.written != now.written:
        return f"'{now.rule}' says {now.written}"
    changed = [
        f"{name} is {new}, was {old}"
        for name in sorted(_named(now.written, after))
        if (old := _text(before, name)) != (new := _text(after, name))
    ]
    return ", ".join(changed) or "the model is another one"


def _claimed(before: PlanData, then: Decision | None, after: PlanData, now: Decision | None) -> str:
    """Why one plan decides something about a parameter and the other does not."""
    if now is not None:
        return f"'{now.rule}' {'claims it now' if _has(before, now.rule) else 'is new'}"
    return _gone(then.rule, after) if then is not None else ""


def _gone(rule: str, plan: PlanData) -> str:
    return f"'{rule}' {'does not claim it any more' if _has(plan, rule) else 'is gone'}"


def _has(plan: PlanData, rule: str) -> bool:
    return any(tally.rule == rule for tally in plan.tallies)


def _other_winner(then: Decision, now: Decision, after: PlanData) -> str:
    lost = next((loser for loser in now.losers if loser.rule == then.rule), None)
    if lost is not None:
        return lost.reason
    return _gone(then.rule, after)


def _named(written: str, plan: PlanData) -> frozenset[str]:
    """The variables that a value names, directly or by way of others."""
    known, found, fresh = plan.rules.variables.keys(), set[str](), set(_WORD.findall(written))
    while fresh := (fresh & known) - found:
        found |= fresh
        fresh = {word for name in fresh for word in _WORD.findall(_text(plan, name))}
    return frozenset(found)


def _text(plan: PlanData, name: str) -> str:
    value = plan.rules.variables.get(name)
    if value is None:
        return "not there"
    return f"[{', '.join(part.text for part in value)}]" if isinstance(value, tuple) else value.text


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SAME = {"zeros": ("constant", (("value", 0),)), "ones": ("constant", (("value", 1),))}  # two spellings of one value


def _essence(row: Row | None, prop: str) -> Hashable:
    if row is None:
        return None
    decision: Decision | None = row.decisions.get(prop)
    return "frozen" if decision is None and row.parameter.frozen else decision and essence(decision)


def essence(decision: Decision) -> Hashable:
    """What counts as a difference: the value with every digit, not the rule that gives it nor how it is written."""
    return tuple(_SAME.get(name, (name, _frozen(given))) for one in decision.described for name, given in one.items())


def _frozen(value: Any) -> Hashable:
    if isinstance(value, Mapping):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def tally(found: Sequence[Change]) -> Mapping[str, int]:
    """How many parameters changed, by property."""
    counts: dict[str, int] = {}
    for change in found:
        counts[change.prop] = counts.get(change.prop, 0) + len(change.group.rows)
    return counts
