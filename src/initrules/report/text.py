"""Plans and findings for the terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from initrules.actions.base import shown
from initrules.cascade import Tier
from initrules.decision import Decision, Row, Tally
from initrules.errors import Finding, Severity, printable
from initrules.grouping import Group as RowGroup
from initrules.grouping import group
from initrules.planning import PlanData
from initrules.transfer import Transfer

PRECEDENCE = (
    "A locked rule beats rules, rules beat defaults; inside one tier the last one wins, "
    "base files before the file that extends them, top to bottom."
)
MOST_INFORMATION = 8
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_TIERS = {Tier.DEFAULT: "default", Tier.RULE: "rule", Tier.LOCK: "locked"}


def plan_text(plan: PlanData, *, width: int = 120) -> str:
    """The grouped table, the rules' counts and the findings as plain text."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(plan_view(plan))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def findings_text(findings: Iterable[Finding]) -> str:
    """Findings with their places, source lines and ways out, as plain text."""
    return "\n".join(f"{_marked(finding)}" for finding in findings)


def plan_view(plan: PlanData) -> Group:
    """Everything ``plan`` prints, for a rich console."""
    problems = {path for finding in plan.errors for path in finding.parameters}
    shown_rows = [row for row in plan.rows if not row.parameter.buffer or row.decisions]
    hidden = len(plan.rows) - len(shown_rows)
    return Group(
        _rows_table(group(shown_rows), problems),
        _counts(plan, hidden),
        Text(""),
        _rules_table(plan.tallies),
        *(_transfer_view(transfer) for transfer in plan.transfers),
        _findings_view(plan.findings),
        Text(PRECEDENCE, style="dim"),
    )


def _rows_table(groups: tuple[RowGroup, ...], problems: set[str]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", no_wrap=True)
    table.add_column("parameter", overflow="fold", ratio=None)
    table.add_column("shape", no_wrap=True)
    table.add_column("starts as", overflow="fold")
    table.add_column("std", justify="right", no_wrap=True)
    table.add_column("by rule", overflow="fold")
    table.add_column("over", overflow="fold")
    for one in groups:
        row = one.first
        symbol, style = _symbol(row, broken=any(member.path in problems for member in one.rows))
        table.add_row(
            Text(symbol, style=style), _name(one), Text(_shape(row)), Text(printable(_value(row)), style=style),
            Text(_std(row)), _rule(row.value), _losers(row.value),
        )  # fmt: skip
    return table


def _symbol(row: Row, *, broken: bool) -> tuple[str, str]:
    if broken:
        return "✗", "bold red"
    if row.value is None:
        return ("❄", "blue") if row.parameter.frozen else ("○", "yellow")
    return ("●", "green") if row.value.writes else ("=", "dim")


def _name(one: RowGroup) -> Text:
    name = Text(printable(one.pattern))
    if len(one.rows) > 1:
        name.append(f" ×{len(one.rows)}", style="bold")
    if one.also:
        shared = ", ".join(one.also[:6]) + (f" and {len(one.also) - 6} more" if len(one.also) > 6 else "")
        name.append(f"\n~ also under {printable(shared)}", style="dim")
    return name


def _shape(row: Row) -> str:
    return "?" if row.parameter.lazy else "×".join(map(str, row.parameter.shape)) or "scalar"


def _value(row: Row) -> str:
    lines = ["frozen" if row.parameter.frozen else "no rule"] if row.value is None else [row.value.summary]
    if row.value is not None and any(action.splits(row.target) for action in row.value.actions):
        lines[0] += f" ×{len(row.target.parts)} parts"
    for prop, decision in row.decisions.items():
        if prop == "parametrize":
            lines.append(f"wrapped in {decision.summary}")
        elif prop != "set":
            lines.append(decision.summary)
    return "\n".join(lines)


def _std(row: Row) -> str:
    if row.moments is None:
        return ""
    return "" if row.moments.std == 0 else shown(float(row.moments.std))


def _rule(decision: Decision | None) -> Text:
    if decision is None:
        return Text("")
    text = Text(decision.rule)
    return text.append(" locked", style="bold") if decision.lock else text


def _losers(decision: Decision | None) -> Text:
    return Text(", ".join(loser.rule for loser in decision.losers) if decision else "", style="strike")


def _counts(plan: PlanData, hidden: int) -> Text:
    parameters = [row for row in plan.rows if not row.parameter.buffer]
    written = sum(1 for row in plan.rows if row.value is not None and row.value.writes)
    kept = sum(1 for row in plan.rows if row.value is not None and not row.value.writes)
    frozen = sum(1 for row in parameters if row.value is None and row.parameter.frozen)
    missed = len(parameters) - sum(1 for row in parameters if row.value is not None) - frozen
    parts = [f"{len(parameters)} parameters", f"{written} ● written", f"{kept} = kept", f"{missed} ○ without a rule"]
    if frozen:
        parts.append(f"{frozen} ❄ frozen")
    if hidden:
        parts.append(f"{hidden} buffer{'s' * (hidden != 1)} not shown")
    return Text(", ".join(parts))


def _rules_table(tallies: tuple[Tally, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, justify in (("rule", "left"), ("tier", "left"), ("claims", "right"), ("wins", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("the rest goes to", overflow="fold")
    table.add_column("at", no_wrap=True)
    for tally in tallies:
        rest = ", ".join(f"{name} {count}" for name, count in tally.taken.items())
        table.add_row(
            tally.rule,
            _TIERS[tally.tier],
            str(tally.claimed),
            str(tally.won),
            rest,
            Text(tally.span.place, style="dim"),
        )
    return table


def _transfer_view(transfer: Transfer) -> Text:
    """What a checkpoint gives, what does not fit, what is left over in it."""
    text = Text(f"source '{transfer.source}': {len(transfer.taken)} taken, ", style="bold")
    text.append(f"{len(transfer.refused)} refused, {len(transfer.left)} left over\n")
    for path, tensor in transfer.taken:
        text.append(f"  ● {printable(path)}{'' if tensor == path else f' from {printable(tensor)}'}\n", style="green")
    for path, why in transfer.refused:
        text.append(f"  ✗ {printable(path)}: {printable(why)}\n", style="yellow")
    for tensor in transfer.left:
        text.append(f"  ○ {printable(tensor)} is in the file and not taken\n", style="dim")
    return text


def _findings_view(findings: tuple[Finding, ...]) -> Text:
    text = Text()
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    information = [finding for finding in findings if finding.severity is Severity.INFO and finding.code != "contested"]
    contested = sum(1 for finding in findings if finding.code == "contested")
    for finding in [*serious, *information[:MOST_INFORMATION]]:
        text.append(finding.severity.value, style=_STYLE[finding.severity])
        text.append(f" {_marked(finding).removeprefix(finding.severity.value).lstrip()}\n")
    if len(information) > MOST_INFORMATION:
        text.append(f"and {len(information) - MOST_INFORMATION} more findings; --format json has all\n", style="dim")
    if contested:
        text.append(f"{contested} contested overlap{'s' * (contested != 1)}, see 'over'\n", style="dim")
    return text


def _marked(finding: Finding) -> str:
    """One finding with its severity and code."""
    lines = str(finding).split("\n")
    if finding.severity is Severity.INFO:
        lines = lines[:1]
    return "\n".join([f"{finding.severity.value} {lines[0]} [{finding.code}]", *lines[1:]])
