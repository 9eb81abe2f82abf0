"""Inventory files: what is read back plans as the model itself does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from torch import nn

from initrules import planning, recording, ruleset
from initrules.errors import ModelError
from initrules.survey import survey
from support import isolated


@isolated
def model() -> Any:
    net = nn.ModuleDict({"a": nn.Linear(3, 4), "b": nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))})
    net["tied"] = nn.Linear(3, 4)
    net["tied"].weight = net["a"].weight
    net["shared"] = net["b"]
    net["a"].bias.requires_grad = False
    return net


small = isolated(lambda: nn.Linear(2, 1))


def test_what_is_read_back_is_the_same_inventory() -> None:
    inventory = survey(model())
    found = recording.loads(recording.dumps(inventory), "model.json")
    assert found.fingerprint() == inventory.fingerprint()
    assert found.names == inventory.names
    assert found.modules == inventory.modules
    assert recording.dumps(found) == recording.dumps(inventory)


def test_plans_are_the_same() -> None:
    rules = ruleset.from_text("""initrules: 1
defaults: [{rule: all, select: {type: Linear, next: {type: Sequential}}, set: {"*": zeros}, optional: true}]
rules: [{rule: r, select: {inside: b, type: Conv2d}, set: {weight: {normal: {std: module.in_channels / fan_in}}}}]
""")
    inventory = survey(model())
    found = recording.loads(recording.dumps(inventory), "model.json")
    assert planning.make(rules, found).fingerprint() == planning.make(rules, inventory).fingerprint()


def test_one_line_for_each_module_name_and_parameter() -> None:
    text = recording.dumps(survey(small()))
    assert json.loads(text)["names"] == [{"path": "", "module": 0}]
    assert ' {"names": [[0, "weight"]], "shape": [1, 2], "dtype": "float32"},' in text.split("\n")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param(
            "{", "'m.json' is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            id="cut off"),
        pytest.param("[]", "'m.json' is no inventory: $: [] is not of type 'object'", id="a list"),
        pytest.param(
            '{"initrules-inventory": 2}', "'m.json' is no inventory: $: 'classes' is a required property",
            id="too little"),
        pytest.param(
            '{"initrules-inventory": 2, "classes": [], "modules": [], "names": [], "parameters": []}',
            "'m.json' is no inventory: $['initrules-inventory']: 1 was expected", id="another version"),
        pytest.param(
            '{"initrules-inventory": 1, "classes": [], "modules": [], "parameters": [], '
            '"names": [{"path": "a", "module": 3}]}',
            "'m.json' is no inventory: the name 'a' points to a module that does not exist", id="no such module"),
        pytest.param(
            '{"initrules-inventory": 1, "classes": [], "modules": [{"class": 1}], "names": [], "parameters": []}',
            "'m.json' is no inventory: list index out of range", id="no such class"),
    ],
)  # fmt: skip
def test_refused(text: str, wanted: str) -> None:
    with pytest.raises(ModelError) as caught:
        recording.loads(text, "m.json")
    assert caught.value.message == wanted
    assert caught.value.hint == "Make it anew with: initrules record --model ... -o FILE"


def test_no_file(tmp_path: Any) -> None:
    with pytest.raises(ModelError) as caught:
        recording.read(str(tmp_path / "none.json"))
    assert caught.value.hint == "Make it with: initrules record --model ... -o FILE"


def test_a_file(tmp_path: Any) -> None:
    file = tmp_path / "model.json"
    file.write_text(recording.dumps(survey(small())), encoding="utf-8")
    assert recording.read(str(file)).parameters[0].path == "weight"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError):
        recording.read(str(file))


def test_attributes_keep_their_kinds() -> None:
    net: Any = small()
    net.sizes = [1, 2]
    net.name = "é\n"
    net.scale = 0.1
    found = recording.loads(recording.dumps(survey(net)), "m.json").modules[0].attributes
    assert (found["sizes"], found["name"], found["scale"]) == ((1, 2), "é\n", 0.1)
