"""The structure of rule files as a JSON schema, generated from the tables that the loader uses.

The schema has no ``anyOf``: a value that may be a word, a number or a mapping lists all three types,
and keywords for mappings say nothing about the others. So a typo gets one precise message, and an
editor completes actions and their arguments. ``x-noun`` says what a key is called in messages.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from initrules.actions.base import Argument, arguments
from initrules.actions.table import BUILTIN, Table, Tables
from initrules.document import MappingNode, Node, ScalarNode, SequenceNode, plain
from initrules.errors import RuleError, SchemaError, suggestion
from initrules.selector import KEYS, NESTED_KEYS, PICKS

Schema = dict[str, Any]

FORMAT_VERSION = 1
NAME = "^[a-z0-9-]+$"
VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
_NUMBER = ["number", "string"]


def _mapping(noun: str, properties: Mapping[str, Any], required: tuple[str, ...] = (), **more: Any) -> Schema:
    return {
        "type": "object", "properties": dict(properties), "required": list(required),
        "additionalProperties": False, "x-noun": noun, **more,
    }  # fmt: skip


def _many(of: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": of, **more}


def _one_or_many(*types: str) -> Schema:
    return {"type": [*types, "array"], "items": {"type": list(types)}, "minItems": 1}


def _selector(keys: tuple[str, ...], own: str) -> Schema:
    nested = {"$ref": "#/$defs/nested"}
    known: dict[str, Schema] = {
        "path": _one_or_many("string"),
        "name": _one_or_many("string"),
        "type": _one_or_many("string"),
        **dict.fromkeys(("parent", "inside", "next", "not"), nested),
        "pick": {**_one_or_many("string", "integer"), "examples": list(PICKS)},
        "where": _one_or_many("string", "boolean", "number"),
        "frozen": {"type": "boolean"},
    }
    misplaced = dict.fromkeys(set(KEYS) - set(keys), "It stands only in the rule's own 'select'.")
    return {
        **_mapping("selector key", {key: known[key] for key in keys}), "type": ["string", "object", "array"],
        "items": {"$ref": own}, "minItems": 1, "minProperties": 1, "x-hints": misplaced,
    }  # fmt: skip


def _argument(argument: Argument) -> Schema:
    kinds: dict[str, Schema] = {
        "number": {"type": _NUMBER},
        "integer": {"type": ["integer", "string"]},
        "flag": {"type": ["boolean", "string"]},
        "choice": {"enum": list(argument.choices)},
        "expression": {"type": "string"},
    }
    return {**kinds[argument.kind], "description": argument.doc}


def _call(action: type[Any], noun: str) -> Schema:
    known = arguments(action)
    required = tuple(name for name, argument in known.items() if argument.required)
    schema = _mapping(
        f"argument of '{noun}'",
        {name: _argument(argument) for name, argument in known.items()},
        required,
        description=inspect.getdoc(action) or "",
    )
    return {**schema, "type": ["object", *_NUMBER]} if action.direct else schema


def _calls(table: Table, noun: str, aliases: Mapping[str, str], *types: str) -> Schema:
    properties = {name: _call(action, name) for name, action in table.items()}
    properties |= {alias: properties[name] for alias, name in aliases.items() if name in properties}
    return {**_mapping(noun, properties), "type": ["string", "object", *types], "minProperties": 1, "maxProperties": 1}


def _rule(tables: Tables, *, default: bool) -> Schema:
    options = {
        name: {"type": [*_NUMBER, "boolean"], "description": inspect.getdoc(option) or ""}
        for name, option in tables.options.items()
    }
    keys: dict[str, Schema] = {
        "rule": {"type": "string", "pattern": NAME, "description": "the rule's unique name"},
        "why": {"type": "string", "description": "why the rule is there, shown by explain"},
        "select": {"$ref": "#/$defs/select"},
        "set": {"type": "object", "additionalProperties": {"$ref": "#/$defs/value"}, "minProperties": 1},
        "parametrize": {"type": "object", "additionalProperties": {"$ref": "#/$defs/parametrization"},
                        "minProperties": 1},
        "optimize": {"type": "object", "additionalProperties": _mapping("option", options, minProperties=1),
                     "minProperties": 1},
        "optional": {"type": "boolean", "description": "the rule may claim nothing"},
        "decides": {"type": _NUMBER, "description": "exactly how many parameters the rule must win"},
    }  # fmt: skip
    hints = {"lock": "Only an entry of 'rules' can be locked."} if default else {}
    if not default:
        keys["lock"] = {"type": "boolean", "description": "stronger than every rule"}
    return _mapping("key of a rule", keys, ("rule", "select"), **{"x-hints": hints})


def _expectation() -> Schema:
    return _mapping(
        "key of an expectation",
        {
            "output": _one_or_many("string"),
            "gradient": _one_or_many("string"),
            "through": {"type": "string"},
            "within": _many({"type": _NUMBER}, minItems=2, maxItems=2),
            "near": {"type": _NUMBER},
            "tolerance": {"type": _NUMBER},
            "varies": {"type": "boolean"},
            "modes": _many({"enum": ["train", "eval"]}, minItems=1),
            "reaches": {"type": "boolean"},
        },
    )


@functools.lru_cache(maxsize=8)
def json_schema(tables: Tables = BUILTIN) -> Schema:
    """The schema of rule files with these actions, draft 2020-12."""
    value = _calls(tables.actions, "action", tables.aliases, "number", "array")
    value |= {"items": {"$ref": "#/$defs/value"}, "minItems": 1}
    names = _many({"type": "string", "pattern": NAME})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "initrules rule file",
        **_mapping(
            "key",
            {
                "initrules": {"const": FORMAT_VERSION, "description": "format version"},
                "about": {"type": "string", "description": "free text"},
                "extends": _one_or_many("string"),
                "unmatched": {"enum": ["keep", "error"]},
                "stream": {"enum": ["keyed", "global"]},
                "order": {"enum": ["registration", "post-order", "rules"]},
                "vars": {
                    "type": "object", "propertyNames": {"pattern": VARIABLE},
                    "additionalProperties": {"type": ["number", "string", "boolean", "array"],
                                             "items": {"type": _NUMBER}},
                },
                "sources": {"type": "object", "additionalProperties": _mapping(
                    "key of a source", {"file": {"type": "string"}, "key": {"type": "string"}}, ("file",))},
                "defaults": _many(_rule(tables, default=True)),
                "rules": _many(_rule(tables, default=False)),
                "expect": _many(_expectation()),
                "remove": names,
                "unlock": names,
            },
            ("initrules",),
        ),
        "$defs": {
            "select": _selector(KEYS, "#/$defs/select"),
            "nested": _selector(NESTED_KEYS, "#/$defs/nested"),
            "value": value,
            "parametrization": _calls(tables.parametrizations, "parametrization", {}),
        },
    }  # fmt: skip


def problems(root: MappingNode, tables: Tables = BUILTIN) -> list[tuple[RuleError, Node | None]]:
    """Every place where a document leaves the schema, each with the node that cannot be read on.

    An unknown key spoils nothing beside it, so it comes without a node.
    """
    validator = jsonschema.Draft202012Validator(json_schema(tables))
    found: list[tuple[RuleError, Node | None]] = []
    for error in validator.iter_errors(plain(root)):
        node, key = _locate(root, list(error.absolute_path))
        spoiled = None if error.validator == "additionalProperties" else node
        found.extend((problem, spoiled) for problem in _explain(error, node, key))
    return found


def _locate(root: Node, path: list[str | int]) -> tuple[Node, ScalarNode | None]:
    node, key = root, None
    for step in path:
        if isinstance(node, MappingNode):
            key, node = next((name, value) for name, value in node.entries if name.text == step)
        elif isinstance(node, SequenceNode) and isinstance(step, int):
            node, key = node.items[step], None
    return node, key


def _explain(error: Any, node: Node, key: ScalarNode | None) -> Iterator[RuleError]:
    where = f" of '{key.text}'" if key else ""
    match error.validator:
        case "additionalProperties" if isinstance(node, MappingNode):
            yield from _unknown_keys(error.schema, node)
        case "required" if isinstance(node, MappingNode):
            yield from _missing_keys(error, node, key)
        case "type":
            yield SchemaError(
                f"the value{where} must be {_types(error.validator_value)}, not {_found(node)}",
                node.span,
                "Leave the key out if there is nothing to say." if _found(node) == "nothing" else None,
            )
        case "enum":
            choices = [str(choice) for choice in error.validator_value]
            yield SchemaError(
                f"unknown value{where}: '{_shown(error.instance)}'",
                node.span,
                suggestion(_shown(error.instance), choices),
            )
        case "const":
            yield SchemaError(
                f"unknown format version {_shown(error.instance)}",
                node.span,
                f"This program reads version {FORMAT_VERSION}: write 'initrules: 1'.",
            )
        case "pattern":
            yield SchemaError(f"'{error.instance}' is no valid name", node.span, _NAMING[error.validator_value])
        case "maxProperties":
            yield SchemaError(
                "two actions in one mapping", node.span, "Chain them in a list: [{first: ...}, {second: ...}]."
            )
        case "minItems" | "maxItems" if error.validator_value == 2:
            yield SchemaError(f"the value{where} must be a list of two numbers", node.span, "Write [low, high].")
        case _:
            yield SchemaError(f"the value{where} is empty", node.span, "Leave the key out, or say something under it.")


_NAMING = {
    NAME: "A name has small letters, digits and '-': 'policy-head'.",
    VARIABLE: "A variable has letters, digits and '_', and does not begin with a digit: 'hidden_gain'.",
}


def _unknown_keys(schema: Any, node: MappingNode) -> Iterator[RuleError]:
    known, noun = schema["properties"], schema.get("x-noun", "key")
    for key, _ in node.entries:
        if key.text not in known:
            hint = schema.get("x-hints", {}).get(key.text) or suggestion(key.text, known)
            yield SchemaError(
                f"unknown {noun}: '{key.text}'" if " " in noun else f"unknown {noun} '{key.text}'", key.span, hint
            )


def _missing_keys(error: Any, node: MappingNode, key: ScalarNode | None) -> Iterator[RuleError]:
    missing = [name for name in error.validator_value if name not in error.instance]
    if not error.message.startswith(f"'{missing[0]}'"):
        return  # jsonschema reports each missing key by itself; all are told at the first
    noun = error.schema.get("x-noun", "key") if hasattr(error.schema, "get") else "key"
    listed = " and ".join(f"'{name}'" for name in missing)
    place = key.span if key else node.span
    if key and noun.startswith("argument"):
        message = f"'{key.text}' needs {listed}"
        hint = f"Write {{{key.text}: {{{', '.join(f'{name}: ...' for name in missing)}}}}}."
    else:
        message = f"missing {noun}: {listed}"
        hint = "Begin the file with 'initrules: 1'." if missing[0] == "initrules" else f"Add '{missing[0]}: ...'."
    yield SchemaError(message, place, hint)


_TYPE_WORDS = {
    "object": "a mapping", "array": "a list", "string": "text", "number": "a number",
    "integer": "a whole number", "boolean": "true or false",
}  # fmt: skip


def _types(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    words = [_TYPE_WORDS[name] for name in names]
    if set(names) == {"number", "string"}:
        return "a number or an expression"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _found(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, SequenceNode):
        return "a list"
    return "nothing" if node.value is None else f"'{node.text}'"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:60]
