"""Parts of packed weights: named by the module, by sizes, or equal pieces."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from initrules.apply import apply_
from support import isolated, messages, place, planned


@isolated
def model() -> Any:
    net: Any = nn.Module()
    net.lstm = nn.LSTM(4, 5)
    net.attention = nn.MultiheadAttention(8, 2)
    net.fused = nn.Linear(6, 10)
    return net


def after(select: str, block: str) -> Any:
    net = model()
    apply_(net, planned(f"rules: [{{rule: r, select: {select}, set: {block}}}]", net))
    return net


def test_gates_have_names() -> None:
    net = after("lstm", '{"bias*": {parts: {f: ones, "*": zeros}}}')
    assert net.lstm.bias_ih_l0.tolist() == [0] * 5 + [1] * 5 + [0] * 10


def test_query_key_value_have_names() -> None:
    weight = after("attention", '{in_proj_weight: {parts: {q: zeros, k: ones, "*": 2}}}').attention.in_proj_weight
    assert [weight[start].tolist() for start in (0, 8, 16)] == [[0] * 8, [1] * 8, [2] * 8]


def test_sizes_name_the_parts_and_fans_are_those_of_the_part() -> None:
    block = "{weight: {parts: {sizes: {q: 6, kv: 4}, q: {orthogonal: {gain: 2}}, kv: orthogonal}}}"
    weight = after("fused", block).fused.weight.detach()
    torch.testing.assert_close(weight[:6] @ weight[:6].T, 4 * torch.eye(6))
    torch.testing.assert_close(weight[6:] @ weight[6:].T, torch.eye(4))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param("{sizes: [4, 6], each: ones}", [1] * 10, id="a list and one action for all"),
        pytest.param("{sizes: 5, each: 2}", [2] * 10, id="equal pieces"),
        pytest.param('{sizes: [4, 6], "0": 1, "1": 2}', [1] * 4 + [2] * 6, id="a list names its parts by number"),
        pytest.param(
            '{sizes: {a: module.in_features, b: 4}, a: 3, "*": 4}', [3] * 6 + [4] * 4, id="sizes by expression"
        ),
        pytest.param("{sizes: {a: 6, b: 4}, a: 3, b: [ones, {scale: 7}]}", [3] * 6 + [7] * 4, id="a chain in a part"),
    ],
)
def test_ways_to_divide(value: str, wanted: list[float]) -> None:
    assert after("fused", f"{{bias: {{parts: {value}}}}}").fused.bias.tolist() == wanted


def test_a_part_can_be_kept() -> None:
    net = model()
    before = net.fused.bias.detach().clone()
    apply_(
        net,
        planned("rules: [{rule: r, select: fused, set: {bias: {parts: {sizes: {a: 3, b: 7}, a: 0, b: keep}}}}]", net),
    )
    assert net.fused.bias[:3].tolist() == [0, 0, 0]
    assert torch.equal(net.fused.bias[3:], before[3:])


def test_another_dimension_can_be_divided() -> None:
    weight = after("fused", "{weight: {parts: {dim: 1, sizes: {a: 2, b: 4}, a: zeros, b: ones}}}").fused.weight
    assert weight[0].tolist() == [0, 0, 1, 1, 1, 1]


def test_parts_draw_from_streams_of_their_own() -> None:
    weight = after("fused", "{weight: {parts: {sizes: 5, each: {normal: {std: 1}}}}}").fused.weight.detach()
    assert not torch.equal(weight[:5], weight[5:])


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param("{sizes: [4, 5], each: ones}", "the sizes add up to 9, dimension 0 has 10", id="too small"),
        pytest.param("{sizes: 3, each: ones}", "pieces of 3 do not fill dimension 0, which has 10", id="a rest"),
        pytest.param(
            "{sizes: {a: 4, b: 6}, a: ones}", "no action for the part 'b'; name it, or '*' for the rest", id="not named"
        ),
        pytest.param(
            "{sizes: {a: 4, b: 6}, a: 1, b: 2, c: 3}", "there is no part 'c'; the parts are 'a', 'b'", id="unknown part"
        ),
        pytest.param("{q: ones}", "the module has no parts of its own: give 'sizes'", id="no parts"),
        pytest.param(
            "{dim: 1, sizes: 5, each: ones}", "dim 1 of a parameter with 1 dimensions", id="no such dimension"
        ),
        pytest.param(
            "{sizes: 5, each: orthogonal}",
            "orthogonal needs at least 2 dimensions, this parameter has 1",
            id="inner problem",
        ),
    ],
)
def test_refused(value: str, wanted: str) -> None:
    body = f"rules: [{{rule: r, select: fused, set: {{bias: {{parts: {value}}}}}}}]"
    found = messages(planned(body, model()), "value")[0].split("\n")[0]
    assert found == f"{place(body, 'parts')}: {wanted}, for 'fused.bias'"


def test_a_size_must_be_whole() -> None:
    body = "rules: [{rule: r, select: fused, set: {bias: {parts: {sizes: [2.5, 7.5], each: 1}}}}]"
    found = messages(planned(body, model()), "value")[0].split("\n")[0]
    assert found == f"{place(body, '2.5')}: a size must be a whole number, not 2.5, for 'fused.bias'"


def test_a_part_may_need_one_that_stands_after_it() -> None:
    """The input biases of chrono initialisation: the negative of the forget biases."""
    value = "{parts: {f: {normal: {std: 1}}, i: {formula: -parts.f}, '*': zeros}}"
    bias = after("lstm", f"{{bias_ih_l0: {value}}}").lstm.bias_ih_l0
    assert torch.equal(bias[:5], -bias[5:10])
    assert bias[5:10].abs().min() > 0


@pytest.mark.parametrize(("value", "wanted"), [
    pytest.param("{parts: {i: {formula: parts.f}, f: {formula: parts.i}, '*': zeros}}",
                 "the parts 'i', 'f' cannot be filled one after the other", id="a circle"),
    pytest.param("{parts: {i: {formula: 2 * parts.i}, '*': zeros}}",
                 "the parts 'i' cannot be filled one after the other", id="itself"),
    pytest.param("{parts: {i: {formula: parts.z}, '*': zeros}}",
                 "part 'i': there is no part 'z' beside this one; 'parts' names them", id="no such part"),
    pytest.param("{formula: parts.f}",
                 "there is no part 'f' beside this one; 'parts' names them", id="outside of parts"),
])  # fmt: skip
def test_parts_that_need_what_there_is_not(value: str, wanted: str) -> None:
    rules = f"rules: [{{rule: r, select: '', set: {{bias_ih_l0: {value}}}}}]"
    assert [error.message for error in planned(rules, isolated(nn.LSTM)(2, 3)).errors] == [
        f"{wanted}, for 'bias_ih_l0'"
    ]
