"""``stream: global`` gives the bits of hand-written torch.nn.init code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from initrules.apply import apply_
from support import isolated, isolation, planned

Init = Callable[[torch.Tensor], Any]


@isolated
def model() -> Any:
    return nn.ModuleDict({"a": nn.Linear(40, 30), "b": nn.Conv2d(8, 6, 3), "c": nn.Linear(30, 20)})


def _timm(tensor: torch.Tensor) -> None:
    low, high = ((1 + math.erf(side / math.sqrt(2))) / 2 for side in (-2.0, 2.0))
    tensor.uniform_(2 * low - 1, 2 * high - 1).erfinv_().mul_(0.5 * math.sqrt(2)).add_(0.0).clamp_(-1, 1)


@pytest.mark.parametrize(
    ("value", "init"),
    [
        pytest.param("{normal: {mean: 1, std: 0.02}}", lambda t: nn.init.normal_(t, 1, 0.02), id="normal"),
        pytest.param("{uniform: {low: -1, high: 2}}", lambda t: nn.init.uniform_(t, -1, 2), id="uniform"),
        pytest.param("xavier_uniform", nn.init.xavier_uniform_, id="xavier_uniform"),
        pytest.param("{xavier_normal: {gain: 0.7}}", lambda t: nn.init.xavier_normal_(t, 0.7), id="xavier_normal"),
        pytest.param("{kaiming_uniform: {a: sqrt(5)}}", lambda t: nn.init.kaiming_uniform_(t, math.sqrt(5)), id="a"),
        pytest.param("{kaiming_normal: {mode: fan_out, nonlinearity: relu}}",
                     lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"), id="kaiming_normal"),
        pytest.param("{orthogonal: {gain: sqrt(2)}}", lambda t: nn.init.orthogonal_(t, math.sqrt(2)), id="orthogonal"),
        pytest.param("{trunc_normal: {std: 0.5}}", lambda t: nn.init.trunc_normal_(t, std=0.5, a=-1, b=1), id="cut"),
        pytest.param("{trunc_normal: {std: 0.5, method: inverse}}", _timm, id="trunc_normal as timm"),
        pytest.param("[{normal: {std: 1}}, {scale: 0.1}]", lambda t: t.normal_().mul_(0.1), id="a chain"),
        pytest.param("0.5", lambda t: t.fill_(0.5), id="a constant draws nothing"),
    ],
)  # fmt: skip
def test_bits(value: str, init: Init) -> None:
    rules = f"stream: global\nrules: [{{rule: r, select: {{type: [Linear, Conv2d]}}, set: {{weight: {value}}}}}]"
    wanted, found = model(), model()
    with isolation(7), torch.no_grad():
        for layer in wanted.values():
            init(layer.weight)
    with isolation(7):
        apply_(found, planned(rules, found))
    assert all(torch.equal(wanted[name].weight, found[name].weight) for name in wanted)


@isolated
def test_sparse_bits() -> None:
    net = nn.Linear(7, 9)
    wanted = torch.empty(9, 7)
    with isolation(3):
        nn.init.sparse_(wanted, 0.3, 0.1)
    with isolation(3):
        body = 'stream: global\nrules: [{rule: r, select: "", set: {weight: {sparse: {sparsity: 0.3, std: 0.1}}}}]'
        apply_(net, planned(body, net))
    assert torch.equal(net.weight, wanted)


def test_one_reset_serves_weight_and_bias() -> None:
    wanted, found = model(), model()
    with isolation(5):
        for layer in wanted.values():
            layer.reset_parameters()
    with isolation(5):
        apply_(found, planned('stream: global\nrules: [{rule: r, select: "*", set: {"*": reset}}]', found))
    assert all(
        torch.equal(wanted[n].get_parameter(p), found[n].get_parameter(p)) for n in wanted for p in ("weight", "bias")
    )


@isolated
def test_fans_and_packed_weights_are_read_as_torch_reads_them_unless_told_otherwise() -> None:
    net = nn.ModuleDict({"up": nn.ConvTranspose2d(4, 10, 3), "attention": nn.MultiheadAttention(8, 2)})
    body = """stream: global
rules:
  - {rule: up, select: up, set: {weight: VALUE}}
  - {rule: attention, select: attention, set: {in_proj_weight: xavier_normal}}"""
    plain = planned(body.replace("VALUE", "kaiming_normal"), net)
    role = planned(body.replace("VALUE", "{kaiming_normal: {layout: role}}"), net)
    stds = [row.moments.std for plan in (plain, role) for row in plan.rows if row.moments]
    assert stds == pytest.approx([(2 / 90) ** 0.5, (2 / 32) ** 0.5, (2 / 36) ** 0.5, (2 / 32) ** 0.5])
