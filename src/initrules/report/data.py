"""Plans as versioned, sorted, JSON-ready data."""

from __future__ import annotations

from typing import Any

from initrules.decision import Decision, Row, Tally
from initrules.errors import Finding
from initrules.planning import PlanData
from initrules.transfer import Transfer

PLAN_VERSION = 1


def as_json(plan: PlanData) -> dict[str, Any]:
    """The whole plan: equal plans give equal data, in a stable order."""
    return {
        "initrules-plan": PLAN_VERSION,
        "fingerprint": plan.fingerprint(),
        "model": plan.inventory.fingerprint(),
        "files": list(plan.rules.files),
        **({"about": plan.rules.about} if plan.rules.about else {}),
        "stream": plan.rules.stream,
        "variables": {name: _variable(value) for name, value in sorted(plan.rules.variables.items())},
        "parameters": [_row(row) for row in plan.rows],
        "rules": [_tally(tally) for tally in plan.tallies],
        **({"transfers": [_transfer(one) for one in plan.transfers]} if plan.transfers else {}),
        "findings": [finding_json(finding) for finding in plan.findings],
        **({"silenced": [finding_json(one) | {"reason": why} for one, why in plan.silenced]} if plan.silenced else {}),
    }


def _variable(value: Any) -> Any:
    return [str(part) for part in value] if isinstance(value, tuple) else str(value)


def _row(row: Row) -> dict[str, Any]:
    parameter = row.parameter
    found: dict[str, Any] = {
        "name": row.path,
        "shape": list(parameter.shape),
        "dtype": parameter.dtype,
        "decisions": {prop: _decision(decision) for prop, decision in sorted(row.decisions.items())},
    }
    if len(parameter.names) > 1:
        found["names"] = [name.path for name in parameter.names]
    if parameter.buffer:
        found["buffer"] = True
    if parameter.frozen:
        found["frozen"] = True
    if parameter.parametrized:
        found["parametrized"] = list(parameter.parametrized)
    if row.value is not None and row.value.fans is not None:
        found["fans"] = list(row.value.fans)
    if row.value is not None and any(action.splits(row.target) for action in row.value.actions):
        found["parts"] = [part.name for part in row.target.parts]
    if row.torch_fans is not None:
        found["torch_fans"] = list(row.torch_fans)
    if row.moments is not None:
        found |= {"mean": row.moments.mean, "std": row.moments.std}
    return found


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "rule": decision.rule,
        **({"why": decision.why} if decision.why else {}),
        "place": decision.span.place,
        "written": decision.written,
        "value": list(decision.described),
        "summary": decision.summary,
        "lost": [
            {"rule": loser.rule, "place": loser.span.place, "written": loser.written, "reason": loser.reason}
            for loser in decision.losers
        ],
        **({"lock": True} if decision.lock else {}),
    }


def _transfer(transfer: Transfer) -> dict[str, Any]:
    return {
        "source": transfer.source,
        "taken": dict(transfer.taken),
        "refused": dict(transfer.refused),
        "left": list(transfer.left),
        "without": list(transfer.without),
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "rule": tally.rule, "place": tally.span.place, "tier": tally.tier.name.lower(), "claimed": tally.claimed,
        "won": tally.won, "taken": dict(sorted(tally.taken.items())),
        **({"why": tally.why} if tally.why else {}),
    }  # fmt: skip


def finding_json(finding: Finding) -> dict[str, Any]:
    """One finding as data; keys without a value are left out."""
    found: dict[str, Any] = {
        "code": finding.code, "severity": finding.severity.value, "message": finding.message,
        "place": finding.span.place if finding.span else None, "hint": finding.hint, "rule": finding.rule,
        "parameters": list(finding.parameters),
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}
