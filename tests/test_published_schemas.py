"""What ``initrules schema --kind`` publishes describes what the program writes, key by key."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from commands import ROOT
from initrules import cli, plugins, recording, report, saved
from initrules.document import parse, plain
from initrules.ruletest.schema import file_schema
from initrules.schema import json_schema
from initrules.survey import survey
from reference import ALL, Reference
from support import planned

WITH_ALL = [pytest.param(one, id=one.rules) for one in ALL]


def closed(schema: Any) -> Any:
    """The same schema, where no mapping may have a key that is not described."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {name: closed(value) for name, value in schema["properties"].items()}
        found.setdefault("additionalProperties", False)
    return found


@functools.cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    schema = {"plan": saved.SCHEMA, "inventory": recording.SCHEMA}[kind]
    return jsonschema.Draft202012Validator(closed(dict(schema)))


@pytest.mark.parametrize("reference", WITH_ALL)
def test_plans_and_inventories_of_shipped_rule_sets(reference: Reference) -> None:
    model = reference.model()
    plan = report.as_json(reference.plan(model))
    validator("plan").validate(json.loads(json.dumps(plan)))
    validator("inventory").validate(json.loads(recording.dumps(survey(model))))


def test_a_plan_with_every_key() -> None:
    """Locks, losers, findings, transfers, several names, buffers: whatever a plan can say is described."""
    seen: set[str] = set()
    for one in ALL:
        seen |= _keys(report.as_json(one.plan(one.model())))
    wanted = {"transfers", "lost", "lock", "names", "buffer", "frozen", "fans", "torch_fans", "mean", "hint", "place"}
    assert wanted <= seen


def _keys(data: Any) -> set[str]:
    if isinstance(data, dict):
        return {*data, *(key for value in data.values() for key in _keys(value))}
    return {key for value in data for key in _keys(value)} if isinstance(data, list) else set()


def test_a_key_that_is_not_described_is_found() -> None:
    data = {**report.as_json(planned("rules: []", {})), "extra": 1}
    assert not validator("plan").is_valid(data)


@pytest.mark.parametrize("file", sorted((ROOT / "rules").rglob("*.yaml")), ids=lambda path: path.stem)
def test_rule_files_meet_the_published_schema(file: Path) -> None:
    jsonschema.Draft202012Validator(json_schema(plugins.tables())).validate(_core(file))


@pytest.mark.parametrize("file", sorted((ROOT / "tests" / "rules").rglob("*.yaml")), ids=lambda path: path.stem)
def test_test_files_meet_the_published_schema(file: Path) -> None:
    jsonschema.Draft202012Validator(file_schema(plugins.tables())).validate(_core(file))


def _core(file: Path) -> Any:
    """As programs read it that know YAML 1.2, editors among them."""
    return plain(parse(file.read_text(encoding="utf-8"), file.name))


@pytest.mark.parametrize("kind", ["rules", "test", "plan", "inventory"])
def test_every_kind_is_a_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["schema", "--kind", kind], debug=False) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"].startswith("initrules ")
