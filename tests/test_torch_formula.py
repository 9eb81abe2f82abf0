"""Formulas of global streams: torch's own operations, bit for bit what one writes by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from initrules import expression, formula, torch_formula
from initrules.source import Span

X = torch.linspace(-2, 2, 24, dtype=torch.float32).reshape(4, 6)


def computed(text: str, x: torch.Tensor = X) -> torch.Tensor:
    parsed = expression.parse(text, Span("formula", 1, 1))
    return torch_formula.compute(parsed, x, {"module.bias": torch.tensor(3.0)})


@pytest.mark.parametrize(("text", "by_hand"), [
    pytest.param("x / 2.449489742783178", lambda x: x.clone().div_(6**0.5), id="a quotient"),
    pytest.param("x * 0.1 - 3", lambda x: x * 0.1 - 3, id="arithmetic"),
    pytest.param("-x // 2 + x % 3 + x ** 2", lambda x: -x // 2 + x % 3 + x**2, id="more of it"),
    pytest.param("max(exp(x), 0.5)", lambda x: x.exp().clamp(min=0.5), id="a floor"),
    pytest.param("min(x, 0, 1)", lambda x: x.clamp(max=0), id="a ceiling"),
    pytest.param("x * sqrt(2 / std(x) ** 2)", lambda x: x * (2 / x.std() ** 2).sqrt(), id="its own spread"),
    pytest.param("x / norm(x) - mean(x)", lambda x: x / x.norm() - x.mean(), id="norm and mean"),
    pytest.param("x if i >= 2 and j != 1 else 0",
                 lambda x: torch.tensor([[0.0] * 6] * 2 + [[1, 0, 1, 1, 1, 1]] * 2) * x, id="a mask"),
    pytest.param("x if not (i < 1 or true) else 1", torch.ones_like, id="a mask of constants"),
    pytest.param("x * (i < 2)", lambda x: torch.cat([x[:2], x[2:] * 0]), id="a truth is 0 or 1"),
    pytest.param("log(exp(x), 2)", lambda x: x.exp().log() / torch.tensor(2.0).log(), id="a logarithm of base 2"),
    pytest.param("x + module.bias", lambda x: x + 3, id="another parameter"),
    pytest.param("+x", lambda x: x, id="itself"),
])  # fmt: skip
def test_the_same_bits_as_by_hand(text: str, by_hand: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert torch.equal(computed(text), by_hand(X))


@pytest.mark.parametrize("name", ["sqrt", "log", "log1p", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "softplus",
                                  "abs", "floor", "ceil"])  # fmt: skip
def test_functions_agree_with_double_precision(name: str) -> None:
    x = X.abs() + 0.1
    parsed = expression.parse(f"{name}(x)", Span("formula", 1, 1))
    wide = torch.from_numpy(formula.compute(parsed, x.double().numpy(), (4, 6), {}).copy())
    torch.testing.assert_close(computed(f"{name}(x)", x), wide.float())


def test_the_dtype_stays() -> None:
    assert computed("x * 2 + i", X.bfloat16()).dtype == torch.bfloat16
    assert computed("x * 2", X + 1j).dtype == torch.complex64
