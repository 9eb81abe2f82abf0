"""Calls evaluated for one parameter: arguments become values, captures are filled in."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from initrules.actions.base import Argument, arguments, extra_argument
from initrules.actions.computed import Formula
from initrules.actions.copied import Copy, Load, renamed
from initrules.calls import Call, Given
from initrules.errors import EvaluationError
from initrules.evaluation import Scope, evaluate
from initrules.expression import INDICES, Expression, dotted
from initrules.folding import bound
from initrules.source import Span

_CAPTURE = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")


def bind(call: Call, scope: Scope) -> Any:
    """The action with its arguments as values. Raises ``EvaluationError`` with the place."""
    known, extra = arguments(call.action), extra_argument(call.action)
    values: dict[str, Any] = {}
    named: dict[str, Any] = {}
    for name, given in call.given.items():
        argument = known.get(name)
        if argument is not None:
            values[argument.field or name] = _value(name, argument, given, scope, call.span)
        else:
            named[name] = _value(name, extra, given, scope, call.span)
    if extra is not None:
        values[extra.field] = tuple(named.items())
    return _looked_up(call.action(**values), scope)


def _value(name: str, argument: Argument | None, given: Given, scope: Scope, span: Span) -> Any:
    kind = argument.kind if argument else "calls"
    match kind, given:
        case (("calls" | "named"), tuple()):
            return tuple(bind(call, scope) for call in given if isinstance(call, Call))
        case "names", Mapping():
            return renamed(scope.path, {old: _filled(str(new), scope, span) for old, new in given.items()})
        case (("text" | "parameter" | "names"), str()):
            return _filled(given, scope, span)
        case _, str():
            return given
        case "sizes", Expression():
            return (("", _size(given, scope)),)
        case "sizes", tuple():
            return tuple((f"{position}", _size(item, scope)) for position, item in enumerate(given))
        case "sizes", Mapping():
            return tuple((part, _size(item, scope)) for part, item in given.items())
        case _, tuple():
            return tuple(_value(name, argument, item, scope, span) for item in given)
        case "expression", Expression():
            return bound(given, scope, {"x"})
        case "formula", Expression():
            return bound(given, scope, {*INDICES}, lambda text: _is_tensor(text, scope))
    assert isinstance(given, Expression)
    assert argument is not None
    value = evaluate(given, scope)
    problem = argument.problem(value)
    if problem:
        raise EvaluationError(f"'{name}' {problem}", given.span, f"{name}: {argument.doc}.")
    return int(value) if kind == "integer" else value  # type: ignore[arg-type]


def _size(given: Given, scope: Scope) -> int:
    assert isinstance(given, Expression)
    value = evaluate(given, scope)
    if isinstance(value, bool | str | tuple) or value != int(value) or value < 0:
        hint = "Sizes count the entries of each part along one dimension."
        raise EvaluationError(f"a size must be a whole number, not {value}", given.span, hint)
    return int(value)


def _filled(text: str, scope: Scope, span: Span) -> str:
    """``text`` with every ``<capture>`` replaced by what it bound."""

    def fill(found: re.Match[str]) -> str:
        value = scope.values.get(found[1])
        if value is None:
            hint = "Bind it in every selector of the rule."
            raise EvaluationError(f"'<{found[1]}>' in '{text}' is not bound by the selector", span, hint)
        return str(value)

    return _CAPTURE.sub(fill, text)


def captures_in(text: str) -> list[str]:
    """The names of the captures that a text uses."""
    return _CAPTURE.findall(text)


def _is_tensor(text: str, scope: Scope) -> bool:
    owner, _, name = text.partition(".")
    return owner == "parts" or (owner == "module" and name in scope.siblings and not scope.has(owner, name))


def _looked_up(action: Any, scope: Scope) -> Any:
    """Actions that take values from elsewhere learn what is there."""
    match action:
        case Copy(of=of):
            wanted = f"{scope.owner}{of}".lstrip(".") if of.startswith(".") else of
            found = scope.find(wanted) if scope.find else None
            return replace(action, of=found[0], shape=found[1]) if found else replace(action, of=wanted)
        case Load(source=source, tensor=tensor):
            name = tensor or scope.path
            catalog = scope.catalogs.get(source, {})
            return replace(action, tensor=name, found=catalog.get(name))
        case Formula(value=value):
            return replace(action, reading=tuple(_reading(value, scope)))
        case _:
            return action


def _reading(value: str, scope: Scope) -> list[tuple[str, str]]:

    names = {
        ".".join(dotted(node) or ())
        for node in ast.walk(ast.parse(value, mode="eval"))
        if isinstance(node, ast.Attribute)
    }
    return [
        (name, name if name.startswith("parts.") else scope.siblings[name.removeprefix("module.")])
        for name in sorted(names)
    ]
