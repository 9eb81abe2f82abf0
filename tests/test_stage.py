"""Stages of a pipeline get the values of the whole model."""

from __future__ import annotations

import pytest
from torch import nn

import initrules
from initrules.errors import ModelError
from support import isolated
from writing import same

RULES = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: "**", set: {"*": {normal: {std: 1}}}}
  - {rule: second, select: "layers.2.**", set: {weight: orthogonal}}
""")


@isolated
def block() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))


def test_values_are_those_of_the_whole_model() -> None:
    whole = nn.ModuleDict({"layers": nn.ModuleList([block(), block(), block()])})
    initrules.apply_(whole, RULES, seed=4)
    part = nn.Sequential(block(), block())
    plan = initrules.plan(initrules.Stage(part, {"0": "layers.1", "1": "layers.2"}), RULES)
    assert [row.path for row in plan.rows][:2] == ["layers.1.0.weight", "layers.1.0.bias"]
    plan.apply_(seed=4)
    expected = dict(whole.named_parameters())
    for own, name in (("0", "layers.1"), ("1", "layers.2")):
        for local, parameter in part.get_submodule(own).named_parameters():
            assert same(parameter, expected[f"{name}.{local}"])


@pytest.mark.parametrize(
    ("names", "path", "expected"),
    [
        pytest.param({"0": "layers.4"}, "0.attn", "layers.4.attn", id="below"),
        pytest.param({"0": "layers.4"}, "0", "layers.4", id="itself"),
        pytest.param({"0": "layers.4"}, "01", "01", id="not by letters"),
        pytest.param({"": "decoder"}, "a.b", "decoder.a.b", id="the part itself"),
        pytest.param({"": "decoder"}, "", "decoder", id="its root"),
        pytest.param({"a": "x", "a.b": "y"}, "a.b.c", "y.c", id="the longest"),
        pytest.param({}, "a", "a", id="nothing"),
    ],
)
def test_name(names: dict[str, str], path: str, expected: str) -> None:
    assert initrules.Stage(nn.Identity(), names).name(path) == expected


def test_two_parts_cannot_have_one_name() -> None:
    with pytest.raises(ModelError) as caught:
        initrules.Stage(nn.Identity(), {"0": "a", "1": "a"})
    assert str(caught.value) == "two parts of the stage are called 'a'\n  Give each its own name."
