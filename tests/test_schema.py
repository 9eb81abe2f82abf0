"""The JSON schema that editors use: valid, without anyOf, and complete for every action and argument."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from initrules import presets
from initrules.actions.base import arguments
from initrules.actions.fixed import Zeros
from initrules.actions.table import BUILTIN
from initrules.schema import EXPECTATION, NAME, VARIABLE, json_schema
from initrules.selector import KEYS


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _parts(item)


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_it_stays_without_alternatives_so_that_a_typo_gets_one_message() -> None:
    assert not [part for part in _parts(json_schema()) if part.keys() & {"anyOf", "oneOf", "allOf", "if"}]


def test_every_reference_leads_somewhere() -> None:
    schema = json_schema()
    targets = {part["$ref"] for part in _parts(schema) if isinstance(part.get("$ref"), str)}
    assert targets == {f"#/$defs/{name}" for name in schema["$defs"]}


def test_an_editor_can_complete_every_action_and_argument() -> None:
    known = json_schema()["$defs"]["value"]["properties"]
    assert known.keys() == {*BUILTIN.actions, *BUILTIN.aliases}
    for name, action in BUILTIN.actions.items():
        assert known[name]["properties"].keys() == arguments(action).keys()
        assert known[name]["description"]
        assert all(argument["description"] for argument in known[name]["properties"].values())


def test_other_spellings_take_the_same_arguments() -> None:
    known = json_schema()["$defs"]["value"]["properties"]
    assert all(known[alias] == known[name] for alias, name in BUILTIN.aliases.items())


def test_own_actions_are_in_it() -> None:
    own = json_schema(BUILTIN.plus({"nothing": Zeros}))
    assert "nothing" in own["$defs"]["value"]["properties"]
    assert "nothing" not in json_schema()["$defs"]["value"]["properties"]


def test_selectors_have_their_keys_and_nested_ones_fewer() -> None:
    definitions = json_schema()["$defs"]
    assert set(definitions["select"]["properties"]) == set(KEYS)
    assert set(KEYS) - set(definitions["nested"]["properties"]) == {"where", "frozen"}


@pytest.mark.parametrize(
    ("pattern", "text", "valid"),
    [
        pytest.param(NAME, "policy-head-2", True, id="letters, digits, hyphens"),
        pytest.param(NAME, "Policy", False, id="no capitals"),
        pytest.param(NAME, "a_b", False, id="no underscores"),
        pytest.param(NAME, "", False, id="not empty"),
        pytest.param(NAME, "a\n", False, id="no line break at the end"),
        pytest.param(VARIABLE, "hidden_Gain2", True, id="letters, digits, underscores"),
        pytest.param(VARIABLE, "2a", False, id="no digit first"),
        pytest.param(VARIABLE, "a-b", False, id="no hyphen"),
        pytest.param(VARIABLE, "a\n", False, id="no line break at the end of a variable"),
    ],
)
def test_names(pattern: str, text: str, valid: bool) -> None:
    validator = jsonschema.Draft202012Validator({"pattern": pattern})
    assert validator.is_valid(text) is valid


@pytest.mark.parametrize("name", presets.names())
def test_shipped_files_are_valid_for_any_reader_of_the_schema(name: str) -> None:
    loaded = yaml.safe_load(presets.text(name))
    assert [error.message for error in jsonschema.Draft202012Validator(json_schema()).iter_errors(loaded)] == []


def test_expectations_are_described_by_their_keys() -> None:
    assert {"output", "gradient", "within", "near"} <= EXPECTATION.keys()
