"""What an inventory holds, without any rule: parameters in groups, each with the class that owns it."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.console import Group as Screen
from rich.text import Text

from initrules import planning
from initrules.decision import Row
from initrules.errors import printable
from initrules.grouping import Group, group
from initrules.inventory import Inventory
from initrules.report.columns import Cell, parts, table, words
from initrules.report.text import LEAST_WIDTH, shape_text
from initrules.ruleset import RuleSet

_MOST_CLASSES = 12


def contents_text(inventory: Inventory, *, width: int = 140) -> str:
    """The table and what is counted, as plain text."""
    console = Console(file=io.StringIO(), width=max(width, LEAST_WIDTH), color_system=None, legacy_windows=False)
    console.print(contents_view(inventory), crop=False)
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in shown.splitlines())


def contents_view(inventory: Inventory) -> Screen:
    """The same for a rich console."""
    rows = planning.make(RuleSet((), "", ()), inventory).rows
    kinds = {row.path: _kind(inventory, row) for row in rows}
    tables = [table([_cells(one, kinds) for one in _groups(rows, kinds)])] if rows else []
    return Screen(*tables, Text(_counts(rows)), Text(_classes(inventory)))


def _groups(rows: Sequence[Row], kinds: Mapping[str, str]) -> list[Group]:
    """Parameters of one shape in modules of one class, in the order of their first members."""
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(kinds[row.path], []).append(row)
    position = {row.path: at for at, row in enumerate(rows)}
    found = [one for some in by_kind.values() for one in group(some)]
    return sorted(found, key=lambda one: position[one.first.path])


def _kind(inventory: Inventory, row: Row) -> str:
    types = inventory.module_of(row.parameter.names[0].owner).types
    return types[0].name if types else "Module"


def _cells(one: Group, kinds: Mapping[str, str]) -> tuple[Cell, ...]:
    parameter = one.first.parameter
    count = [(f" ×{len(one.rows)}", "bold")] if len(one.rows) > 1 else []
    other = [("\n~ also under ", "dim"), *((piece, "dim") for piece in words(printable(", ".join(one.also))))]
    also = other if one.also else []
    notes = [
        *(["buffer"] if parameter.buffer else []),
        *(["frozen"] if parameter.frozen else []),
        *(f"wrapped in {name}" for name in parameter.parametrized),
    ]
    return (
        Cell("parameter", (*((piece, "") for piece in parts(printable(one.pattern))), *count, *also), indent=2),
        Cell("shape", ((shape_text(one.first), ""),)),
        Cell("dtype", ((parameter.dtype, ""),)),
        Cell("in", ((printable(kinds[one.first.path]), ""),)),
        Cell("note", tuple((piece, "") for piece in words(", ".join(notes)))),
    )


def _counts(rows: Sequence[Row]) -> str:
    buffers = sum(1 for row in rows if row.parameter.buffer)
    known = [row.parameter for row in rows if not row.parameter.buffer]
    entries = sum(math.prod(parameter.shape) for parameter in known if not parameter.lazy)
    more = f", {_many(buffers, 'buffer')}" if buffers else ""
    return f"{_many(len(known), 'parameter')} with {entries:,} entries{more}"


def _classes(inventory: Inventory) -> str:
    """How many modules there are of each class, the commonest first."""
    found = Counter(module.types[0].name if module.types else "Module" for module in inventory.modules)
    named = ", ".join(f"{count} {printable(name)}" for name, count in found.most_common(_MOST_CLASSES))
    more = f" and {len(found) - _MOST_CLASSES} more classes" if len(found) > _MOST_CLASSES else ""
    return f"{_many(len(inventory.modules), 'module')}: {named}{more}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
