"""What a model holds, and what it would hold, as arrays."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations

from initrules import planning, ruleset
from initrules.apply import apply_
from initrules.held import drawn, held
from initrules.survey import survey
from support import isolated

RULES = """initrules: 1
defaults: [{rule: all, select: {type: Linear}, set: {weight: {normal: {std: 0.1}}, bias: [keep, {scale: 2}]}}]
"""


@isolated
def model() -> nn.ModuleDict:
    net = nn.ModuleDict({"a": nn.Linear(3, 2), "b": nn.Linear(3, 2, dtype=torch.bfloat16), "lazy": nn.LazyLinear(2)})
    net["a"].register_parameter("z", nn.Parameter(torch.zeros(2, dtype=torch.complex64)))
    return net


def test_every_tensor_with_values() -> None:
    net = model()
    rows = planning.make(ruleset.from_text(RULES), survey(net)).rows
    found = {row.path: array for row, array in held(net, rows)}
    assert sorted(found) == ["a.bias", "a.weight", "b.bias", "b.weight"]
    assert found["b.weight"].tolist() == net["b"].get_parameter("weight").double().tolist()


def test_a_parametrized_weight_is_what_the_model_uses() -> None:
    layer = parametrizations.weight_norm(model()["a"])
    net = nn.ModuleDict({"a": layer})
    with torch.no_grad():
        layer.get_parameter("parametrizations.weight.original0").fill_(3.0)
    rows = planning.make(ruleset.from_text(RULES), survey(net)).rows
    found = {row.path: array for row, array in held(net, rows)}
    assert found["a.weight"].tolist() == torch.as_tensor(layer.weight).double().tolist()


def test_the_meta_device_holds_nothing() -> None:
    net = nn.Linear(2, 2, device="meta")
    assert list(held(net, planning.make(ruleset.from_text(RULES), survey(net)).rows)) == []


def test_drawn_is_what_apply_writes_and_writes_nothing() -> None:
    net = nn.ModuleDict({"a": model()["a"], "b": model()["b"]})
    del net["a"]._parameters["z"]
    plan = planning.make(ruleset.from_text(RULES), survey(net))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = {row.path: array for row, array in drawn(net, plan, seed=5)}
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    apply_(net, plan, seed=5)
    assert {name: array.tolist() for name, array in found.items()} == {
        name: value.double().tolist() for name, value in net.state_dict().items() if name.endswith("weight")
    }
