"""Plans in files: what was decided then, compared with what would be decided today."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from initrules.errors import ModelError
from initrules.planning import PlanData
from initrules.report.data import PLAN_VERSION, as_json

_KEY = "initrules-plan"
_DECISION = {
    "type": "object",
    "required": ["rule", "value", "written", "place"],
    "properties": {
        "rule": {"type": "string"},
        "place": {"type": "string"},
        "written": {"type": "string"},
        "value": {"type": "array", "items": {"type": "object"}},
    },
}
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "initrules plan",
    "type": "object",
    "required": [_KEY, "fingerprint", "files", "parameters"],
    "properties": {
        _KEY: {"const": PLAN_VERSION},
        "fingerprint": {"type": "string"},
        "files": {"type": "array", "items": {"type": "string"}},
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "shape", "dtype", "decisions"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "dtype": {"type": "string"},
                    "decisions": {"type": "object", "additionalProperties": _DECISION},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Drift:
    """One decision that is not what the saved plan says; None stands for none."""

    parameter: str
    prop: str
    then: str | None
    now: str | None

    def __str__(self) -> str:
        return f"{self.parameter} {self.prop}: was {self.then or 'not decided'}, is {self.now or 'not decided'}"


def read(file: str) -> Mapping[str, Any]:
    """Read a plan that ``plan --format json`` wrote. Raises ``ModelError`` when it is none."""
    hint = "Make it with: initrules plan RULES --model ... --format json > FILE"
    try:
        data: Mapping[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"there is no file '{file}'", hint=hint) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"'{file}' is no plan: {error}", hint=hint) from None
    problem = next(iter(jsonschema.Draft202012Validator(dict(SCHEMA)).iter_errors(data)), None)
    if problem is not None:
        raise ModelError(f"'{file}' is no plan: {problem.json_path}: {problem.message[:200]}", hint=hint)
    return data


def drift(saved: Mapping[str, Any], plan: PlanData) -> tuple[Drift, ...]:
    """Every decision that differs between a saved plan and one made now; places and words do not count."""
    then, now = _decisions(saved), _decisions(as_json(plan))
    keys = dict.fromkeys([*then, *now])
    return tuple(Drift(*key, then.get(key), now.get(key)) for key in keys if then.get(key) != now.get(key))


def _decisions(data: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    return {(name, prop): value for name, prop, value in _walk(data)}


def _walk(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for row in data["parameters"]:
        shape = "×".join(map(str, row["shape"])) or "scalar"
        yield row["name"], "shape", f"{shape} {row['dtype']}"
        for prop, decision in row["decisions"].items():
            yield row["name"], prop, json.dumps(decision["value"], sort_keys=True)
