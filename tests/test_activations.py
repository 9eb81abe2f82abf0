"""Activations as torch computes them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from initrules.activations import activation_of
from initrules.survey import survey

KNOWN = [
    nn.Sigmoid(), nn.Tanh(), nn.LogSigmoid(), nn.Softsign(), nn.GELU(), nn.SiLU(), nn.Mish(),
    nn.Hardswish(), nn.Hardsigmoid(), nn.ReLU(), nn.ReLU6(), nn.SELU(), nn.LeakyReLU(0.2), nn.ELU(1.5), nn.CELU(2.0),
    nn.Hardtanh(-0.5, 2.0), nn.Softplus(), nn.Softplus(2.0),
]  # fmt: skip


def of(module: nn.Module) -> Any:
    return activation_of(survey(module).modules[0])


@pytest.mark.parametrize("module", KNOWN, ids=str)
def test_values_slopes_and_range_are_those_of_torch(module: nn.Module) -> None:
    activation = of(module)
    x = torch.tensor([-30.0, -3.0, -1.3, -0.5, 0.0, 0.7, 2.0, 3.0, 6.0, 9.0], dtype=torch.float64, requires_grad=True)
    y = module(x)
    (slopes,) = torch.autograd.grad(y.sum(), x)
    for at, value, slope in zip(x.tolist(), y.tolist(), slopes.tolist(), strict=True):
        assert activation.function(at) == pytest.approx(value, abs=1e-9)
        assert activation.low <= activation.function(at) <= activation.high
        if not (activation.slope is None and at in {-3.0, 0.0, 3.0}):  # a difference quotient smooths kinks
            assert activation.slope_at(at) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("module", KNOWN, ids=str)
def test_moments_are_those_of_many_draws(module: nn.Module) -> None:
    activation = of(module)
    z = torch.randn(400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 1.5
    z.requires_grad_()
    y = module(z)
    (slopes,) = torch.autograd.grad(y.sum(), z)
    assert activation.second_moment(2.25) == pytest.approx(float((y.detach() ** 2).mean()), rel=0.02)
    assert activation.slope_moment(2.25) == pytest.approx(float((slopes**2).mean()), rel=0.02)


@pytest.mark.parametrize(("module", "x", "share"), [
    pytest.param(nn.Sigmoid(), 0.0, 1.0, id="the steepest point of a sigmoid"),
    pytest.param(nn.Sigmoid(), -math.log(99), 4 * 0.0099, id="the prior of a focal loss is no edge"),
    pytest.param(nn.Sigmoid(), 20.0, 4 * math.exp(-20), id="far out"),
    pytest.param(nn.ReLU(), -1.0, 0.0, id="off"),
])  # fmt: skip
def test_saturation(module: nn.Module, x: float, share: float) -> None:
    assert of(module).saturation(x) == pytest.approx(share, rel=1e-2, abs=1e-12)


class ReLU(nn.Module):
    """Only shares a name."""


class Shifted(nn.ReLU):
    """A sub-class may compute anything."""


@pytest.mark.parametrize("module", [ReLU(), Shifted(), nn.Linear(1, 1), nn.PReLU()], ids=lambda one: type(one).__name__)
def test_what_is_not_known(module: nn.Module) -> None:
    assert of(module) is None


def test_transformers_activations() -> None:
    from transformers.activations import ACT2FN  # noqa: PLC0415  # slow to import

    assert [getattr(of(ACT2FN[name]), "name", None) for name in ("gelu_new", "gelu", "silu", "relu2", "tanh")] == [
        "GELU", "GELU", "SiLU", None, "Tanh",
    ]  # fmt: skip
