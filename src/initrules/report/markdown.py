"""Plans and findings as Markdown for a pull-request comment: at most 60 kB, cut between rows with a count.

GitHub takes comments of up to 65,536 characters. Names stand in code spans, so that a name from a
file or a model is neither a link nor a mention nor HTML.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from initrules.cascade import Tier
from initrules.decision import Tally
from initrules.errors import Finding, printable
from initrules.grouping import Group, group
from initrules.planning import PlanData
from initrules.report.text import PRECEDENCE, counts, shape_text, shown_rows, std_text, value_text

LIMIT = 60_000  # bytes
_RESERVE = 100  # for each table: the count of what is left out
_TIERS = {Tier.DEFAULT: "default", Tier.RULE: "rule", Tier.LOCK: "locked"}


@dataclass(frozen=True, slots=True)
class Table:
    """One table: cells are Markdown already. ``noun``: what a row is, to count those left out."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    noun: str


def document(parts: Sequence[str | Table], limit: int = LIMIT) -> str:
    """Paragraphs and tables one after another, in at most ``limit`` bytes: tables are cut between two rows.

    Paragraphs are short, and all are kept; each table has what those before it left.
    """
    tables = sum(1 for part in parts if isinstance(part, Table))
    left = limit - _RESERVE * tables - sum(_size(part) + 2 for part in parts if isinstance(part, str))
    blocks: list[str] = []
    for part in parts:
        block = part if isinstance(part, str) else "\n".join(_cut(part, left))
        left -= 0 if isinstance(part, str) else _size(block) + 2
        blocks += [block] if block else []
    return "\n\n".join(blocks)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))


def _cut(table: Table, room: int) -> list[str]:
    """The lines of a table that fit, and how many rows do not."""
    lines = [_line(table.header), f"|{'---|' * len(table.header)}"]
    left = room - sum(_size(line) + 1 for line in lines)
    for position, row in enumerate(table.rows):
        line = _line(row)
        left -= _size(line) + 1
        if left < 0:
            more = f"and {len(table.rows) - position:,} more {table.noun}"
            return [*lines, "", more] if position else [more]
        lines.append(line)
    return lines if table.rows else []


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """A code span, whatever the text holds; empty for no text."""
    if not text:
        return ""
    told = printable(text).replace("|", "\\|")
    longest = max(map(len, re.findall("`+", told)), default=0)
    fence, pad = "`" * (longest + 1), " " if told[0] == "`" or told[-1] == "`" else ""
    return f"{fence}{pad}{told}{pad}{fence}"


def plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", printable(text)).replace("<", "&lt;").replace("@", "&#64;")


def plan_markdown(plan: PlanData, limit: int = LIMIT) -> str:
    """The counts, the findings that matter, the grouped table and the rules, in the order of their weight."""
    serious = [finding for finding in plan.findings if finding.severity.rank < 2]
    groups = group(shown_rows(plan))
    return document(
        [
            counts(plan),
            *findings_parts(serious),
            Table(
                ("parameter", "shape", "starts as", "std", "by rule", "over"), tuple(map(_group, groups)), "groups"
            ),
            Table(
                ("rule", "tier", "claims", "wins", "the rest goes to", "at"), tuple(map(_tally, plan.tallies)), "rules"
            ),
            PRECEDENCE,
        ],
        limit,
    )  # fmt: skip


def _group(one: Group) -> tuple[str, ...]:
    row = one.first
    count = f" ×{len(one.rows)}" if len(one.rows) > 1 else ""
    rule = row.value.rule if row.value else ""
    losers = ", ".join(code(loser.rule) for loser in row.value.losers) if row.value else ""
    lock = " locked" if row.value and row.value.lock else ""
    started = "<br>".join(code(line) for line in value_text(row).split("\n"))
    return code(one.pattern) + count, shape_text(row), started, std_text(row), code(rule) + lock, losers


def _tally(tally: Tally) -> tuple[str, ...]:
    rest = ", ".join(f"{code(name)} {count}" for name, count in tally.taken.items())
    return (
        code(tally.rule), _TIERS[tally.tier], str(tally.claimed), str(tally.won), rest, code(tally.span.place),
    )  # fmt: skip


def findings_markdown(findings: Sequence[Finding], summary: str, limit: int = LIMIT) -> str:
    """What ``lint`` found as a table."""
    return document([plain(_short(summary)), *findings_parts(findings)], limit)


def findings_parts(findings: Sequence[Finding]) -> list[Table]:
    """Findings with their ways out as one table, or nothing."""
    rows = tuple(
        (
            one.severity.value,
            code(one.code),
            code(one.span.place if one.span else ""),
            plain(_short(one.message)) + (f"<br>{plain(_short(one.hint))}" if one.hint else ""),
        )
        for one in findings
    )
    return [Table(("severity", "code", "at", "what, and the way out"), rows, "findings")] if rows else []


def _short(text: str) -> str:
    return text if len(text) <= 600 else f"{text[:597]}..."
