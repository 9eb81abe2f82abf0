"""What differs between plans, as text, Markdown and JSON."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from initrules.difference import Change, Side, tally
from initrules.errors import printable
from initrules.report.columns import Cell, table
from initrules.report.markdown import Table, code, document


def text(versions: Sequence[str], changes: Sequence[Change], *, width: int = 140) -> str:
    """A table: one row for each changed group, one column for each version."""
    if not changes:
        return "no decision differs"
    rows = [
        (
            Cell("parameter", tuple((piece, "") for piece in _pieces(_name(change)))),
            Cell("what", ((_what(change.prop), ""),)),
            *(Cell(printable(name), tuple((piece, "") for piece in _said(side)))
              for name, side in zip(versions, change.sides, strict=True)),
        )
        for change in changes
    ]  # fmt: skip
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(rows))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join([*(line.rstrip() for line in lines), "", summary(changes)])


def summary(changes: Sequence[Change]) -> str:
    """How many parameters differ, by what is decided about them."""
    counts = [f"{count} {_what(prop)}" for prop, count in tally(changes).items()]
    parameters = len({row.path for change in changes for row in change.group.rows})
    return f"{parameters} parameter{'s' * (parameters != 1)} differ{'s' * (parameters == 1)}: {', '.join(counts)}"


def markdown(versions: Sequence[str], changes: Sequence[Change]) -> str:
    """A table for a pull-request comment, cut with a count before it grows too long."""
    if not changes:
        return "No decision differs."
    rows = tuple((code(_name(change)), _what(change.prop), *map(_line, change.sides)) for change in changes)
    return document([summary(changes), Table(("parameter", "what", *map(code, versions)), rows, "groups")])


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
            }
            for change in changes
        ],
    }  # fmt: skip


def _what(prop: str) -> str:
    return {"set": "start", "parametrize": "wrap"}.get(prop, prop)


def _name(change: Change) -> str:
    count = len(change.group.rows)
    return printable(change.group.pattern) + (f" ×{count}" if count > 1 else "")


def _pieces(name: str) -> list[str]:
    parts = name.split(".")
    return [f"{part}." for part in parts[:-1]] + parts[-1:]


def _said(side: Side | None) -> list[str]:
    if side is None:
        return ["does not exist"]
    where = [f"\n{printable(f'{side.rule} {side.place}')}"] if side.rule else []
    return [printable(side.summary), *where]


def _line(side: Side | None) -> str:
    return "<br>".join(code(piece.strip()) for piece in _said(side)) if side else "does not exist"
