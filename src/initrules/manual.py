"""The manual of the actions, generated from their classes."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from initrules.actions.base import Argument, arguments, shown
from initrules.actions.table import BUILTIN, Table, Tables
from initrules.errors import ActionError, suggestion


def _titled(tables: Tables) -> tuple[tuple[str, Table], ...]:
    return (
        ("Actions", tables.actions),
        ("Parametrizations", tables.parametrizations),
        ("Options of optimize", tables.options),
    )


# What each kind of argument is called; see ``initrules.calls`` for how it is read.
_WORDS = {
    "number": "number", "integer": "whole number", "flag": "true or false", "expression": "expression of x",
    "formula": "expression", "text": "text", "parameter": "name of a parameter", "literal": "nested numbers",
    "names": "text, or a map of prefixes", "sizes": "number, list or map of numbers", "calls": "action",
}  # fmt: skip


def overview(tables: Tables = BUILTIN) -> str:
    """Every action in one line."""
    blocks = []
    for title, table in _titled(tables):
        width = max(len(name) for name in table)
        blocks.append("\n".join([f"{title}:", *(f"  {n:{width}}  {first_line(a)}" for n, a in table.items())]))
    return "\n\n".join(blocks)


def page(name: str, tables: Tables = BUILTIN) -> str:
    """What an action does and takes; several when tables share the name. Raises ``ActionError``."""
    real = tables.aliases.get(name, name)
    found = [_page(table[real]) for _, table in _titled(tables) if real in table]
    if not found:
        known = {n for _, table in _titled(tables) for n in table}
        raise ActionError(f"unknown action '{name}'", hint=suggestion(name, {*known, *tables.aliases}))
    return "\n\n".join(dict.fromkeys(found))


def markdown() -> str:
    """The whole manual as one Markdown page."""
    parts = ["# Actions", "", "Generated from the classes in `src/initrules/actions`."]
    for title, table in _titled(BUILTIN):
        parts += ["", f"## {title}", *_sections(table)]
    return "\n".join([*parts, ""])


def _sections(table: Table) -> list[str]:
    lines: list[str] = []
    for name, action in table.items():
        lines += ["", f"### `{name}`", "", inspect.getdoc(action) or ""]
        known = arguments(action)
        lines += _spellings(action)
        if known:
            lines += ["", "| argument | | default | |", "|---|---|---|---|"]
            lines += [f"| `{key}` | {_kind(one)} | {_default(action, one)} | {one.doc} |" for key, one in known.items()]
    return lines


def _spellings(action: type[Any]) -> list[str]:
    """Other names of an action, and the short form that gives one argument directly."""
    lines = []
    others = [f"`{alias}`" for alias, real in BUILTIN.aliases.items() if real == action.name]
    if others:
        lines += ["", f"Also spelled {' and '.join(others)}."]
    if action.direct in arguments(action):
        lines += ["", f"`{{{action.name}: VALUE}}` gives `{action.direct}` directly."]
    return lines


def first_line(action: type[Any]) -> str:
    """The first sentence of an action's manual."""
    return (inspect.getdoc(action) or "").split("\n")[0]


def _page(action: type[Any]) -> str:
    lines = [action.name, "", inspect.getdoc(action) or ""]
    known = arguments(action)
    if known:
        lines += ["", "Arguments:"]
        lines += [f"  {key}: {_kind(one)}, {_default(action, one)}; {one.doc}" for key, one in known.items()]
    if action.direct:
        lines += ["", f"{{{action.name}: VALUE}} gives '{action.direct}' directly."]
    return "\n".join(lines)


def _kind(argument: Argument) -> str:
    kind = " or ".join(argument.choices) if argument.kind == "choice" else _WORDS.get(argument.kind, argument.kind)
    if argument.minimum is not None:
        return f"{kind} ≥ {argument.minimum:g}"
    return f"{kind} > {argument.above:g}" if argument.above is not None else kind


def _default(action: type[Any], argument: Argument) -> str:
    field = next(f for f in dataclasses.fields(action) if f.name == argument.field)
    if field.default is dataclasses.MISSING:
        return "required"
    return "not set" if field.default is None or field.default == "" else f"default {shown(field.default)}"
