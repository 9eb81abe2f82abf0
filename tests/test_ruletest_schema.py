"""The schema of test files: what it lets an editor complete, and that it is one."""

from __future__ import annotations

import jsonschema

from initrules.actions.table import BUILTIN
from initrules.ruletest.schema import KINDS, file_schema

ENTRY = file_schema()["properties"]["cases"]["items"]["properties"]["expect"]["items"]


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(file_schema())


def test_every_key_of_an_expectation_belongs_to_a_kind_and_says_what_it_is() -> None:
    assert set().union(*KINDS.values()) == set(ENTRY["properties"])
    assert all(one.get("description") for one in ENTRY["properties"].values())


def test_values_are_those_of_rule_files() -> None:
    assert set(BUILTIN.actions) <= set(file_schema()["$defs"]["value"]["properties"])
    assert set(ENTRY["properties"]["optimize"]["properties"]) == set(BUILTIN.options)
