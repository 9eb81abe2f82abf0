"""The structure of study files as a JSON schema."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from initrules.schema import NAME, VARIABLE

STUDY_VERSION = 1
VERSION_KEY = "initrules-study"
BETTER = ("higher", "lower")
SCALES = ("linear", "log")

_SCALAR = {"type": ["string", "number", "boolean"]}
_OPTIONS = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "array"], "items": _SCALAR},
    "propertyNames": {"pattern": VARIABLE},
}
_SEEDS = {
    "type": ["integer", "array"], "minimum": 1, "maximum": 10_000, "minItems": 1,
    "items": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    "description": "how many: 0, 1, ...; or a list of them",
}  # fmt: skip
_LIMIT = {"type": "number", "minimum": 1, "description": "seconds after which a run is stopped"}


def _mapping(noun: str, properties: Mapping[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object", "properties": dict(properties), "required": list(required),
        "additionalProperties": False, "x-noun": noun, **more,
    }  # fmt: skip


def _arm() -> dict[str, Any]:
    return _mapping(
        "key of an arm",
        {
            "about": {"type": "string", "description": "free text, shown beside the name"},
            "rules": {"type": "string", "description": "a rule file relative to this file, or preset:NAME; "
                                                       "without it the model stays as it was built"},
            "vars": {"type": "object", "propertyNames": {"pattern": VARIABLE}, "description": "variables to replace",
                     "additionalProperties": {"type": ["number", "string", "boolean", "array"],
                                              "items": {"type": ["number", "string"]}}},
            "sources": {"type": "object", "additionalProperties": {"type": "string"},
                        "description": "other files for checkpoints under 'sources', relative to this file"},
            "options": {**_OPTIONS, "description": "keyword arguments of the training function, for this arm"},
        },
    )  # fmt: skip


def _metric() -> dict[str, Any]:
    return _mapping(
        "key of a metric",
        {
            "better": {"enum": list(BETTER), "description": "whether higher or lower numbers are better"},
            "failed": {"type": "number", "description": "what a run counts that has no result"},
            "about": {"type": "string", "description": "free text"},
        },
        ("better",),
    )


@functools.lru_cache(maxsize=1)
def file_schema() -> dict[str, Any]:
    """The schema of study files, draft 2020-12."""
    quick = _mapping(
        "key of 'quick'",
        {"seeds": _SEEDS, "time_limit": _LIMIT, "options": {**_OPTIONS, "description": "over those of the study"}},
        minProperties=1, description="what --quick changes",
    )  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "initrules study",
        **_mapping(
            "key",
            {
                VERSION_KEY: {"const": STUDY_VERSION, "description": "format version"},
                "about": {"type": "string", "description": "free text, the title of the page"},
                "train": {"type": "string",
                          "description": "file.py:function relative to this file, or package.module:function"},
                "seeds": _SEEDS,
                "time_limit": _LIMIT,
                "options": {**_OPTIONS, "description": "keyword arguments of the training function, for every arm"},
                "metrics": {"type": "object", "additionalProperties": _metric(), "minProperties": 1,
                            "description": "numbers that the training function returns; the first is the main one"},
                "curves": {"type": "object", "description": "how logged numbers are drawn, by glob",
                           "additionalProperties": _mapping("key of a curve", {
                               "scale": {"enum": list(SCALES)},
                               "about": {"type": "string", "description": "free text below the name"}})},
                "baseline": {"type": "string", "description": "the arm to compare with; default: the first"},
                "arms": {"type": "object", "propertyNames": {"pattern": NAME}, "additionalProperties": _arm(),
                         "minProperties": 1, "description": "what is compared"},
                "quick": quick,
            },
            (VERSION_KEY, "train", "metrics", "arms"),
        ),
    }  # fmt: skip
