"""The structure of rule files as a JSON schema, generated from the tables that the loader uses.

The schema has no ``anyOf``: a value that may be a word, a number or a mapping lists all three types,
and keywords for mappings say nothing about the others. So a typo gets one precise message, and an
editor completes actions and their arguments. ``structure`` turns errors into messages.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from initrules.actions.base import Argument, arguments, extra_argument
from initrules.actions.table import BUILTIN, Table, Tables
from initrules.codes import SILENCEABLE
from initrules.selector import KEYS, NESTED_KEYS, PICKS

Schema = dict[str, Any]
_REASON: Schema = {"type": "string", "minLength": 1, "description": "why that is meant to be"}

FORMAT_VERSION = 1
NAME = r"^[a-z0-9-]+$(?!\n)"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$(?!\n)"
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


def _pick() -> Schema:
    wants = {"x-wants": f"{', '.join(PICKS)} or a whole number"}
    return {"type": ["string", "integer", "array"], "items": {"type": ["string", "integer"], **wants}, "minItems": 1,
            "examples": list(PICKS), **wants}  # fmt: skip


def _selector(keys: tuple[str, ...], own: str) -> Schema:
    nested = {"$ref": "#/$defs/nested"}
    known: dict[str, Schema] = {
        "path": _one_or_many("string"),
        "name": _one_or_many("string"),
        "type": _one_or_many("string"),
        **dict.fromkeys(("parent", "inside", "next", "not"), nested),
        "pick": _pick(),
        "where": _one_or_many("string", "boolean", "number"),
        "frozen": {"type": "boolean"},
    }
    misplaced = dict.fromkeys(set(KEYS) - set(keys), "Move it to the rule's own 'select'.")
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
        **{kind: {"type": "string"} for kind in ("expression", "text", "parameter")},
        "formula": {"type": _NUMBER},
        "literal": {"$ref": "#/$defs/numbers"},
        "names": {"type": ["string", "object"], "additionalProperties": {"type": "string"}},
        "sizes": {"type": [*_NUMBER, "array", "object"], "items": {"type": _NUMBER},
                  "additionalProperties": {"type": _NUMBER}, "minItems": 1, "minProperties": 1},
        "calls": {"$ref": "#/$defs/value"},
    }  # fmt: skip
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
    if extra_argument(action):
        schema["additionalProperties"] = {"$ref": "#/$defs/value"}
    if not action.direct:
        return schema
    if known[action.direct].kind == "literal":
        return {**schema, "type": ["object", "array", *_NUMBER], "items": {"$ref": "#/$defs/numbers"}}
    return {**schema, "type": ["object", *_NUMBER], "x-wants": "a number, an expression or named arguments"}


def _calls(table: Table, noun: str, aliases: Mapping[str, str], *types: str) -> Schema:
    properties = {name: _call(action, name) for name, action in table.items()}
    properties |= {alias: properties[name] for alias, name in aliases.items() if name in properties}
    return {
        **_mapping(noun, properties), "type": ["string", "object", *types], "minProperties": 1, "maxProperties": 1,
        "defaultSnippets": [_snippet(action) for action in table.values()],
    }  # fmt: skip


def _snippet(action: type[Any]) -> Schema:
    """What an editor writes for an action where a value is wanted: its name, or the arguments that it needs.

    ``defaultSnippets`` is an extension that language servers know and validators pass over.
    """
    known = arguments(action)
    groups: tuple[tuple[str, ...], ...] = getattr(action, "together", ())
    needed = [*(name for name, argument in known.items() if argument.required), *(groups[0] if groups else ())]
    body: Any = {action.name: {name: f"${place}" for place, name in enumerate(needed, 1)}} if needed else action.name
    return {"label": action.name, "description": inspect.getdoc(action) or "", "body": body}


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
        "allow": _mapping("code of a finding", dict.fromkeys(sorted(SILENCEABLE), _REASON), minProperties=1,
                          description="findings about the rule that are meant to be, each with its reason"),
    }  # fmt: skip
    hints = {"lock": "Only an entry of 'rules' can be locked."} if default else {}
    if not default:
        keys["lock"] = {"type": "boolean", "description": "stronger than every rule"}
    return _mapping("key of a rule", keys, ("rule", "select"), **{"x-hints": hints})


EXPECTATION: Mapping[str, Schema] = MappingProxyType(
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
        "after": {"type": ["integer", "string"]},
    }
)


_VARIABLE: Schema = {
    "type": ["number", "string", "boolean", "array"],
    "items": {"type": _NUMBER},
    "x-wants": "a number, a list of numbers, true, false or an expression",
}


@functools.lru_cache(maxsize=8)
def json_schema(tables: Tables = BUILTIN) -> Schema:
    """The schema of rule files with these actions, draft 2020-12."""
    value = _calls(tables.actions, "action", tables.aliases, "number", "array")
    wants = {"x-wants": "an action or an expression"}
    step = {"$ref": "#/$defs/value", "type": ["string", "object", "number"], **wants}  # no list in a list
    value |= {"items": step, "minItems": 1, **wants}
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
                "vars": {"type": "object", "propertyNames": {"pattern": VARIABLE}, "additionalProperties": _VARIABLE},
                "sources": {"type": "object", "additionalProperties": _mapping(
                    "key of a source", {"file": {"type": "string"}, "key": {"type": "string"}}, ("file",))},
                "defaults": _many(_rule(tables, default=True)),
                "rules": _many(_rule(tables, default=False)),
                "expect": _many(_mapping("key of an expectation", EXPECTATION)),
                "remove": names,
                "unlock": names,
            },
            ("initrules",),
        ),
        "$defs": {
            "select": _selector(KEYS, "#/$defs/select"),
            "nested": _selector(NESTED_KEYS, "#/$defs/nested"),
            "value": value,
            "numbers": {"type": [*_NUMBER, "array"], "items": {"$ref": "#/$defs/numbers"}, "minItems": 1},
            "parametrization": _calls(tables.parametrizations, "parametrization", {}),
        },
    }  # fmt: skip
