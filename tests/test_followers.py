"""What is an activation, and the gain that suits it, against numbers drawn through it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN

from initrules.followers import Follower, of_module, of_operation, operation
from support import isolation

ADVISED, KEPT = "torch recommends it", "a signal of std 1 keeps its size"


def x() -> Tensor:
    with isolation():
        return torch.randn(1_000_000, dtype=torch.float64)


@pytest.mark.parametrize(("module", "name", "gain"), [
    pytest.param(nn.ReLU(inplace=True), "ReLU", math.sqrt(2), id="relu"),
    pytest.param(nn.Tanh(), "Tanh", 5 / 3, id="tanh"),
    pytest.param(nn.Sigmoid(), "Sigmoid", 1.0, id="sigmoid"),
    pytest.param(nn.SELU(), "SELU", 0.75, id="selu"),
    pytest.param(nn.LeakyReLU(0.5), "LeakyReLU(0.5)", math.sqrt(1.6), id="a leaky relu with its slope"),
])  # fmt: skip
def test_gains_that_torch_recommends(module: nn.Module, name: str, gain: float) -> None:
    assert of_module(module) == Follower(name, gain, ADVISED)


@pytest.mark.parametrize(("module", "name"), [
    pytest.param(nn.GELU(), "GELU", id="gelu"),
    pytest.param(nn.GELU(approximate="tanh"), "GELU", id="a gelu by tanh"),
    pytest.param(nn.SiLU(), "SiLU", id="silu"),
    pytest.param(nn.Softplus(beta=2), "Softplus", id="softplus"),
    pytest.param(nn.ELU(2.0), "ELU", id="elu"),
    pytest.param(nn.CELU(2.0), "CELU", id="celu"),
    pytest.param(nn.Hardtanh(-0.5, 2), "Hardtanh", id="hardtanh"),
    pytest.param(nn.ReLU6(), "ReLU6", id="relu6"),
    pytest.param(nn.Softsign(), "Softsign", id="softsign"),
    pytest.param(ACT2FN["gelu_new"], "GELU", id="GPT-2's gelu"),
])  # fmt: skip
def test_other_gains_keep_a_signal(module: nn.Module, name: str) -> None:
    found = of_module(module)
    assert found is not None
    assert (found.name, found.why) == (name, KEPT)
    size = float(module(x()).detach().square().mean().sqrt())
    assert size * (found.gain or 0) == pytest.approx(1, rel=0.005)


class Tanh(nn.Module):
    """A class of one's own that shares a name with torch's."""


@pytest.mark.parametrize("module", [
    pytest.param(nn.Softmax(-1), id="softmax mixes"),
    pytest.param(nn.GLU(), id="a GLU halves"),
    pytest.param(nn.PReLU(), id="a slope that is learned"),
    pytest.param(nn.RReLU(), id="a slope that is drawn"),
    pytest.param(ACT2FN["relu2"], id="one that is not known"),
    pytest.param(nn.Dropout(), id="dropout"),
    pytest.param(nn.Linear(2, 2), id="a layer"),
    pytest.param(Tanh(), id="a namesake"),
])  # fmt: skip
def test_what_is_no_activation(module: nn.Module) -> None:
    assert of_module(module) is None


def test_an_activation_that_lets_nothing_through() -> None:
    assert of_module(nn.Hardtanh(0, 1e-9)) == Follower(
        "Hardtanh", None, "Hardtanh leaves next to nothing of a signal of std 1"
    )


@pytest.mark.parametrize(("function", "module"), [
    pytest.param(torch.relu, nn.ReLU(), id="relu"),
    pytest.param(torch.relu_, nn.ReLU(), id="in place"),
    pytest.param(lambda h: functional.leaky_relu(h, 0.3), nn.LeakyReLU(0.3), id="leaky relu"),
    pytest.param(lambda h: functional.hardtanh(h, -2, 0.5), nn.Hardtanh(-2, 0.5), id="hardtanh"),
    pytest.param(torch.tanh, nn.Tanh(), id="tanh"),
    pytest.param(torch.sigmoid, nn.Sigmoid(), id="sigmoid"),
    pytest.param(functional.logsigmoid, nn.LogSigmoid(), id="logsigmoid"),
    pytest.param(lambda h: functional.gelu(h, approximate="tanh"), nn.GELU("tanh"), id="gelu"),
    pytest.param(functional.silu, nn.SiLU(), id="silu"),
    pytest.param(functional.mish, nn.Mish(), id="mish"),
    pytest.param(functional.hardswish, nn.Hardswish(), id="hardswish"),
    pytest.param(functional.hardsigmoid, nn.Hardsigmoid(), id="hardsigmoid"),
    pytest.param(lambda h: functional.softplus(h, 3.0, 5.0), nn.Softplus(3.0, 5.0), id="softplus"),
    pytest.param(functional.selu, nn.SELU(), id="selu"),
    pytest.param(lambda h: functional.elu(h, 2.0), nn.ELU(2.0), id="elu"),
    pytest.param(lambda h: functional.celu(h, 2.0), nn.CELU(2.0), id="celu"),
])  # fmt: skip
def test_an_operation_is_what_the_module_is(function: Callable[[Tensor], Tensor], module: nn.Module) -> None:
    node = function(torch.ones(3, requires_grad=True).clone()).grad_fn
    assert of_operation(node) == of_module(module)


def attention(h: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(h, h, h)


@pytest.mark.parametrize(("function", "name", "why"), [
    pytest.param(lambda h: functional.layer_norm(h, (4,)), "a norm", "a norm follows, which takes any gain away",
                 id="a norm"),
    pytest.param(attention, "attention", "its output goes into attention, for which there is no gain", id="attention"),
    pytest.param(torch.sin, "Sin", "its output goes into Sin, for which there is no gain", id="another operation"),
])  # fmt: skip
def test_other_operations_have_no_gain(function: Callable[[Tensor], Tensor], name: str, why: str) -> None:
    assert of_operation(function(torch.ones(1, 2, 3, 4, requires_grad=True)).grad_fn) == Follower(name, None, why)


def test_names_of_operations() -> None:
    leaf = torch.ones(2, requires_grad=True)
    assert operation(leaf.exp().grad_fn) == "Exp"
    assert operation(torch.autograd.graph.get_gradient_edge(leaf).node) == "AccumulateGrad"
