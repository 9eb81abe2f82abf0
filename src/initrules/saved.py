"""Plans in files: what was decided then, compared with what would be decided today."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema

from initrules.errors import ModelError
from initrules.planning import PlanData
from initrules.report.data import PLAN_VERSION, as_json

_KEY = "initrules-plan"
_TEXT, _TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
_COUNT, _FANS = {"type": "integer", "minimum": 0}, {"type": "array", "items": {"type": "integer"}, "minItems": 2}
_PLACE = {"type": "string", "description": "file:line:column"}


def _record(required: str, **properties: Any) -> dict[str, Any]:
    """A mapping; ``required``: names with blanks between them."""
    return {"type": "object", "required": required.split(), "properties": properties}


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


_DECISION = _record(
    "rule value written place summary",
    rule=_TEXT,
    why=_TEXT,
    place=_PLACE,
    written={"type": "string", "description": "the value as the file has it"},
    value=_list({"type": "object", "description": "one evaluated action, its arguments by name"}),
    summary={"type": "string", "description": "the evaluated value in one line"},
    lost=_list(_record("rule place written reason", rule=_TEXT, place=_PLACE, written=_TEXT, reason=_TEXT)),
    lock={"type": "boolean"},
)
_PARAMETER = _record(
    "name shape dtype decisions",
    name={"type": "string", "description": "the canonical name"},
    names={"type": "array", "items": _TEXT, "minItems": 1, "description": "every name, where there are several"},
    shape=_list({"type": "integer"}),
    dtype=_TEXT,
    decisions={"type": "object", "additionalProperties": _DECISION,
               "description": "by property: set, parametrize, and the options of optimize"},
    buffer={"type": "boolean"},
    frozen={"type": "boolean"},
    parametrized=_TEXTS,
    fans={**_FANS, "description": "fan_in and fan_out that the value was computed from"},
    parts={**_TEXTS, "description": "the parts that are filled one by one"},
    torch_fans={**_FANS, "description": "what torch.nn.init would have read, where that differs"},
    mean={"type": "number"},
    std={"type": "number"},
)  # fmt: skip
_RULE = _record(
    "rule place tier claimed won taken",
    rule=_TEXT, place=_PLACE, tier={"enum": ["default", "rule", "lock"]}, claimed=_COUNT, won=_COUNT,
    taken={"type": "object", "additionalProperties": _COUNT, "description": "how many each other rule decides"},
    why=_TEXT,
)  # fmt: skip
_TRANSFER = _record(
    "source taken refused left without",
    source=_TEXT, taken={"type": "object", "additionalProperties": _TEXT},
    refused={"type": "object", "additionalProperties": _TEXT}, left=_TEXTS, without=_TEXTS,
)  # fmt: skip
FINDING_SCHEMA = _record(
    "code severity message",
    code=_TEXT, severity={"enum": ["error", "warning", "info"]}, message=_TEXT, place=_PLACE, hint=_TEXT, rule=_TEXT,
    parameters=_TEXTS,
)  # fmt: skip
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "initrules plan",
    **_record(
        f"{_KEY} fingerprint files parameters",
        **{_KEY: {"const": PLAN_VERSION, "description": "format version"}},
        fingerprint={"type": "string", "description": "equal plans have equal ones"},
        model={"type": "string", "description": "fingerprint of the inventory"},
        files=_TEXTS,
        about=_TEXT,
        stream={"enum": ["keyed", "global"]},
        variables={"type": "object", "additionalProperties": {"type": ["string", "array"], "items": _TEXT}},
        parameters=_list(_PARAMETER),
        rules=_list(_RULE),
        transfers=_list(_TRANSFER),
        findings=_list(FINDING_SCHEMA),
        silenced=_list(_record("code severity message reason", reason=_TEXT, **FINDING_SCHEMA["properties"])),
    ),
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


_HINT = "Make it with: initrules plan RULES --model ... --format json > FILE"


def read(file: str) -> Mapping[str, Any]:
    """Read a plan that ``plan --format json`` wrote. Raises ``ModelError`` when it is none."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(f"there is no file '{file}'", hint=_HINT) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"'{file}' is no plan: {error}", hint=_HINT) from None
    return loads(text, file)


def loads(text: str, file: str) -> Mapping[str, Any]:
    """The plan in a JSON text. Raises ``ModelError`` when it is none."""
    try:
        data: Mapping[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"'{file}' is no plan: {error}", hint=_HINT) from None
    problem = next(iter(jsonschema.Draft202012Validator(dict(SCHEMA)).iter_errors(data)), None)
    if problem is not None:
        raise ModelError(f"'{file}' is no plan: {problem.json_path}: {problem.message[:200]}", hint=_HINT)
    return data


def drift(saved: Mapping[str, Any], plan: PlanData) -> tuple[Drift, ...]:
    """Every decision that differs between a saved plan and one made now; places and words do not count."""
    then, now = _decisions(saved), _decisions(as_json(plan))
    keys = dict.fromkeys([*then, *now])
    return tuple(
        Drift(*key, *_told(then.get(key), now.get(key)))
        for key in keys
        if _exact(then.get(key)) != _exact(now.get(key))
    )


class _Decided(NamedTuple):
    """A decision with every digit, and as tables show it."""

    exact: str
    told: str


def _exact(one: _Decided | None) -> str | None:
    return one and one.exact


def _told(then: _Decided | None, now: _Decided | None) -> tuple[str | None, str | None]:
    """As tables show it, unless both look the same there."""
    if then is not None and now is not None and then.told == now.told:
        return then.exact, now.exact
    return then and then.told, now and now.told


def _decisions(data: Mapping[str, Any]) -> dict[tuple[str, str], _Decided]:
    return {(name, prop): decided for name, prop, decided in _walk(data)}


def _walk(data: Mapping[str, Any]) -> Iterator[tuple[str, str, _Decided]]:
    for row in data["parameters"]:
        shape = f"{'×'.join(map(str, row['shape'])) or 'scalar'} {row['dtype']}"
        yield row["name"], "shape", _Decided(shape, shape)
        for prop, decision in row["decisions"].items():
            exact = json.dumps(decision["value"], sort_keys=True)
            yield row["name"], prop, _Decided(exact, decision["summary"])
