"""What rules say about outputs, against what the plan can foresee."""

# ruff: noqa: E501  # whole messages in one line

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import initrules
from initrules import ruleset
from preset_models import gpt2, phase2
from support import isolated, isolation, planned
from test_dangers import sb3


def told(rules: str, model: Any) -> list[str]:
    return [one.message for one in planned(rules, model).findings if one.code in {"unkept", "other-function"}]


def sigmoid() -> Any:
    return nn.ModuleDict({"head": nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()), "flat": nn.Linear(4, 1)})


def rules(expect: str, bias: str = "zeros", weight: str = "zeros", select: str = "{type: Linear}") -> str:
    return f"rules: [{{rule: r, select: {select}, set: {{weight: {weight}, bias: {bias}}}}}]\nexpect: [{{{expect}}}]"


@pytest.mark.parametrize(("expect", "bias", "weight", "wanted"), [
    pytest.param("output: head, near: 0.1, tolerance: 0.01", "zeros", "zeros",
                 ["the output of 'head' starts at 0.5, and is expected near 0.1"], id="a zero bias where another is needed"),
    pytest.param("output: head, near: 0.1, tolerance: 0.01", "-log(9)", "zeros", [], id="the bias that is needed"),
    pytest.param("output: head, near: 0.1, tolerance: 0.01", "log(9)", "zeros",
                 ["the output of 'head' starts at 0.9, and is expected near 0.1"], id="the wrong sign"),
    pytest.param("output: head, near: 0.1", "log(9)", "zeros",
                 ["the output of 'head' starts at 0.9, and is expected near 0.1"], id="far without a tolerance"),
    pytest.param("output: head, near: 0.45", "zeros", "zeros", [], id="about there without a tolerance"),
    pytest.param("output: head, near: 0.1, tolerance: 0.01", "zeros", "ones", [], id="not known behind a weight"),
    pytest.param("output: head, near: -2", "zeros", "ones",
                 ["the output of 'head' lies between 0 and 1, and is expected near -2"], id="out of reach"),
    pytest.param("output: head, within: [1.5, 2]", "zeros", "ones",
                 ["the output of 'head' lies between 0 and 1, and is expected within [1.5, 2]"], id="a range out of reach"),
    pytest.param("output: head, within: [0.5, 2]", "zeros", "ones", [], id="a range that overlaps"),
    pytest.param("output: flat, through: sigmoid, near: 0.9, tolerance: 0.01", "zeros", "zeros",
                 ["the output of 'flat' starts at 0.5, and is expected near 0.9"], id="through a function"),
    pytest.param("output: flat, through: sigmoid, near: 2", "zeros", "ones", [], id="a function of what is not known"),
    pytest.param("output: flat, near: 0.9", "0.9", "zeros", [], id="a layer by itself"),
    pytest.param("output: head, varies: true", "zeros", "zeros",
                 ["the output of 'head' starts at 0.5 for all inputs, and shall vary with them"], id="the same for all inputs"),
    pytest.param("output: '', near: 3", "zeros", "zeros", [], id="a module whose code is not known"),
    pytest.param("gradient: head, reaches: true", "zeros", "zeros", [], id="gradients are for a run"),
    pytest.param("output: flat, near: root.nothing", "zeros", "zeros", [], id="no value for this model"),
])  # fmt: skip
def test_expectations(expect: str, bias: str, weight: str, wanted: list[str]) -> None:
    assert told(rules(expect, bias, weight), isolated(sigmoid)()) == wanted


def test_a_real_policy() -> None:
    found = told(rules("output: mlp_extractor.policy_net, within: [2, 3]", weight="orthogonal"), sb3(2))
    assert found == ["the output of 'mlp_extractor.policy_net' lies between -1 and 1, and is expected within [2, 3]"]
    found = told(rules("output: value_net, near: 5, tolerance: 0.1", select="value_net"), sb3(2))
    assert found == ["the output of 'value_net' starts at 0, and is expected near 5"]


@pytest.mark.parametrize(("bias", "wanted"), [
    pytest.param("zeros", ["the output of 'v_r.value_head' starts at -0.6931, and is expected near -1.313"], id="zero"),
    pytest.param("1", ["the output of 'v_r.value_head' starts at -0.3133, and is expected near -1.313"], id="the sign of Q"),
    pytest.param("-1", [], id="its own sign"),
])  # fmt: skip
def test_biases_of_a_real_value_network(bias: str, wanted: list[str]) -> None:
    select = "{inside: v_r.value_head, type: Linear, pick: last}"
    expect = "output: v_r.value_head, through: -softplus(-x), near: -softplus(1), tolerance: 1e-4"
    assert told(rules(expect, bias, select=select), isolated(phase2)()) == wanted


def test_a_real_transformer() -> None:
    rule = "rules: [{rule: r, select: '**.c_fc', set: {weight: zeros, bias: 1}}]\nexpect: [{output: '**.mlp.c_fc', near: 0.5, tolerance: 0.1}]"
    assert told(rule, isolated(gpt2)()) == [
        "the output of 'transformer.h.0.mlp.c_fc' starts at 1, and is expected near 0.5",
        "the output of 'transformer.h.1.mlp.c_fc' starts at 1, and is expected near 0.5",
    ]


@pytest.mark.parametrize(("bias", "wanted"), [
    pytest.param("{output: {value: 0.1, through: sigmoid}}", [], id="the function that follows"),
    pytest.param("{output: {value: 0.1}}", ["'x' is not what follows: Sigmoid gives 0.525, not 0.1, behind 'head.0.bias'"],
                 id="without it"),
    pytest.param("{output: {value: 0.9, through: softplus}}",
                 ["'softplus' is not what follows: Sigmoid gives 0.5934, not 0.9, behind 'head.0.bias'"], id="another one"),
    pytest.param("[{output: {value: 0.1}}, {scale: 2}]", [], id="a value that goes on"),
])  # fmt: skip
def test_another_function(bias: str, wanted: list[str]) -> None:
    rule = f"rules: [{{rule: r, select: head.0, set: {{weight: zeros, bias: {bias}}}}}]"
    assert told(rule, isolated(sigmoid)()) == wanted


def test_the_way_out_leads_out() -> None:
    rule = rules("output: head, near: 0.1, tolerance: 0.01")
    model = isolated(sigmoid)()
    (found,) = (one for one in planned(rule, model).findings if one.code == "unkept")
    assert found.hint == "Set the bias of its last layer: {output: {value: 0.1, through: sigmoid}}."
    better = rules(
        "output: head, near: 0.1, tolerance: 0.01", "{output: {value: 0.1, through: sigmoid}}", select="head.0"
    )
    assert told(better, model) == []
    with isolation():
        initrules.apply_(model, ruleset.from_text(f"initrules: 1\n{better}"))
        assert torch.allclose(model["head"](torch.randn(5, 4)), torch.tensor(0.1))


@pytest.mark.parametrize(("modules", "hint"), [
    pytest.param((nn.Linear(4, 1),), "Set the bias of its last layer: {constant: 3}.", id="nothing follows"),
    pytest.param((nn.Linear(4, 1), nn.GELU()), "Set another bias for its last layer.", id="no expression for it"),
    pytest.param((nn.Linear(4, 1), nn.Dropout(), nn.ReLU()),
                 "Set the bias of its last layer: {output: {value: 3, through: max(x, 0)}}.", id="a dropout of zero is zero"),
])  # fmt: skip
def test_ways_out(modules: tuple[nn.Module, ...], hint: str) -> None:
    model = nn.ModuleDict({"head": nn.Sequential(*modules)})
    found = [one.hint for one in planned(rules("output: head, near: 3"), model).findings if one.code == "unkept"]
    assert found == [hint]


def test_a_dropout_hides_a_value() -> None:
    model = nn.ModuleDict({"head": nn.Sequential(isolated(nn.Linear)(4, 1), nn.Dropout())})
    assert told(rules("output: head, near: 3", "1"), model) == []
