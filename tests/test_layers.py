"""Gains of layers, against what a wide layer really does."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

import initrules
from initrules import ruleset
from initrules.chains import chains
from initrules.layers import Layers, Stage, runs
from support import isolated, isolation, planned

VALUES = ["{normal: {std: 0.03}}", "{orthogonal: {gain: 1.2}}", "{uniform: {bound: 0.2}}"]


def rules(value: str, more: str = "") -> str:
    return f"rules: [{{rule: r, select: {{type: [Linear, Conv2d]}}, set: {{weight: {value}, bias: zeros}}{more}}}]"


def staged(model: nn.Module, body: str) -> list[tuple[Stage, ...]]:
    plan = planned(body, model)
    return [run for chain in chains(plan.inventory) for run in runs(chain, Layers(plan.inventory, plan.rows))]


def net(activation: Any, depth: int = 4) -> nn.Module:
    return nn.Sequential(*[one for _ in range(depth) for one in (nn.Linear(256, 256), activation())])


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU, nn.SELU, nn.Identity], ids=lambda one: one.__name__)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("more", ["", ", parametrize: {weight: spectral_norm}"], ids=["plain", "spectral norm"])
def test_gains_are_those_of_a_run(activation: Any, value: str, more: str) -> None:
    body = rules(value, more)
    with isolation():
        model = net(activation)
        (run,) = staged(model, body)
        initrules.apply_(model, ruleset.from_text(f"initrules: 1\n{body}"), seed=0)
        x = torch.randn(256, 256, requires_grad=True)
        y = model(x)
        sent = torch.randn(256, 256)
        (gradient,) = torch.autograd.grad(y, x, sent)
    forward, backward = (math.prod(getattr(one, way) for one in run) for way in ("forward", "backward"))
    assert forward == pytest.approx(float(y.detach().square().mean().sqrt()), rel=0.2)
    assert backward == pytest.approx(float(gradient.square().mean().sqrt()), rel=0.2)


@pytest.mark.parametrize(("modules", "body", "gains"), [
    pytest.param([nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)], "rules: []", [], id="nothing is known"),
    pytest.param([nn.Linear(4, 4), nn.ReLU()], rules("ones"), [], id="a mean is not followed"),
    pytest.param([nn.Linear(4, 4), nn.Tanh()], "rules: [{rule: r, select: '*', set: {weight: {normal: {std: 1}}}}]",
                 [[(None, None)]], id="a bias that is not known hides a Tanh"),
    pytest.param([nn.Linear(4, 4), nn.ReLU()], "rules: [{rule: r, select: '*', set: {weight: {normal: {std: 1}}}}]",
                 [[(None, 1.414)]], id="but no gradient through a ReLU"),
    pytest.param([nn.Linear(4, 4), nn.Softmax(0), nn.Linear(4, 4)], rules("{normal: {std: 1}}"),
                 [[(2.0, 2.0)], [(2.0, 2.0)]], id="what is not known stands between"),
    pytest.param([nn.LayerNorm(4), nn.Linear(4, 4), nn.ReLU()], rules("{normal: {std: 1}}"), [[(1.414, 1.414)]],
                 id="behind a norm of unknown scale a ReLU is known"),
    pytest.param([nn.RMSNorm(4, elementwise_affine=False), nn.Linear(4, 4)], rules("{normal: {std: 1}}"),
                 [[(2.0, 2.0)]], id="behind a norm without a scale"),
    pytest.param([nn.Conv2d(2, 2, 3, stride=3)], rules("{normal: {std: 1}}"), [[(4.243, 1.414)]], id="a stride"),
    pytest.param([nn.Linear(4, 4)], rules("{normal: {std: 1}}", ", parametrize: {weight: orthogonal}"), [[(1.0, 1.0)]],
                 id="an orthogonal parametrization"),
    pytest.param([nn.Linear(4, 4)], rules("{normal: {std: 1}}", ", parametrize: {weight: weight_norm}"), [[(2.0, 2.0)]],
                 id="weight norm keeps the value"),
])  # fmt: skip
def test_what_is_known(modules: list[nn.Module], body: str, gains: list[Any]) -> None:
    found = [[(one.forward, one.backward) for one in run] for run in staged(nn.Sequential(*modules), body)]
    shown = [[tuple(None if gain is None else round(gain, 3) for gain in pair) for pair in run] for run in found]
    assert shown == gains


def test_a_parametrization_of_the_users_own_is_not_followed() -> None:
    class Half(nn.Module):
        def forward(self, x: Any) -> Any:
            return x / 2

        def right_inverse(self, x: Any) -> Any:
            return 2 * x

    model = isolated(nn.Linear)(4, 4)
    nn.utils.parametrize.register_parametrization(model, "weight", Half())
    assert staged(nn.Sequential(model), rules("{normal: {std: 1}}")) == []
