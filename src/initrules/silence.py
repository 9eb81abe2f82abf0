"""Findings that rules silence with a reason, and reasons that silence nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from initrules.decision import Row
from initrules.errors import Finding, Severity
from initrules.rules import Rule


class Silenced(NamedTuple):
    """A finding that a rule allows, and why."""

    finding: Finding
    reason: str


def silence(
    findings: Iterable[Finding], rules: Sequence[Rule], rows: Iterable[Row] = ()
) -> tuple[tuple[Finding, ...], tuple[Silenced, ...]]:
    """Findings in those that are left and those that are silenced; an error is never silenced.

    A finding that is about parameters and no rule is silenced where the rules that give all of them
    their values allow it.
    """
    allowed = {rule.name: {one.code: one.reason for one in rule.allow} for rule in rules if rule.allow}
    if not allowed:
        return tuple(findings), ()
    winners = {row.path: row.value.rule for row in rows if row.value is not None}
    left: list[Finding] = []
    gone: list[Silenced] = []
    for finding in findings:
        reason = None if finding.severity is Severity.ERROR else _reason(finding, allowed, winners)
        if reason is None:
            left.append(finding)
        else:
            gone.append(Silenced(finding, reason))
    return tuple(left), tuple(gone)


def _reason(finding: Finding, allowed: Mapping[str, Mapping[str, str]], winners: Mapping[str, str]) -> str | None:
    names = {finding.rule} if finding.rule is not None else {winners.get(path) for path in finding.parameters}
    reasons = {allowed.get(name or "", {}).get(finding.code) for name in names}
    return None if not reasons or None in reasons else "; ".join(sorted(filter(None, reasons)))


def idle(rules: Sequence[Rule], silenced: Iterable[Silenced], winners: Mapping[str, str]) -> Iterator[Finding]:
    """A finding for each reason that silences nothing."""
    used = {
        (name, one.finding.code)
        for one in silenced
        for name in ([one.finding.rule] if one.finding.rule else map(winners.get, one.finding.parameters))
    }
    for rule in rules:
        for one in rule.allow:
            if (rule.name, one.code) not in used:
                yield Finding(
                    "unused-allow", Severity.INFO, f"'allow' of rule '{rule.name}' silences nothing: there is no "
                    f"'{one.code}' to silence", one.span, "Remove it.", rule.name,
                )  # fmt: skip
