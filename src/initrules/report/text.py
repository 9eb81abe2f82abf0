"""Plans and findings for the terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from initrules.actions.base import shown
from initrules.cascade import Tier
from initrules.decision import Row, Tally
from initrules.errors import Finding, Severity, printable
from initrules.grouping import Group as RowGroup
from initrules.grouping import group
from initrules.planning import PlanData
from initrules.report.blocks import exceptions
from initrules.report.columns import Cell, hyphens, parts, table, words
from initrules.report.marks import coded
from initrules.report.variables import variables
from initrules.transfer import Transfer

PRECEDENCE = (
    "A locked rule beats rules, rules beat defaults; in one tier the last one wins: base files first, top to bottom."
)
MOST_INFORMATION = 8
MOST_VARIABLES = 12
WIDE = 80  # in a narrower window things stand below one another
LEAST_WIDTH = 60  # in a still narrower window lines are longer than it, rather than names cut to pieces
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
Pieces: TypeAlias = tuple[tuple[str, str], ...]  # text with its style; lines break between pieces
_TIERS = {Tier.DEFAULT: "default", Tier.RULE: "rule", Tier.LOCK: "locked"}


def plan_text(plan: PlanData, *, width: int = 120) -> str:
    """The grouped table, the rules' counts and the findings as plain text."""
    width = max(width, LEAST_WIDTH)
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False, force_terminal=False)
    console.print(plan_view(plan, width=width), crop=False)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def plan_view(plan: PlanData, *, width: int = 120, wrap: bool = False) -> Group:
    """Everything ``plan`` prints, for a rich console. ``wrap``: long messages are broken where a line ends."""
    groups = marked(plan)
    odd = exceptions([one for one, _ in groups])
    looks = [_look(one, mark, odd.get(one.pattern, "")) for one, mark in groups]
    narrow = width < WIDE
    return Group(
        table([_narrow_cells(look) if narrow else _cells(look) for look in looks]),
        Text(counts(plan)),
        *_rules_view(plan, narrow=narrow),
        *_variables_view(plan),
        Text(PRECEDENCE, style="dim"),
        *(_transfer_view(transfer) for transfer in plan.transfers),
        *_findings_view(plan.findings, width if wrap else None),
        *_silenced_view(len(plan.silenced)),
    )


def _silenced_view(count: int) -> Iterator[Text]:
    if count:
        yield Text(f"{_many(count, 'finding')} silenced by 'allow'; lint --silenced lists them", style="dim")


def marked(plan: PlanData) -> list[tuple[RowGroup, Severity | None]]:
    """All that is shown in groups, in order; those in an error, and those with a warning, among themselves."""
    worst: dict[str, Severity] = {}
    for finding in plan.findings:
        for path in finding.parameters if finding.severity is not Severity.INFO else ():
            worst.setdefault(path, finding.severity)  # the findings come with the worst first
    rows = shown_rows(plan)
    position = {row.path: at for at, row in enumerate(rows)}
    found = [
        (one, severity)
        for severity in (None, Severity.WARNING, Severity.ERROR)
        for one in group([row for row in rows if worst.get(row.path) is severity])
    ]
    return sorted(found, key=lambda one: position[one[0].first.path])


def shown_rows(plan: PlanData) -> list[Row]:
    """Every parameter, and the buffers that some rule decides."""
    return [row for row in plan.rows if not row.parameter.buffer or row.decisions]


class _Look(NamedTuple):
    """A group in pieces of text with their styles."""

    row: Row
    symbol: Pieces
    name: Pieces
    value: Pieces
    rule: Pieces
    losers: Pieces


def _look(one: RowGroup, mark: Severity | None, odd: str) -> _Look:
    row = one.first
    symbol, style = _symbol(row, mark)
    count = [(f" ×{len(one.rows)}", "bold")] if len(one.rows) > 1 else []
    apart = [(" ← ", "magenta"), *((piece, "magenta") for piece in words(f"differs from {odd}"))] if odd else []
    shared = ", ".join(one.also[:6]) + (f" and {len(one.also) - 6} more" if len(one.also) > 6 else "")
    also = [("\n~ also under ", "dim"), *((piece, "dim") for piece in words(printable(shared)))] if shared else []
    rule, losers = row.value.rule if row.value else "", row.value.losers if row.value else ()
    lock = [(" locked", "bold")] if row.value and row.value.lock else []
    return _Look(
        row,
        ((symbol, style),),
        (*((piece, "") for piece in parts(printable(one.pattern))), *count, *apart, *also),
        tuple((piece, style) for piece in words(value_text(row))),
        (*((piece, "") for piece in hyphens(rule)), *lock),
        tuple((piece, "strike") for piece in hyphens(", ".join(loser.rule for loser in losers))),
    )


def _cells(look: _Look) -> tuple[Cell, ...]:
    return (
        Cell("", look.symbol),
        Cell("parameter", look.name, indent=2),
        Cell("shape", ((shape_text(look.row), ""),)),
        Cell("fans", tuple((piece, "") for piece in words(fans_text(look.row)))),
        Cell("starts as", look.value),
        Cell("std", ((std_text(look.row), ""),), right=True),
        Cell("by rule", look.rule),
        Cell("over", look.losers),
    )


def _narrow_cells(look: _Look) -> tuple[Cell, ...]:
    """What stands in columns of its own in a wide window, below one another."""
    shape = f"\n{shape_text(look.row)}"
    fans, std = fans_text(look.row), std_text(look.row)
    more = [f"\nstd {std}"] if std and f"std={std}" not in value_text(look.row) else []
    by = [("\nby ", "dim"), *look.rule] if look.rule else []
    over = [(" over ", "dim"), *look.losers] if look.losers else []
    return (
        Cell("", look.symbol),
        Cell("parameter", (*look.name, (f"{shape} ", "dim"), *((piece, "dim") for piece in words(fans))), indent=2),
        Cell("starts as", (*look.value, *((piece, "") for piece in more), *by, *over), indent=2),
    )


def _rule_cells(tally: Tally) -> tuple[Cell, ...]:
    return (*_narrow_rule_cells(tally, place=False),
            Cell("at", tuple((piece, "dim") for piece in parts(printable(tally.span.place)))))  # fmt: skip


def _narrow_rule_cells(tally: Tally, *, place: bool = True) -> tuple[Cell, ...]:
    rest = ", ".join(f"{name} {count}" for name, count in tally.taken.items())
    below = parts(f"\n{printable(tally.span.place)}") if place else []
    return (
        Cell("rule", (*((piece, "") for piece in hyphens(tally.rule)), *((piece, "dim") for piece in below))),
        Cell("tier", ((_TIERS[tally.tier], ""),)),
        Cell("claims", ((str(tally.claimed), ""),), right=True),
        Cell("wins", ((str(tally.won), ""),), right=True),
        Cell("the rest goes to", tuple((piece, "") for piece in hyphens(rest))),
    )


def _rules_view(plan: PlanData, *, narrow: bool) -> Iterator[Text | Table]:
    """How each rule fared."""
    if plan.tallies:
        yield Text("")
        yield table([_narrow_rule_cells(tally) if narrow else _rule_cells(tally) for tally in plan.tallies])


def _variables_view(plan: PlanData) -> Iterator[Text]:
    """Each variable with its value and its origin, one to a line."""
    known = list(variables(plan))
    for one in known[:MOST_VARIABLES]:
        value = f" = {one.value}" if one.value else ""
        yield Text(printable(f"with {one.name} = {one.written}{value}   {one.origin}".rstrip()))
    if len(known) > MOST_VARIABLES:
        yield Text(f"and {len(known) - MOST_VARIABLES} more variables; --format json has all", style="dim")


def _symbol(row: Row, mark: Severity | None) -> tuple[str, str]:
    if row.value is None:
        broken = mark is Severity.ERROR
        return ("❄", "blue") if row.parameter.frozen else ("○", "bold red" if broken else "yellow")
    if mark is not None:
        return ("✗", "bold red") if mark is Severity.ERROR else ("!", "yellow")
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
    told = [total, f"{written} ● written", f"{len(decided) - written} = kept", f"{missed} ○ without a rule"]
    warned = {path for f in plan.findings if f.severity is Severity.WARNING for path in f.parameters} - problems
    if warned:
        told.append(f"{len(warned)} ! with a warning")
    if broken:
        told.append(f"{broken} ✗ in error")
    if frozen:
        told.append(f"{frozen} ❄ frozen")
    if hidden:
        told.append(f"{_many(hidden, 'buffer')} not shown")
    return ", ".join(told)


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


def _findings_view(findings: Sequence[Finding], width: int | None) -> Iterator[Text]:
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    known = [finding for finding in findings if finding.severity is Severity.INFO]
    information = [finding for finding in known if finding.code not in _COUNTED or finding.hint]
    counted = {code: sum(1 for f in known if f.code == code and not f.hint) for code in _COUNTED}
    if serious or information:
        yield Text("")
    for finding in [*serious, *information[:MOST_INFORMATION]]:
        severity = finding.severity.value
        text = Text(no_wrap=True, overflow="ignore")  # marks stay in place
        text.append(severity, style=_STYLE[finding.severity])
        told = coded(finding).removeprefix(severity)
        yield text.append("\n".join(_within(told.split("\n"), width - len(severity))) if width else told)
    if len(information) > MOST_INFORMATION:
        yield Text(f"and {len(information) - MOST_INFORMATION} more findings; --format json has all", style="dim")
    for code, number in counted.items():
        if number:
            yield Text(_COUNTED[code](number), style="dim")


def _within(lines: Sequence[str], width: int) -> Iterator[str]:
    """A message, the source line with its mark, and the way out, in lines of a width."""
    excerpt = lines[1:3] if len(lines) > 2 and lines[2].strip("^ ") == "" else []
    first = textwrap.wrap(lines[0], width, subsequent_indent="  ", break_long_words=False, drop_whitespace=False)
    yield from (line.rstrip() for line in first)
    if excerpt:
        start = max(0, len(excerpt[1]) - width) if len(excerpt[0]) > width else 0
        yield from (f"    {line[4 + start :][: width - 4]}".rstrip() for line in excerpt)
    for line in lines[1 + len(excerpt) :]:
        yield from textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False)
