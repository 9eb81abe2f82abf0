"""The structure of test files as a JSON schema; values are those of rule files, by the same tables."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from initrules.actions.table import BUILTIN, Tables
from initrules.errors import Severity
from initrules.schema import VARIABLE, json_schema

TEST_VERSION = 1
VERSION_KEY = "initrules-test"
SUFFIXES = (".initrules-test.yaml", ".initrules-test.yml")

_EXPRESSION = ["number", "string"]
_COUNT = {"type": "integer", "minimum": 0}


def _mapping(noun: str, properties: Mapping[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(properties), "required": list(required),
        "additionalProperties": False, "x-noun": noun, **more,
    }  # fmt: skip


def _texts(description: str) -> dict[str, Any]:
    return {"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1, "description": description}


def _near(what: str, share: str) -> dict[str, Any]:
    """A number that a drawn statistic must be near."""
    return {
        **_mapping(
            "key of a statistic",
            {
                "about": {"type": _EXPRESSION, "description": f"the {what}, a number or an expression"},
                "within": {"type": "number", "minimum": 0, "description": f"how far it may be off: {share}"},
            },
            ("about",),
        ),
        "type": ["object", *_EXPRESSION],
        "x-wants": "a number, an expression or {about: ..., within: ...}",
        "description": f"the {what} of the drawn values; without 'within' up to five standard errors off",
    }


# What an entry of ``expect`` is about: the key that says so, and the keys that may stand beside it.
KINDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "finding": frozenset({"finding", "severity", "says", "rule", "params", "count"}),
        "params": frozenset(
            {"params", "not", "count", "set", "by", "over", "parametrize", "optimize", "unclaimed", "kept", "std",
             "mean", "range", "seeds"}
        ),
        "rule": frozenset({"rule", "wins", "claims", "loses"}),
    }
)  # fmt: skip


def _expectation(tables: Tables) -> dict[str, Any]:
    options = {
        name: {"type": [*_EXPRESSION, "boolean"], "description": inspect.getdoc(option) or ""}
        for name, option in tables.options.items()
    }
    return _mapping(
        "key of an expectation",
        {
            "params": _texts("which parameters: names, patterns as in 'path', or a list of them"),
            "not": _texts("parameters that are left out"),
            "count": {**_COUNT, "description": "exactly how many parameters, or findings, there are"},
            "set": {"$ref": "#/$defs/value", "description": "the evaluated value, as rule files write it"},
            "by": _texts("the rule that decides it, or one of several"),
            "over": _texts("rules that claim it and lose, all of them"),
            "parametrize": {"$ref": "#/$defs/parametrization", "description": "how it is wrapped, or 'keep'"},
            "optimize": {**_mapping("option", options, minProperties=1),
                         "description": "options for the optimizer, each a value or 'keep'"},
            "unclaimed": {"type": "boolean", "description": "whether no rule says how it starts"},
            "kept": {"type": "boolean", "description": "whether a rule keeps the value that is there"},
            "std": _near("standard deviation", "a share of 'about'"),
            "mean": _near("mean", "in units of the values"),
            "range": {"type": "array", "items": {"type": _EXPRESSION}, "minItems": 2, "maxItems": 2,
                      "description": "no drawn value lies outside [low, high]"},
            "seeds": {"type": "integer", "minimum": 1, "maximum": 1000,
                      "description": "how many times the values are drawn, with seeds 0, 1, ...; default 1"},
            "rule": {"type": "string", "description": "which rule"},
            "wins": {**_COUNT, "description": "how many parameters it decides"},
            "claims": {**_COUNT, "description": "how many parameters it claims"},
            "loses": {**_COUNT, "description": "how many parameters it claims and other rules decide"},
            "finding": _texts("the code of a finding, or one of several; '*' is any"),
            "severity": {"enum": [one.value for one in Severity], "description": "the finding's severity"},
            "says": {"type": "string", "description": "a part of the finding's message"},
        },
    )  # fmt: skip


def _subject() -> dict[str, Any]:
    """What a case is about; at the top of the file it holds for all cases that say nothing else."""
    scalar = {"type": ["string", "number", "boolean"]}
    return {
        "rules": _texts("rule files or presets, relative to this file; the case holds for each of them"),
        "inventory": {"type": "string", "description": "what 'initrules record' wrote, relative to this file"},
        "model": {"type": "string", "description": "package.module:factory, or file.py:factory relative to this file"},
        "args": {"type": "object", "additionalProperties": scalar, "description": "arguments for the factory"},
        "vars": {"type": "object", "propertyNames": {"pattern": VARIABLE}, "description": "variables to replace",
                 "additionalProperties": {"type": ["number", "string", "boolean", "array"],
                                          "items": {"type": _EXPRESSION}}},
        "sources": {"type": "object", "additionalProperties": {"type": "string"},
                    "description": "other files for checkpoints under 'sources', relative to this file"},
    }  # fmt: skip


@functools.lru_cache(maxsize=8)
def file_schema(tables: Tables = BUILTIN) -> dict[str, Any]:
    """The schema of test files with these actions, draft 2020-12."""
    case = _mapping(
        "key of a case",
        {
            "name": {"type": "string", "description": "what the case shows; unique in the file"},
            "why": {"type": "string", "description": "free text"},
            **_subject(),
            "expect": {"type": "array", "items": _expectation(tables), "minItems": 1},
        },
        ("name", "expect"),
    )
    shared = json_schema(tables)["$defs"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "initrules test file",
        **_mapping(
            "key",
            {
                VERSION_KEY: {"const": TEST_VERSION, "description": "format version"},
                "about": {"type": "string", "description": "free text"},
                **_subject(),
                "cases": {"type": "array", "items": case, "minItems": 1},
                "coverage": {"type": "number", "minimum": 0, "maximum": 100,
                             "description": "at least how many per cent of the rules decide something in some case"},
            },
            (VERSION_KEY, "cases"),
        ),
        "$defs": {name: shared[name] for name in ("value", "numbers", "parametrization")},
    }  # fmt: skip
