"""Literal numbers and formulas: what they write, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from initrules.apply import apply_
from initrules.errors import Problems
from support import isolated, messages, place, planned

RULE = "rules: [{{rule: r, select: fc, set: {{{key}: {value}}}}}]"


@isolated
def model() -> Any:
    net: Any = nn.Module()
    net.fc = nn.Linear(3, 2)
    net.fc.register_buffer("counts", torch.zeros(3, dtype=torch.int64))
    return net


def written(key: str, value: str) -> torch.Tensor:
    net = model()
    apply_(net, planned(RULE.format(key=key, value=value), net))
    found: torch.Tensor = getattr(net.fc, key).detach()
    return found


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        pytest.param(
            "weight", "{literal: [[1, 2, 3], [4, 5, 6]]}", [[1, 2, 3], [4, 5, 6]], id="nested like the weight"
        ),
        pytest.param("bias", '{literal: ["sqrt(4)", fan_in if false else 7]}', [2, 7], id="expressions inside"),
        pytest.param("bias", "{literal: {value: [0.5, -1]}}", [0.5, -1], id="by its name"),
        pytest.param("counts", "{literal: [1, 2, 3]}", [1, 2, 3], id="an integer buffer"),
        pytest.param("weight", "{formula: 10 * i + j}", [[0, 1, 2], [10, 11, 12]], id="a formula fills"),
        pytest.param("bias", "[ones, {formula: x * 3}]", [3, 3], id="a formula transforms"),
        pytest.param("bias", "{formula: numel}", [2, 2], id="facts are folded in"),
        pytest.param("bias", "{formula: module.in_features + i}", [3, 4], id="attributes are folded in"),
        pytest.param("bias", "{formula: 2 if 'a' == 'a' else 3}", [2, 2], id="text is compared beforehand"),
    ],
)
def test_written(key: str, value: str, wanted: object) -> None:
    assert written(key, value).tolist() == wanted


def test_a_formula_sees_what_another_parameter_becomes_in_this_run() -> None:
    net = model()
    rules = """rules:
      - {rule: first, select: fc, set: {weight: {formula: norm(module.bias) + 0 * i}}}
      - {rule: second, select: fc, set: {bias: {literal: [3, 4]}}}"""
    apply_(net, planned(rules, net))
    assert net.fc.weight.tolist() == [[5, 5, 5], [5, 5, 5]]


def test_a_formula_is_computed_in_double_precision() -> None:
    assert written("bias", "{formula: (1 + 1e-12) - 1}").tolist() == pytest.approx([1e-12] * 2, rel=1e-3)


def test_parts_name_the_part_just_filled() -> None:
    value = "{parts: {sizes: {a: 1, b: 1}, a: 4, b: {formula: parts.a * 2}}}"
    assert written("bias", value).tolist() == [4, 8]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        pytest.param(
            "bias",
            "{literal: [1, 2, 3]}",
            "the numbers have shape 3, the parameter 2, for 'fc.bias'",
            id="wrong length",
        ),
        pytest.param(
            "weight",
            "{literal: [[1, 2], [3]]}",
            "the numbers of 'literal' are nested unevenly, for 'fc.weight'",
            id="ragged",
        ),
        pytest.param(
            "counts",
            "{literal: [1, 2, 0.5]}",
            "0.5 does not fit int64, for 'fc.counts'",
            id="a fraction in an integer buffer",
        ),
        pytest.param(
            "bias",
            "{formula: j}",
            "the index 'j' is out of range: the parameter has 1 dimension, for 'fc.bias'",
            id="no such index",
        ),
        pytest.param(
            "bias",
            "{formula: 1 / i}",
            "the formula '1 / i' is not finite at [0] (1 of 2 entries), for 'fc.bias'",
            id="infinite",
        ),
    ],
)
def test_refused_by_the_plan(key: str, value: str, wanted: str) -> None:
    body = RULE.format(key=key, value=value)
    action = "literal" if "literal" in value else "formula"
    assert messages(planned(body, model()), "value")[0].split("\n")[0] == f"{place(body, action)}: {wanted}"


def test_a_formula_of_drawn_values_that_is_not_finite_is_found_before_the_first_write() -> None:
    net = model()
    before = net.fc.weight.clone()
    rules = """rules:
      - {rule: a, select: fc, set: {weight: zeros}}
      - {rule: b, select: fc, set: {bias: [zeros, {formula: log(x)}]}}"""
    with pytest.raises(Problems) as caught:
        apply_(net, planned(rules, net))
    assert str(caught.value).split("\n")[0] == (
        "rules.yaml:4:43: 'fc.bias' cannot be written: the formula 'log(x)' is not finite at [0] (2 of 2 entries)"
    )
    assert str(caught.value).split("\n")[-1] == "  Guard the entry: log(x) if x > 0 else 0."
    assert torch.equal(net.fc.weight, before)


@pytest.mark.parametrize("stream", ["keyed", "global"])
def test_a_formula_of_another_shape_says_which(stream: str) -> None:
    rules = f"stream: {stream}\nrules: [{{rule: a, select: fc, set: {{bias: {{formula: module.weight}}}}}}]"
    with pytest.raises(Problems) as caught:
        apply_(model(), planned(rules, model()))
    assert [(problem.message, problem.hint) for problem in caught.value.problems] == [
        (
            (
                "'fc.bias' cannot be written: the formula 'module.weight' joins shapes that do not fit: "
                "'module.weight' has shape 2×3, this parameter 2"
            ),
            "Use mean(), std() or norm() of the other one, or name one of the same shape.",
        )
    ]
