"""What differs between plans, as text, Markdown and JSON."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.text import Text

from initrules.difference import Change, Side, tally
from initrules.errors import printable
from initrules.report.columns import Cell, parts, table, words
from initrules.report.markdown import Table, code, document, plain
from initrules.report.text import LEAST_WIDTH

_ABSENT = "does not exist"


def text(versions: Sequence[str], changes: Sequence[Change], *, width: int = 140) -> str:
    """A table as plain text: one row for each changed group, one column for each version, and why."""
    console = Console(file=io.StringIO(), width=max(width, LEAST_WIDTH), color_system=None, legacy_windows=False)
    console.print(view(versions, changes), crop=False)
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in shown.splitlines())


def view(versions: Sequence[str], changes: Sequence[Change]) -> Group:
    """The same for a rich console."""
    if not changes:
        return Group("no decision differs")
    return Group(table([_cells(versions, change) for change in changes]), "", Text(summary(changes)))


def _cells(versions: Sequence[str], change: Change) -> tuple[Cell, ...]:
    return (
        Cell("parameter", tuple((piece, "") for piece in parts(_name(change))), indent=2),
        Cell("what", ((_what(change.prop), ""),)),
        *(
            Cell(printable(name), tuple(_said(side)), indent=2)
            for name, side in zip(versions, change.sides, strict=True)
        ),
        Cell("because", tuple((piece, "") for piece in words(printable(change.why)))),
    )


def summary(changes: Sequence[Change]) -> str:
    """How many parameters differ, by what is decided about them."""
    counts = [f"{count} {_what(prop)}" for prop, count in tally(changes).items()]
    parameters = len({row.path for change in changes for row in change.group.rows})
    return f"{parameters} parameter{'s' * (parameters != 1)} differ{'s' * (parameters == 1)}: {', '.join(counts)}"


def markdown(versions: Sequence[str], changes: Sequence[Change]) -> str:
    """A table for a pull-request comment, cut with a count before it grows too long."""
    if not changes:
        return "No decision differs."
    rows = tuple(
        (code(_name(change)), _what(change.prop), *map(_line, change.sides), plain(change.why)) for change in changes
    )
    header = ("parameter", "what", *map(code, versions), "because")
    return document([summary(changes), Table(header, rows, "groups")])


def as_json(versions: Sequence[str], changes: Sequence[Change]) -> dict[str, Any]:
    """The changes as versioned data."""
    return {
        "initrules-diff": 1,
        "versions": list(versions),
        "changes": [
            {
                "pattern": change.group.pattern,
                "parameters": [row.path for row in change.group.rows],
                "what": change.prop,
                "sides": [None if side is None else {"value": side.summary, "rule": side.rule, "place": side.place}
                          for side in change.sides],
                "why": change.why,
            }
            for change in changes
        ],
    }  # fmt: skip


def _what(prop: str) -> str:
    return {"set": "start", "parametrize": "wrap"}.get(prop, prop)


def _name(change: Change) -> str:
    count = len(change.group.rows)
    return printable(change.group.pattern) + (f" ×{count}" if count > 1 else "")


def _said(side: Side | None) -> Iterator[tuple[str, str]]:
    if side is None:
        yield _ABSENT, "dim"
        return
    yield from ((piece, "bold") for piece in words(printable(side.summary)))
    if side.rule:
        yield from ((piece, "dim") for piece in (f"\n{side.rule} ", *parts(printable(side.place))))


def _line(side: Side | None) -> str:
    if side is None:
        return _ABSENT
    return "<br>".join(map(code, (side.summary, *([f"{side.rule} {side.place}"] if side.rule else []))))
