"""What stands around a layer, by a forward pass for each case."""

# ruff: noqa: E501  # a case in one line

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from initrules.observing import observe
from initrules.readings import Fact
from support import isolated


class Net(nn.Module):
    """Two layers and a norm, and a forward of one's own."""

    def __init__(self, forward: Callable[[Net, Tensor], Any]) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.LayerNorm(4)
        self.position = nn.Parameter(torch.ones(3, 4))
        self.register_buffer("mask", torch.ones(3, 4))
        self.run = forward

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def x() -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(0))


def facts(forward: Callable[[Net, Tensor], Any]) -> dict[str, Fact]:
    return {one.path: one for one in observe(isolated(Net)(forward), x())}


def several(m: Net, x: Tensor) -> Any:
    h = m.a(x)
    return m.b(h.relu() + h.tanh())


def and_out(m: Net, x: Tensor) -> Any:
    h = m.a(x)
    return h, m.b(h.relu())


def trunk(m: Net, x: Tensor) -> Any:
    h = m.a(x).relu()
    return h + m.b(h)


def positions(m: Net, x: Tensor) -> Any:
    return m.b(m.a(x) + m.position)


CHOICE = "how large it starts is a choice"
KEPT, ADVISED = "a signal of std 1 keeps its size", "torch recommends it"
NO_KNOWN = "gates another signal: their product has no known gain"


@pytest.mark.parametrize(("forward", "follows", "gain", "why"), [
    # certain
    pytest.param(lambda m, x: m.b(torch.relu(m.a(x))), "ReLU", 2**0.5, ADVISED, id="a function"),
    pytest.param(lambda m, x: m.b(torch.relu_(m.a(x))), "ReLU", 2**0.5, ADVISED, id="in place"),
    pytest.param(lambda m, x: m.b(functional.leaky_relu(m.a(x), 0.5)), "LeakyReLU(0.5)", 1.6**0.5, ADVISED, id="a slope"),
    pytest.param(lambda m, x: m.b(functional.selu(m.a(x))), "SELU", 0.75, ADVISED, id="a SELU"),
    pytest.param(lambda m, x: m.b(functional.softplus(m.a(x))), "Softplus", 1.04187, KEPT, id="a moment"),
    pytest.param(lambda m, x: m.b(m.a(x)), "a linear layer", 1.0, "nothing shrinks the signal between two layers", id="a layer"),
    pytest.param(lambda m, x: m.b(torch.relu(m.a(x).view(3, 2, 2).flatten(1))), "ReLU", 2**0.5, ADVISED, id="behind reshapes"),
    pytest.param(lambda m, x: m.b(m.a(x).relu() * 2), "ReLU", 2**0.5, ADVISED, id="a number is no gate"),
    pytest.param(lambda m, x: m.b(m.a(m.a(x).relu()).relu()), "ReLU", 2**0.5, ADVISED, id="twice the same"),
    pytest.param(trunk, "ReLU", 2**0.5, ADVISED, id="where a branch begins"),
    # refused
    pytest.param(lambda m, x: m.b(m.norm(m.a(x))), "a norm", None, "a norm follows, which takes any gain away", id="a norm"),
    pytest.param(lambda m, x: m.b(x + m.a(x)), "a sum", None, f"it ends a residual branch: {CHOICE}", id="a branch"),
    pytest.param(lambda m, x: m.b(x + m.a(x).relu()), "ReLU", None, f"it ends a residual branch: {CHOICE}",
                 id="a branch that ends in an activation"),
    pytest.param(lambda m, x: m.b(m.a(x).relu() + m.position), "ReLU", None, f"ReLU goes into a sum: {CHOICE}",
                 id="a sum behind an activation"),
    pytest.param(lambda m, x: m.b(m.a(x) + m.b(x)), "a sum", None, f"its output goes into a sum: {CHOICE}", id="two towers"),
    pytest.param(positions, "a sum", None, "a parameter is added to its output", id="positions"),
    pytest.param(lambda m, x: m.b(m.a(x) + 1), "a sum", None, "a constant is added to its output", id="a constant"),
    pytest.param(several, "several", None, "its output goes to 2 consumers: Relu, Tanh", id="two consumers"),
    pytest.param(lambda m, x: m.b(m.a(x).relu() * m.b(x)), "ReLU", None, f"ReLU {NO_KNOWN}", id="a gate"),
    pytest.param(lambda m, x: m.b(m.a(x).sigmoid().view(3, 4) * x), "Sigmoid", None, f"Sigmoid {NO_KNOWN}",
                 id="a gate of the input"),
    pytest.param(lambda m, x: m.b(m.a(x).relu() * m.mask), "ReLU", None, f"ReLU {NO_KNOWN}", id="a mask"),
    pytest.param(lambda m, x: m.b(m.a(x).sin()), "Sin", None, "its output goes into Sin, for which there is no gain", id="unknown"),
    pytest.param(lambda m, x: m.b(m.a(x) @ m.a(x).T @ x), "Mm", None, "its output goes into Mm, for which there is no gain",
                 id="a product of signals is no layer"),
    pytest.param(lambda m, x: m.a(x), "the output", None, f"its output is the model's: {CHOICE}", id="the output"),
    pytest.param(and_out, "the output", None, f"its output is the model's, and goes into Relu too: {CHOICE}", id="and more"),
    pytest.param(lambda m, x: m.a(x).tanh() * 2, "Tanh", None, f"it is the last layer: {CHOICE}", id="a bounded output"),
    pytest.param(lambda m, x: m.b(m.a(m.a(x)).relu()), "several", None,
                 "it is called 2 times, and ReLU and a linear layer follow", id="called twice"),
    pytest.param(lambda m, x: m.b(x), None, None, "it was not called as a module on these inputs", id="never called"),
    pytest.param(lambda m, x: (m.a(x), m.b(x))[1], "nothing", None, "nothing that is returned depends on it", id="thrown away"),
    pytest.param(lambda m, x: m.b(m.a(x).detach()), "nothing", None, "nothing that is returned depends on it", id="detached"),
    pytest.param(lambda m, x: m.b(torch.no_grad()(m.a)(x)), None, None,
                 "it runs without gradients, so that nothing shows what follows", id="without gradients"),
])  # fmt: skip
def test_what_follows(forward: Callable[[Net, Tensor], Any], follows: str | None, gain: float | None, why: str) -> None:
    found = facts(forward)["a"]
    assert (found.follows, found.why) == (follows, why)
    assert found.gain == (None if gain is None else pytest.approx(gain, abs=5e-5))


@pytest.mark.parametrize(("forward", "precedes"), [
    pytest.param(lambda m, x: m.b(x), "the input", id="the input"),
    pytest.param(lambda m, x: m.b(x.T.T), "the input", id="behind reshapes"),
    pytest.param(lambda m, x: m.b(m.a(x)), "a linear layer", id="a layer"),
    pytest.param(lambda m, x: m.b(m.a(x).relu()), "ReLU", id="an activation"),
    pytest.param(lambda m, x: m.b(m.norm(m.a(x))), "a norm", id="a norm"),
    pytest.param(lambda m, x: m.b(x + m.a(x)), "a sum", id="a sum"),
    pytest.param(lambda m, x: m.b(m.a(x).sin()), "Sin", id="another operation"),
    pytest.param(lambda m, _: m.b(m.position), "a parameter", id="a parameter"),
    pytest.param(lambda m, _: m.b(m.mask), "a constant", id="a constant"),
    pytest.param(lambda m, x: m.b(m.b(x).relu()), "several", id="called twice"),
])  # fmt: skip
def test_what_precedes(forward: Callable[[Net, Tensor], Any], precedes: str) -> None:
    assert facts(forward)["b"].precedes == precedes


def normed(m: Net, x: Tensor) -> Any:
    return m.b(m.norm(x + m.norm(m.a(m.norm(x)))))


def parallel(m: Net, x: Tensor) -> Any:
    return m.a(x) + m.b(x) + x


@pytest.mark.parametrize(("forward", "ends", "last"), [
    pytest.param(lambda m, x: m.b(x + m.a(x)), "a", "b", id="a shortcut from the input"),
    pytest.param(lambda m, x: m.b(x + m.a(x).relu()), "a", "b", id="an activation at the end"),
    pytest.param(lambda m, x: m.a(x).view(3, 4) + m.b(m.a(x).relu()), "", "b", id="another call is no shortcut"),
    pytest.param(trunk, "b", "b", id="a shortcut from inside"),
    pytest.param(normed, "a", "b", id="norms around it"),
    pytest.param(parallel, "ab", "ab", id="parallel branches"),
    pytest.param(lambda m, x: m.a(x) + m.b(x), "", "ab", id="two towers"),
    pytest.param(lambda m, x: m.b(m.a(x) + m.position), "", "b", id="a parameter is no shortcut"),
    pytest.param(lambda m, x: m.b(m.a(x) + 1), "", "b", id="a number is no shortcut"),
    pytest.param(lambda m, x: m.a(x) @ m.position.T, "", "", id="a matrix of one's own is a layer"),
    pytest.param(lambda m, x: (m.a(x).tanh(), m.b(x).sum()), "", "ab", id="two heads"),
    pytest.param(lambda m, x: (m.a(x), m.b(x))[1], "", "b", id="what is thrown away is not the last"),
])  # fmt: skip
def test_places(forward: Callable[[Net, Tensor], Any], ends: str, last: str) -> None:
    found = facts(forward)
    assert "".join(path for path, one in found.items() if one.residual) == ends
    assert "".join(path for path, one in found.items() if one.last) == last
