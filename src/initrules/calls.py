"""Calls of actions in rule files: read from nodes, evaluated for one parameter.

A bare word is the name of an action; any other scalar is an expression and a constant; a mapping
gives arguments; in a list the first fills and the rest transform.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from initrules import expression
from initrules.actions.base import Argument, arguments, extra_argument
from initrules.actions.table import Tables
from initrules.document import MappingNode, Node, ScalarNode, SequenceNode
from initrules.errors import ActionError, Problems, RuleError, SchemaError, suggestion
from initrules.evaluation import Scope, evaluate
from initrules.expression import Expression
from initrules.selector import spelled
from initrules.source import Span

# A value as written: an expression, a word, nested lists and maps of them, or chains of calls.
Given: TypeAlias = "Expression | str | Call | tuple[Given, ...] | Mapping[str, Given]"

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Call:
    """One action with its arguments as written.

    ``word`` is set when the whole value is a lone word that names no action: a variable, or a typo.
    """

    action: type[Any]
    given: Mapping[str, Given]
    span: Span = field(compare=False)
    text: str = field(compare=False)
    word: str | None = None

    @property
    def transforms(self) -> bool:
        """Whether it changes a value: a transform, or a formula that uses ``x``."""
        value = self.given.get("value")
        if self.action.name == "formula" and isinstance(value, Expression):
            return "x" in value.names
        return bool(getattr(self.action, "transforms", False))

    def expressions(self) -> Iterator[tuple[Expression, tuple[str, ...]]]:
        """Each expression among the arguments, and the names that it may use besides the usual ones."""
        kinds = arguments(self.action)
        for name, value in self.given.items():
            kind = kinds[name].kind if name in kinds else "named"
            yield from _expressions(value, _FREE.get(kind, ()))

    def texts(self) -> Iterator[str]:
        """Each word among the arguments that may hold captures."""
        kinds = arguments(self.action)
        for name, value in self.given.items():
            kind = kinds[name].kind if name in kinds else "named"
            if kind in {"text", "parameter", "names"}:
                yield from (value,) if isinstance(value, str) else value.values()  # type: ignore[union-attr, misc]
            for call in _calls(value):
                yield from call.texts()


# What an argument may name besides variables, captures, facts and objects.
_FREE: Mapping[str, tuple[str, ...]] = {
    "expression": ("x", *expression.FUNCTIONS, "identity"),
    "formula": (*expression.INDICES, "parts"),
}


def _expressions(value: Given, free: tuple[str, ...]) -> Iterator[tuple[Expression, tuple[str, ...]]]:
    match value:
        case Expression():
            yield value, free
        case Call():
            yield from value.expressions()
        case tuple():
            for item in value:
                yield from _expressions(item, free)
        case Mapping():
            for item in value.values():
                yield from _expressions(item, free)


def _calls(value: Given) -> Iterator[Call]:
    match value:
        case Call():
            yield value
        case tuple():
            for item in value:
                yield from _calls(item)
        case Mapping():
            for item in value.values():
                yield from _calls(item)


def nested(calls: Iterable[Call]) -> Iterator[Call]:
    """Calls and the calls among their arguments, outermost first."""
    for call in calls:
        yield call
        for value in call.given.values():
            yield from nested(_calls(value))


def parse_value(node: ScalarNode) -> Expression:
    """The expression that a scalar is: a number, a boolean, or text to parse.

    One whose value is known without a model is computed, so that 1 / 0 is found here.
    """
    value = node.value
    if isinstance(value, int | float) and not -(2**1023) < value < 2**1023:
        raise SchemaError(f"'{node.text}' is not finite", node.span, "Write a finite number.")
    if isinstance(value, bool | int | float):
        return expression.number(value, node.span, node.text)
    found = expression.parse(node.text, node.span)
    if found.closed:
        evaluate(found, Scope())
    return found


def read_calls(prop: str, node: Node, tables: Tables) -> tuple[Call, ...]:
    """The chain of calls that a value of ``set`` or ``parametrize`` is. Raises ``Problems``."""
    reader = _Reader(prop, tables)
    calls = reader.chain(node)
    if reader.problems:
        raise Problems(reader.problems)
    return calls


def read_option(option: str, node: Node, tables: Tables) -> tuple[Call, ...]:
    """The value of one option of ``optimize``, or ``keep``."""
    assert isinstance(node, ScalarNode)
    if node.text == "keep":
        return (Call(tables.actions["keep"], {}, node.span, node.text),)
    reader = _Reader(option, tables)
    calls = (reader.direct(tables.options[option], node),)
    if reader.problems:
        raise Problems(reader.problems)
    return calls


class _Reader:
    def __init__(self, prop: str, tables: Tables) -> None:
        self.noun = "parametrization" if prop == "parametrize" else "action"
        self.table = tables.parametrizations if prop == "parametrize" else tables.actions
        self.aliases = tables.aliases
        self.problems: list[RuleError] = []

    def _action(self, name: str) -> type[Any] | None:
        return self.table.get(self.aliases.get(name, name))

    def chain(self, node: Node) -> tuple[Call, ...]:
        if not isinstance(node, SequenceNode):
            return tuple(call for call in (self._call(node),) if call and self._starts(call))
        calls = []
        for position, item in enumerate(node.items):
            call = self._call(item)
            if call and (self._starts(call) if position == 0 else self._continues(call)):
                calls.append(call)
        return tuple(calls)

    def _starts(self, call: Call) -> bool:
        if not call.transforms:
            return True
        self.problems.append(
            ActionError(
                f"'{call.action.name}' changes a value, and there is none yet",
                call.span,
                f"Begin with a fill, or with what is there: [keep, {call.text}].",
            )
        )
        return False

    def _continues(self, call: Call) -> bool:
        if call.transforms:
            return True
        self.problems.append(
            ActionError(
                f"'{call.text}' gives a new value, so that what stands before it is lost",
                call.span,
                "In a list the first entry fills and the rest transform.",
            )
        )
        return False

    def _call(self, node: Node) -> Call | None:
        if isinstance(node, MappingNode):
            (key, value), *_ = node.entries
            return self._with_arguments(key, value, spelled(node))
        assert isinstance(node, ScalarNode)
        action = self._action(node.text)
        if action is not None:
            return self._checked(Call(action, {}, node.span, node.text))
        if self.noun == "parametrization":
            self.problems.append(
                ActionError(f"unknown parametrization '{node.text}'", node.span, suggestion(node.text, self.table))
            )
            return None
        call = self.direct(self.table["constant"], node)
        is_word = isinstance(node.value, str) and _WORD.fullmatch(node.text)
        return Call(call.action, call.given, call.span, call.text, node.text if is_word else None)

    def direct(self, action: type[Any], node: Node) -> Call:
        """A call whose one argument is given without its name."""
        label = action.direct if action.name == "constant" else action.name
        given = self._given(label, arguments(action)[action.direct], node)
        call = Call(action, {} if given is None else {action.direct: given}, node.span, spelled(node))
        return self._checked(call, complete=given is not None)

    def _with_arguments(self, key: ScalarNode, value: Node, text: str) -> Call | None:
        action = self._action(key.text)
        if action is None:
            return None  # the schema has said so
        if not isinstance(value, MappingNode):
            call = self.direct(action, value)
            return Call(action, call.given, key.span, text)
        known, extra = arguments(action), extra_argument(action)
        given: dict[str, Given] = {}
        for name, node in value.entries:
            argument = known.get(name.text, extra)
            made = self._given(name.text, argument, node) if argument else None
            if made is not None:
                given[name.text] = made
        return self._checked(Call(action, given, key.span, text), complete=len(given) == len(value.entries))

    def _given(self, name: str, argument: Argument, node: Node) -> Given | None:
        match argument.kind, node:
            case (("calls" | "named"), _):
                return self.chain(node) or None
            case (("choice" | "text" | "parameter" | "names"), ScalarNode()):
                return node.text
            case "names", MappingNode():
                return {key.text: value.text for key, value in node.entries if isinstance(value, ScalarNode)}
            case _, SequenceNode():
                return self._all(name, argument, node.items)
            case _, MappingNode():
                values = self._all(name, argument, [value for _, value in node.entries])
                return None if values is None else dict(zip([k.text for k, _ in node.entries], values, strict=True))
        assert isinstance(node, ScalarNode)
        return self._expression(name, argument, node)

    def _all(self, name: str, argument: Argument, nodes: Sequence[Node]) -> tuple[Given, ...] | None:
        made = [self._given(name, argument, node) for node in nodes]
        return tuple(one for one in made if one is not None) if None not in made else None

    def _expression(self, name: str, argument: Argument, node: ScalarNode) -> Expression | None:
        try:
            found = parse_value(node)
        except RuleError as error:
            self.problems.extend(error.problems)
            return None
        is_value = argument.kind not in {"expression", "formula"}
        problem = argument.problem(evaluate(found, Scope())) if is_value and found.closed else None
        if problem:
            self.problems.append(ActionError(f"'{name}' {problem}", node.span, f"{name}: {argument.doc}."))
        return found

    def _checked(self, call: Call, *, complete: bool = True) -> Call:
        if not complete:
            return call
        missing = [name for name, argument in arguments(call.action).items() if argument.required]
        missing = [name for name in missing if name not in call.given]
        if missing:
            listed = ", ".join(f"{name}: ..." for name in missing)
            self.problems.append(
                ActionError(
                    f"'{call.action.name}' needs {' and '.join(repr(m) for m in missing)}",
                    call.span,
                    f"Write {{{call.action.name}: {{{listed}}}}}.",
                )
            )
        self.problems.extend(_combination_problems(call))
        return call


def _combination_problems(call: Call) -> Iterator[ActionError]:
    """Arguments that do not go together, and sets of arguments of which none is complete."""
    name, given = call.action.name, call.given
    groups: tuple[tuple[str, ...], ...] = getattr(call.action, "together", ())
    chosen = [group for group in groups if any(one in given for one in group)]
    if groups and (len(chosen) != 1 or any(one not in given for one in chosen[0])):
        ways = (f"{{{name}: {{{', '.join(f'{one}: ...' for one in group)}}}}}" for group in groups)
        yield ActionError(f"'{name}' needs {_either(groups)}", call.span, f"Write {' or '.join(ways)}.")
    excluding: tuple[tuple[str, ...], ...] = getattr(call.action, "excluding", ())
    clash = [tuple(one for one in group if one in given) for group in excluding]
    clash = [group for group in clash if group]
    if len(clash) > 1:
        yield ActionError(f"'{name}' takes {_either(clash)}, not both", call.span, f"Leave out {_either(clash)}.")


def _either(groups: Iterable[tuple[str, ...]]) -> str:
    return ", or ".join(" and ".join(f"'{name}'" for name in group) for group in groups)
