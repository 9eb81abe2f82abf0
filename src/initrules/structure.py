"""Where a document leaves the schema: jsonschema's errors with their places, in the words of rule files.

Every problem is told at once and each once: a misspelt key is not also a missing one. ``x-noun``,
``x-wants`` and ``x-hints`` in the schema say what a key is called, what a value should be, and where
a misplaced key belongs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema

from initrules.actions.table import BUILTIN, Tables
from initrules.document import MappingNode, Node, ScalarNode, SequenceNode, plain
from initrules.errors import RuleError, SchemaError, nearest, suggestion
from initrules.schema import NAME, VARIABLE, json_schema
from initrules.source import Span


def problems(root: MappingNode, tables: Tables = BUILTIN) -> list[tuple[RuleError, Node | None]]:
    """Every place where a document leaves the schema, each with the node that cannot be read on.

    An unknown key spoils nothing beside it, so it comes without a node.
    """
    return departures(root, json_schema(tables))


def departures(root: MappingNode, schema: Mapping[str, Any]) -> list[tuple[RuleError, Node | None]]:
    """The same for documents of any schema that is made like that of rule files."""
    validator = jsonschema.Draft202012Validator(dict(schema))
    index: dict[int, dict[str, tuple[ScalarNode, Node]]] = {}
    found: list[tuple[RuleError, Node | None]] = []
    for error in validator.iter_errors(plain(root)):
        place = _locate(root, list(error.absolute_path), index)
        spoiled = None if error.validator == "additionalProperties" else place.node
        found.extend((problem, spoiled) for problem in _explain(error, place))
    return found


def is_sound(node: Node, broken: frozenset[int]) -> bool:
    """Whether nothing is wrong at or below a node; ``broken``: the ids of the nodes that cannot be read on."""
    if id(node) in broken:
        return False
    match node:
        case MappingNode(entries=entries):
            return all(is_sound(value, broken) for _, value in entries)
        case SequenceNode(items=items):
            return all(is_sound(item, broken) for item in items)
        case _:
            return True


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, the key above it, and whether it is an entry of a list under that key."""

    node: Node
    key: ScalarNode | None = None
    entry: bool = False

    @property
    def span(self) -> Span:
        return self.node.span

    @property
    def value(self) -> str:
        assert self.key is not None  # the file itself is a mapping
        return f"{'an entry' if self.entry else 'the value'} of '{self.key.text}'"


def _locate(root: Node, path: list[str | int], index: dict[int, dict[str, tuple[ScalarNode, Node]]]) -> _Place:
    place = _Place(root)
    for step in path:
        node = place.node
        if isinstance(node, MappingNode):
            if id(node) not in index:
                index[id(node)] = {name.text: (name, value) for name, value in node.entries}
            key, value = index[id(node)][str(step)]
            place = _Place(value, key)
        else:
            assert isinstance(node, SequenceNode)
            place = _Place(node.items[int(step)], place.key, entry=True)
    return place


def _explain(error: Any, place: _Place) -> Iterator[RuleError]:
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(error.schema, place.node)
        case "required":
            yield from _missing_keys(error, place)
        case "type":
            message = f"{place.value} must be {_wanted(error)}, not {_found(place.node)}"
            yield SchemaError(message, place.span, _type_hint(error, place))
        case "enum":
            assert place.key is not None
            choices = [str(choice) for choice in error.validator_value]
            text = place.node.text if isinstance(place.node, ScalarNode) else ""
            message = f"unknown value of '{place.key.text}': {_found(place.node)}"
            yield SchemaError(message, place.span, suggestion(text, choices))
        case "const":
            yield _another_version(error.validator_value, place)
        case "minimum" | "maximum":
            least = error.validator == "minimum"
            message = f"{place.value} must be {'at least' if least else 'at most'} {error.validator_value}"
            yield SchemaError(f"{message}, not {_found(place.node)}", place.span, "Write a number in that range.")
        case "pattern":
            name = error.instance
            span = place.node.key_span(name) if isinstance(place.node, MappingNode) else place.span
            yield SchemaError(f"'{name}' is no valid name", span, _NAMING[error.validator_value])
        case "maxProperties":
            noun = error.schema["x-noun"]
            hint = "Chain them in a list, or indent an argument below its action."
            hint = hint if noun == "action" else "Choose one."
            yield SchemaError(f"{len(error.instance)} {noun}s in one mapping", place.span, hint)
        case "minItems" | "maxItems" if error.validator_value == 2:
            yield SchemaError(f"{place.value} must be a list of two numbers", place.span, "Write [low, high].")
        case _:
            hint = "Leave the key out, or say something under it."
            if place.key and place.key.text == "select":
                hint = 'To select every module write "**".'
            yield SchemaError(f"{place.value} is empty", place.span, hint)


def _another_version(wanted: int, place: _Place) -> SchemaError:
    assert place.key is not None
    return SchemaError(
        f"the format version must be the number {wanted}, not {_found(place.node)}",
        place.span,
        f"This program reads version {wanted}: write '{place.key.text}: {wanted}'.",
    )


_NAMING = {
    NAME: "A name has small letters, digits and '-': 'policy-head'.",
    VARIABLE: "A variable has letters, digits and '_', and does not begin with a digit: 'hidden_gain'.",
}


def _unknown_keys(schema: Mapping[str, Any], node: Node) -> Iterator[RuleError]:
    known, noun = schema["properties"], schema.get("x-noun", "key")
    for key, _ in node.entries if isinstance(node, MappingNode) else ():
        if key.text not in known:
            hint = schema.get("x-hints", {}).get(key.text) or (
                suggestion(key.text, known) if known else "It takes none."
            )
            message = f"unknown {noun}: '{key.text}'" if " " in noun else f"unknown {noun} '{key.text}'"
            yield SchemaError(message, key.span, hint)


def _missing_keys(error: Any, place: _Place) -> Iterator[RuleError]:
    """All missing keys at the first of jsonschema's errors, but for those that stand there misspelt."""
    properties = error.schema["properties"]
    missing = [name for name in error.validator_value if name not in error.instance]
    if not error.message.startswith(f"'{missing[0]}'"):
        return
    misspelt = {nearest(name, properties) for name in error.instance if name not in properties}
    missing = [name for name in missing if name not in misspelt]
    if not missing:
        return
    noun, key = error.schema["x-noun"], place.key
    listed = " and ".join(f"'{name}'" for name in missing)
    if key and noun.startswith("argument"):
        written = ", ".join(f"{name}: ..." for name in missing)
        yield SchemaError(f"'{key.text}' needs {listed}", key.span, f"Write {{{key.text}: {{{written}}}}}.")
        return
    span = key.span if key and not place.entry else place.span
    hint = "Add " + " and ".join(f"'{name}: ...'" for name in missing) + "."
    version = next((f"{name}: {properties[name]['const']}" for name in missing if "const" in properties[name]), None)
    if version and len(missing) == 1:
        hint = f"Begin the file with '{version}'."
    yield SchemaError(f"missing {noun}: {listed}", span, hint)


_TYPE_WORDS = {
    "object": "a mapping", "array": "a list", "string": "text", "number": "a number",
    "integer": "a whole number", "boolean": "true or false",
}  # fmt: skip
_TOGETHER = {
    frozenset({"number", "string"}): "a number or an expression",
    frozenset({"integer", "string"}): "a whole number or an expression",
    frozenset({"boolean", "string"}): "true, false or an expression",
    frozenset({"number", "string", "boolean"}): "a number, true, false or an expression",
}


def _kinds(error: Any) -> list[str]:
    wanted = error.validator_value
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _wanted(error: Any) -> str:
    kinds = _kinds(error)
    words = [_TYPE_WORDS[kind] for kind in kinds]
    plain_words = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    return str(error.schema.get("x-wants") or _TOGETHER.get(frozenset(kinds), plain_words))


def _found(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    if node.value is None:
        return "nothing"
    return f"'{node.text}'" if node.plain else f"the text '{node.text}'"


def _type_hint(error: Any, place: _Place) -> str:
    kinds, node, schema = _kinds(error), place.node, error.schema
    scalar = node if isinstance(node, ScalarNode) else None
    if str(schema.get("x-noun", "")).startswith("argument of") and place.key:
        return _call_hint(place.key.text, schema, scalar)
    if schema.get("x-noun") == "parametrization":
        return suggestion("", schema["properties"])
    if scalar and scalar.value is None:
        return f"Leave the {'entry' if place.entry else 'key'} out if there is nothing to say."
    if scalar and isinstance(scalar.value, bool) and "number" in kinds:
        return "Write 1 for true, 0 for false."
    if scalar and {"integer", "boolean"} & set(kinds) and "number" not in kinds:
        return "Write a whole number." if "integer" in kinds else "Write true or false."
    if scalar and scalar.plain and "string" in kinds and "number" not in kinds:
        return f"As text it stands in quotes: '{scalar.text}'."
    if kinds == ["object"]:
        return "Write entries of the form 'key: value' under it."
    if kinds == ["array"]:
        return "Write a list: [a, b], or a line for each entry that begins with '- '."
    return "Write one value of that kind."


def _call_hint(name: str, schema: Mapping[str, Any], given: ScalarNode | None) -> str:
    known = [*schema["required"], *schema["properties"]]
    if not known:
        return f"It takes no arguments: write '{name}' alone."
    value = given.text if given and given.value is not None else "..."
    return f"Name the argument: {{{name}: {{{known[0]}: {value}}}}}."
