"""Findings of one rule set about several models: a rule is dead only where it is dead in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from initrules.errors import Finding
from initrules.planning import PlanData
from initrules.silence import Silenced, idle
from initrules.source import Span

# A rule has one of these in a model where it decides nothing, or nothing that matters.
_IDLE = frozenset(
    {"claims-nothing", "dead-rule", "dead-default", "overridden-rule", "unused-fallback", "loads-nothing"}
)
_UNMET = frozenset({"unmet-key", "unmet-pattern"})


class Planned(NamedTuple):
    """A model as it was named, and its plan."""

    name: str
    plan: PlanData


def combined(plans: Sequence[Planned], about_file: Sequence[Silenced] = ()) -> tuple[Finding, ...]:
    """What is to be said about all models together, the worst first.

    A finding that not all models have ends with the names of those that have it. ``about_file``: what the
    rules silence about themselves.
    """
    found: dict[Finding, list[str]] = {}
    for name, plan in plans:
        for finding in plan.findings:
            if _holds_in_all(finding, plans):
                found.setdefault(_one_for_all(finding, found), []).append(name)
    told = [_named(finding, names, len(plans)) for finding, names in found.items()]
    return tuple(sorted([*told, *_idle_reasons(plans, about_file)], key=_worst_first))


def _worst_first(finding: Finding) -> tuple[int, str, int, int]:
    span = finding.span or Span("", 0, 0)
    return finding.severity.rank, span.file, span.line, span.column


def _holds_in_all(finding: Finding, plans: Sequence[Planned]) -> bool:
    """Whether a finding that another model may refute is refuted by none."""
    if finding.rule is None or finding.code not in {*_IDLE, *_UNMET, "no-effect"}:
        return True
    return all(_agrees(finding, plan) for _, plan in plans)


def _agrees(finding: Finding, plan: PlanData) -> bool:
    tally = next(tally for tally in plan.tallies if tally.rule == finding.rule)
    if finding.code in _IDLE:
        return tally.won == 0
    everything = [*plan.findings, *(one.finding for one in plan.silenced)]
    if finding.code == "no-effect":
        return tally.won == 0 or any((one.code, one.rule) == (finding.code, finding.rule) for one in everything)
    return tally.claimed == 0 or any((one.code, one.span) == (finding.code, finding.span) for one in everything)


def _one_for_all(finding: Finding, found: Mapping[Finding, object]) -> Finding:
    """The finding that speaks for this one: about one place the first that is at least as serious."""
    if finding.code not in {*_IDLE, *_UNMET}:
        return finding
    kind = _IDLE if finding.code in _IDLE else _UNMET
    same = (one for one in found if one.code in kind and (one.rule, one.span) == (finding.rule, finding.span))
    return next((one for one in same if one.severity.rank <= finding.severity.rank), finding)


def _named(finding: Finding, names: Sequence[str], count: int) -> Finding:
    if len(names) == count or finding.code in {*_IDLE, *_UNMET}:
        return finding
    return replace(finding, message=f"{finding.message}, in {', '.join(names)}")


def _idle_reasons(plans: Sequence[Planned], about_file: Sequence[Silenced]) -> Iterator[Finding]:
    """Reasons that silence nothing in any model."""
    every = [set(idle(plan.rules.rules, [*about_file, *plan.silenced], _winners(plan))) for _, plan in plans]
    yield from sorted(set.intersection(*every), key=_worst_first) if every else ()


def _winners(plan: PlanData) -> dict[str, str]:
    if not any(rule.allow for rule in plan.rules.rules):
        return {}
    return {row.path: row.value.rule for row in plan.rows if row.value is not None}
