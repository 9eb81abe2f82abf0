"""Copies of other parameters, and names in checkpoints."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from initrules.actions.copied import renamed
from initrules.apply import apply_
from support import isolated, messages, place, planned


@isolated
def model() -> Any:
    net = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3), "tail": nn.Linear(3, 2)})
    net["tied"] = nn.Linear(3, 3)
    net["tied"].weight = net["a"].weight
    net["heads"] = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
    return net


def test_a_copy_has_the_value_after_this_run() -> None:
    net = model()
    rules = """rules:
      - {rule: copy, select: a, set: {weight: {copy: b.weight}, bias: {copy: b.bias}}}
      - {rule: draw, select: b, set: {weight: orthogonal, bias: 3}}"""
    apply_(net, planned(rules, net))
    assert torch.equal(net["a"].weight, net["b"].weight)
    assert net["a"].bias.tolist() == [3, 3, 3]
    assert net["a"].weight is not net["b"].weight


def test_a_copy_of_a_parameter_that_no_rule_touches() -> None:
    net = model()
    apply_(net, planned("rules: [{rule: r, select: a, set: {bias: {copy: b.bias}}}]", net))
    assert torch.equal(net["a"].bias, net["b"].bias)


@pytest.mark.parametrize(
    ("select", "of", "wanted"),
    [
        pytest.param("b", "tied.weight", "a.weight", id="an alias means the canonical name"),
        pytest.param('"heads.<n>"', '"heads.<n>.weight"', "heads.1.weight", id="a capture is filled in"),
        pytest.param("heads.1", ".weight", "heads.1.weight", id="beside it in the same module"),
    ],
)
def test_ways_to_name_the_other_one(select: str, of: str, wanted: str) -> None:
    plan = planned(f"rules: [{{rule: r, select: {select}, set: {{weight: {{copy: {of}}}}}}}]", model())
    row = plan.row("b.weight" if select == "b" else "heads.1.weight")
    assert row is not None
    assert row.value is not None
    assert row.value.summary == f"copy {wanted}"


def test_chains_of_copies_are_written_in_order() -> None:
    net = model()
    rules = """rules:
      - {rule: one, select: a, set: {bias: {copy: b.bias}}}
      - {rule: two, select: b, set: {bias: [{copy: heads.0.bias}, {scale: 2}]}}
      - {rule: three, select: heads.0, set: {bias: 4}}"""
    apply_(net, planned(rules, net))
    assert [net[name].bias[0].item() for name in ("a", "b")] == [8, 8]


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        pytest.param("c.weight", "there is no parameter 'c.weight' to copy", id="unknown"),
        pytest.param("tail.weight", "'tail.weight' has shape 2×3, this parameter 3×3", id="another shape"),
        pytest.param("tied.weight", "it cannot be a copy of itself", id="itself by another name"),
    ],
)
def test_refused(of: str, wanted: str) -> None:
    body = f"rules: [{{rule: r, select: a, set: {{weight: {{copy: {of}}}}}}}]"
    found = messages(planned(body, model()), "value")[0].split("\n")[0]
    assert found == f"{place(body, 'copy')}: {wanted}, for 'a.weight'"


@pytest.mark.parametrize(
    ("path", "prefixes", "wanted"),
    [
        pytest.param("own.enc.0.weight", {"own.enc": "enc"}, "enc.0.weight", id="a prefix"),
        pytest.param("own.encoder.weight", {"own.enc": "enc"}, "own.encoder.weight", id="prefixes end at a dot"),
        pytest.param("a.b.c", {"a": "x", "a.b": "y"}, "y.c", id="the longest counts"),
        pytest.param("a.b", {"": "model"}, "model.a.b", id="the empty prefix adds one"),
        pytest.param("model.a", {"model": ""}, "a", id="an empty replacement removes one"),
        pytest.param("a.b", {"c": "d"}, "a.b", id="nothing to replace"),
    ],
)
def test_renamed(path: str, prefixes: dict[str, str], wanted: str) -> None:
    assert renamed(path, prefixes) == wanted
