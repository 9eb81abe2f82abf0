"""Plans of several rule sets side by side: one line for each group that every plan decides alike.

``side_by_side`` is the data; the rest shows it as text, Markdown and JSON.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.console import Group as Screen
from rich.text import Text

from initrules.decision import Row
from initrules.difference import essence
from initrules.errors import Finding, printable
from initrules.grouping import Group, group
from initrules.planning import PlanData
from initrules.report.columns import Cell, parts, table, words
from initrules.report.data import finding_json
from initrules.report.markdown import Table as Markdown
from initrules.report.markdown import code, document, findings_parts
from initrules.report.marks import findings_text
from initrules.report.text import LEAST_WIDTH, shape_text, std_text, value_text

_MOST_FINDINGS = 20
DIFFERS, SAME, ABSENT = "≠", " ", "does not exist"


@dataclass(frozen=True, slots=True)
class Line:
    """Parameters that each plan decides alike, and a row of each plan that speaks for all of them.

    ``rows`` stand in the order of the plans; None where the model of that plan has no such parameter.
    ``differs``: whether the values are not the same in all plans, whichever rules give them.
    """

    group: Group
    rows: tuple[Row | None, ...]
    differs: bool


def side_by_side(plans: Sequence[PlanData]) -> tuple[Line, ...]:
    """Every parameter, and the buffers that some rule decides, in the order of the first plan that has them."""
    versions: dict[str, list[Row | None]] = {}
    for at, plan in enumerate(plans):
        for row in plan.rows:
            versions.setdefault(row.path, [None] * len(plans))[at] = row
    alike: dict[Hashable, list[Row]] = {}
    for rows in versions.values():
        first = next(row for row in rows if row is not None)
        if not first.parameter.buffer or any(row is not None and row.decisions for row in rows):
            alike.setdefault((_differ(rows), *map(_look, rows)), []).append(first)
    lines = [_line(one, versions[one.first.path]) for members in alike.values() for one in group(members)]
    position = {path: at for at, path in enumerate(versions)}
    return tuple(sorted(lines, key=lambda line: position[line.group.first.path]))


def _line(one: Group, rows: Sequence[Row | None]) -> Line:
    return Line(one, tuple(rows), _differ(rows))


def _differ(rows: Sequence[Row | None]) -> bool:
    return len({_essence(row) for row in rows}) > 1


def _look(row: Row | None) -> Hashable:
    """What a column shows of a row."""
    if row is None:
        return None
    decided = tuple((prop, one.rule, one.summary) for prop, one in sorted(row.decisions.items()))
    return row.parameter.shape, row.parameter.frozen, decided, std_text(row)


def _essence(row: Row | None) -> Hashable:
    """What counts as a difference: the values, not the rules that give them."""
    if row is None:
        return None
    decided = tuple((prop, essence(one)) for prop, one in sorted(row.decisions.items()))
    return row.parameter.shape, row.value is None, decided


def text(names: Sequence[str], plans: Sequence[PlanData], *, only_differences: bool = False, width: int = 140) -> str:
    """The table, what differs counted, and each plan's findings."""
    width = max(width, LEAST_WIDTH)
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    console.print(view(names, plans, only_differences=only_differences), crop=False)
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in shown.splitlines())


def view(names: Sequence[str], plans: Sequence[PlanData], *, only_differences: bool = False) -> Screen:
    """The same for a rich console."""
    lines = side_by_side(plans)
    shown = [line for line in lines if line.differs or not only_differences]
    parts = [table([_cells(line, names) for line in shown])] if shown else []
    findings = [Text(told, no_wrap=True, overflow="ignore") for told in _findings(names, plans)]
    return Screen(*parts, Text(summary(lines, shown)), *findings)


def summary(lines: Sequence[Line], shown: Sequence[Line]) -> str:
    """How many parameters differ, and how many are not shown."""
    differing = sum(len(line.group.rows) for line in lines if line.differs)
    total = sum(len(line.group.rows) for line in lines)
    hidden = total - sum(len(line.group.rows) for line in shown)
    told = f"{differing} of {total} parameters {DIFFERS} differ{'s' * (differing == 1)}"
    return f"{told}, {hidden} the same and not shown" if hidden else told


def _cells(line: Line, names: Sequence[str]) -> tuple[Cell, ...]:
    first = line.group.first
    style = "bold yellow" if line.differs else ""
    count = [(f" ×{len(line.group.rows)}", "bold")] if len(line.group.rows) > 1 else []
    return (
        Cell("", ((DIFFERS if line.differs else SAME, style),)),
        Cell("parameter", (*((piece, "") for piece in parts(printable(line.group.pattern))), *count), indent=2),
        Cell("shape", ((shape_text(first), ""),)),
        *(
            Cell(printable(name), tuple(_side(row, style)), indent=2)
            for name, row in zip(names, line.rows, strict=True)
        ),
    )


def _side(row: Row | None, style: str) -> Iterator[tuple[str, str]]:
    if row is None:
        yield ABSENT, "dim"
        return
    yield from ((piece, style) for piece in words(value_text(row)))
    std = std_text(row)
    if std and f"std={std}" not in value_text(row):
        yield f"\nstd {std}", "dim"
    if row.value is not None:
        yield f"\n{printable(row.value.rule)}", "dim"


def _findings(names: Sequence[str], plans: Sequence[PlanData]) -> Iterator[str]:
    """What is serious, once for all plans that have it, and the names of those."""
    found: dict[Finding, list[str]] = {}
    for name, plan in zip(names, plans, strict=True):
        for finding in plan.findings:
            if finding.severity.rank < 2:
                found.setdefault(finding, []).append(printable(name))
    for finding, where in list(found.items())[:_MOST_FINDINGS]:
        yield f"\n{findings_text([finding])}\n  In {', '.join(where)}."
    if len(found) > _MOST_FINDINGS:
        yield f"\nand {len(found) - _MOST_FINDINGS} more findings; --format json has all"


def markdown(names: Sequence[str], plans: Sequence[PlanData], *, only_differences: bool = False) -> str:
    """The counts, the findings that matter and the table, for a pull-request comment."""
    lines = side_by_side(plans)
    shown = [line for line in lines if line.differs or not only_differences]
    serious = dict.fromkeys(finding for plan in plans for finding in plan.findings if finding.severity.rank < 2)
    header = ("", "parameter", "shape", *map(code, names))
    rows = tuple(
        (
            DIFFERS if line.differs else "",
            code(line.group.pattern) + (f" ×{len(line.group.rows)}" if len(line.group.rows) > 1 else ""),
            shape_text(line.group.first),
            *("<br>".join(map(code, _told(row))) for row in line.rows),
        )
        for line in shown
    )
    return document([summary(lines, shown), *findings_parts(list(serious)), Markdown(header, rows, "groups")])


def _told(row: Row | None) -> list[str]:
    if row is None:
        return [ABSENT]
    return [*value_text(row).split("\n"), *([f"by {row.value.rule}"] if row.value is not None else [])]


def as_json(names: Sequence[str], plans: Sequence[PlanData], *, only_differences: bool = False) -> dict[str, Any]:
    """The lines as versioned data."""
    return {
        "initrules-environments": 1,
        "environments": [
            {"name": name, "files": list(plan.rules.files), "fingerprint": plan.fingerprint(),
             "findings": [finding_json(finding) for finding in plan.findings]}
            for name, plan in zip(names, plans, strict=True)
        ],
        "groups": [
            {
                "pattern": line.group.pattern,
                "parameters": [row.path for row in line.group.rows],
                "shape": list(line.group.first.parameter.shape),
                "differs": line.differs,
                "sides": [None if row is None else _side_json(row) for row in line.rows],
            }
            for line in side_by_side(plans)
            if line.differs or not only_differences
        ],
    }  # fmt: skip


def _side_json(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {
        prop: {"value": one.summary, "rule": one.rule, "place": one.span.place}
        for prop, one in sorted(row.decisions.items())
    }
    return found | ({} if row.moments is None else {"std": row.moments.std})
