"""Plans and findings for the terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from rich.console import Console, Group
from rich.text import Text

from initrules.actions.base import shown
from initrules.cascade import Tier
from initrules.decision import Row, Tally
from initrules.errors import Finding, Severity, printable
from initrules.grouping import Group as RowGroup
from initrules.grouping import group
from initrules.planning import PlanData
from initrules.report.columns import Cell, table
from initrules.transfer import Transfer

PRECEDENCE = (
    "A locked rule beats rules, rules beat defaults; inside one tier the last one wins, "
    "base files before the file that extends them, top to bottom."
)
MOST_INFORMATION = 8
LEAST_WIDTH = 80  # in a narrower window lines are longer than it, rather than names cut to pieces
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_TIERS = {Tier.DEFAULT: "default", Tier.RULE: "rule", Tier.LOCK: "locked"}


def plan_text(plan: PlanData, *, width: int = 120) -> str:
    """The grouped table, the rules' counts and the findings as plain text."""
    console = Console(
        file=io.StringIO(), width=max(width, LEAST_WIDTH), color_system=None, legacy_windows=False, force_terminal=False
    )
    console.print(plan_view(plan), crop=False)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def findings_text(findings: Iterable[Finding]) -> str:
    """Findings with their places, source lines and ways out, as plain text."""
    return "\n".join(f"{_marked(finding)}" for finding in findings)


def plan_view(plan: PlanData) -> Group:
    """Everything ``plan`` prints, for a rich console."""
    problems = frozenset(path for finding in plan.errors for path in finding.parameters)
    groups = group(shown_rows(plan), apart=problems)
    return Group(
        table([_cells(one, broken=one.first.path in problems) for one in groups]),
        Text(""),
        Text(counts(plan)),
        Text(""),
        table([_rule_cells(tally) for tally in plan.tallies]),
        Text(PRECEDENCE, style="dim"),
        *(_transfer_view(transfer) for transfer in plan.transfers),
        *_findings_view(plan.findings),
    )


def shown_rows(plan: PlanData) -> list[Row]:
    """Every parameter, and the buffers that some rule decides."""
    return [row for row in plan.rows if not row.parameter.buffer or row.decisions]


def _cells(one: RowGroup, *, broken: bool) -> tuple[Cell, ...]:
    row = one.first
    symbol, style = _symbol(row, broken=broken)
    count = [(f" ×{len(one.rows)}", "bold")] if len(one.rows) > 1 else []
    shared = ", ".join(one.also[:6]) + (f" and {len(one.also) - 6} more" if len(one.also) > 6 else "")
    also = [("\n~ also under ", "dim"), *((piece, "dim") for piece in _words(printable(shared)))] if shared else []
    rule, losers = row.value.rule if row.value else "", row.value.losers if row.value else ()
    lock = [(" locked", "bold")] if row.value and row.value.lock else []
    return (
        Cell("", ((symbol, style),)),
        Cell("parameter", (*((piece, "") for piece in _parts(printable(one.pattern))), *count, *also), indent=2),
        Cell("shape", ((shape_text(row), ""),)),
        Cell("fans", tuple((piece, "") for piece in _words(fans_text(row)))),
        Cell("starts as", tuple((piece, style) for piece in _words(value_text(row)))),
        Cell("std", ((std_text(row), ""),), right=True),
        Cell("by rule", (*((piece, "") for piece in _hyphens(rule)), *lock)),
        Cell("over", tuple((piece, "strike") for piece in _hyphens(", ".join(loser.rule for loser in losers)))),
    )


def _rule_cells(tally: Tally) -> tuple[Cell, ...]:
    rest = ", ".join(f"{name} {count}" for name, count in tally.taken.items())
    return (
        Cell("rule", tuple((piece, "") for piece in _hyphens(tally.rule))),
        Cell("tier", ((_TIERS[tally.tier], ""),)),
        Cell("claims", ((str(tally.claimed), ""),), right=True),
        Cell("wins", ((str(tally.won), ""),), right=True),
        Cell("the rest goes to", tuple((piece, "") for piece in _hyphens(rest))),
        Cell("at", tuple((piece, "dim") for piece in _parts(printable(tally.span.place)))),
    )


def _parts(name: str) -> list[str]:
    """A name in the pieces between which a line may break: after dots, commas and slashes."""
    return re.findall(r"[^.,/]+[.,/]*|[.,/]+", name)


def _words(text: str) -> list[str]:
    return re.findall(r"\n?[^\s]+[^\S\n]*", text)


def _hyphens(names: str) -> list[str]:
    return re.findall(r"[^\s-]+[-\s]*", names)


def _symbol(row: Row, *, broken: bool) -> tuple[str, str]:
    if row.value is None:
        return ("❄", "blue") if row.parameter.frozen else ("○", "bold red" if broken else "yellow")
    if broken:
        return "✗", "bold red"
    return ("●", "green") if row.value.writes else ("=", "dim")


def fans_text(row: Row) -> str:
    """The fans a value was computed from, and what torch would have read where that differs."""
    used, read = row.value.fans if row.value else None, row.torch_fans
    if used is None:
        return ""
    other = f" ≠ torch {read.fan_in}→{read.fan_out}" if read else ""
    return f"{used.fan_in}→{used.fan_out}{other}"


def shape_text(row: Row) -> str:
    """``64×4``, or what stands for a shape that is none."""
    return "?" if row.parameter.lazy else "×".join(map(str, row.parameter.shape)) or "scalar"


def value_text(row: Row) -> str:
    """Every decision about a parameter, one on each line."""
    lines = ["frozen" if row.parameter.frozen else "no rule"] if row.value is None else [row.value.summary]
    if row.value is not None and any(action.splits(row.target) for action in row.value.actions):
        lines[0] += f" ×{len(row.target.parts)} parts"
    if "parametrize" in row.decisions:
        lines.append(f"wrapped in {row.decisions['parametrize'].summary}")
    lines += [decision.summary for prop, decision in row.decisions.items() if prop not in {"set", "parametrize"}]
    return "\n".join(map(printable, lines))


def std_text(row: Row) -> str:
    """The expected std, unless it is unknown or 0."""
    if row.moments is None:
        return ""
    return "" if row.moments.std == 0 else shown(float(row.moments.std))


def counts(plan: PlanData) -> str:
    """How many parameters there are and what becomes of them; what no table shows is counted too."""
    rows = shown_rows(plan)
    hidden = len(plan.rows) - len(rows)
    problems = {path for finding in plan.errors for path in finding.parameters}
    decided = [row for row in rows if row.value is not None and row.path not in problems]
    written = sum(1 for row in decided if row.value is not None and row.value.writes)
    broken = sum(1 for row in rows if row.value is not None) - len(decided)
    frozen = sum(1 for row in rows if row.value is None and row.parameter.frozen)
    missed = sum(1 for row in rows if row.value is None and not row.parameter.buffer) - frozen
    buffers = sum(1 for row in rows if row.parameter.buffer)
    total = _many(len(rows) - buffers, "parameter") + (f" and {_many(buffers, 'buffer')}" if buffers else "")
    parts = [total, f"{written} ● written", f"{len(decided) - written} = kept", f"{missed} ○ without a rule"]
    if broken:
        parts.append(f"{broken} ✗ in error")
    if frozen:
        parts.append(f"{frozen} ❄ frozen")
    if hidden:
        parts.append(f"{_many(hidden, 'buffer')} not shown")
    return ", ".join(parts)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _transfer_view(transfer: Transfer) -> Text:
    """What a checkpoint gives, what does not fit, what is left over in it."""
    text = Text("\n").append(f"source '{transfer.source}': {len(transfer.taken)} taken, ", style="bold")
    text.append(f"{len(transfer.refused)} refused, {len(transfer.left)} left over\n")
    for path, tensor in transfer.taken:
        text.append(f"  ● {printable(path)}{'' if tensor == path else f' from {printable(tensor)}'}\n", style="green")
    for path, why in transfer.refused:
        text.append(f"  ✗ {printable(path)}: {printable(why)}\n", style="yellow")
    for tensor in transfer.left:
        text.append(f"  ○ {printable(tensor)} is in the file and not taken\n", style="dim")
    if transfer.without:
        count = len(transfer.without)
        named = ", ".join(printable(path) for path in transfer.without)
        text.append(f"  ○ {count} parameter{'s' * (count != 1)} not asked for: {named}\n", style="dim")
    text.right_crop(1)
    return text


# Information that is counted here and listed by lint: the table shows it, or other models need it.
_COUNTED: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "contested": lambda n: f"{_many(n, 'contested overlap')}, see 'over'",
        "unmet-pattern": lambda n: f"{_many(n, 'pattern')} of selectors without a module here; lint lists them",
    }
)


def _findings_view(findings: Sequence[Finding]) -> Iterator[Text]:
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    known = [finding for finding in findings if finding.severity is Severity.INFO]
    information = [finding for finding in known if finding.code not in _COUNTED or finding.hint]
    counted = {code: sum(1 for f in known if f.code == code and not f.hint) for code in _COUNTED}
    if findings:
        yield Text("")
    for finding in [*serious, *information[:MOST_INFORMATION]]:
        severity = finding.severity.value
        text = Text(no_wrap=True, overflow="ignore")  # marks stay in place
        text.append(severity, style=_STYLE[finding.severity])
        yield text.append(_marked(finding).removeprefix(severity))
    if len(information) > MOST_INFORMATION:
        yield Text(f"and {len(information) - MOST_INFORMATION} more findings; --format json has all", style="dim")
    for code, number in counted.items():
        if number:
            yield Text(_COUNTED[code](number), style="dim")


def _marked(finding: Finding) -> str:
    """One finding with its severity and code."""
    lines = str(finding).split("\n")
    if finding.severity is Severity.INFO:
        lines = lines[:1]
    return "\n".join([f"{finding.severity.value} {lines[0]} [{finding.code}]", *lines[1:]])
