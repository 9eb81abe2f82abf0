"""The bias for a wanted output, and what a module's own reset method writes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules.actions.base import Moments
from initrules.actions.owner import Output, Reset, inverse, transform
from initrules.errors import ExpressionError
from targets import target


@pytest.mark.parametrize(
    ("value", "through", "bias"),
    [
        pytest.param(3, "x", 3, id="nothing follows"),
        pytest.param(3, "identity", 3, id="identity follows"),
        pytest.param(0.5, "sigmoid", 0, id="the middle of a sigmoid"),
        pytest.param(0.01, "sigmoid", -math.log(99), id="a rare event"),
        pytest.param(-0.3, "tanh", math.atanh(-0.3), id="a tanh"),
        pytest.param(0.1, "softplus", math.log(math.expm1(0.1)), id="a softplus"),
        pytest.param(-0.05, "-softplus(x)", math.log(math.expm1(0.05)), id="a falling function"),
        pytest.param(1, "exp", 0, id="an exponential"),
        pytest.param(0, "log", 1, id="a function with a domain"),
        pytest.param(2, "sqrt", 4, id="a root"),
        pytest.param(7, "2 * x - 1", 4, id="a line"),
        pytest.param(-8, "x ** 3", -2, id="a cube"),
        pytest.param(0, "x ** 3", 0, id="a cube where it is flat"),
        pytest.param(2, "max(x, 0)", 2, id="a ReLU"),
        pytest.param(0, "max(x, 0)", 0, id="of a flat stretch the end nearest to 0"),
        pytest.param(1, "min(max(x, 0), 1)", 1, id="the same from the other side"),
        pytest.param(3, "min(x, 3)", 3, id="the beginning of a flat stretch"),
        pytest.param(3, "3", 0, id="a constant function that has the value"),
        pytest.param(1e5, "x", 1e5, id="a large bias"),
        pytest.param(1e-9, "x", 1e-9, id="a small bias"),
        pytest.param(1, "sqrt(x * x + 1) + x", 0, id="a function with rounding noise far out"),
    ],
)
def test_bias(value: float, through: str, bias: float) -> None:
    action = Output(value=value, through=through)
    assert action.bias() == pytest.approx(bias, rel=1e-9, abs=1e-12)
    assert action.problem(target(2)) is None
    assert action.moments(target(2)) == pytest.approx(Moments(bias, 0), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "through", "problem"),
    [
        pytest.param(
            2, "sigmoid", "no bias gives the output 2: 'sigmoid' is between 0 and 1", id="out of the range of a sigmoid"
        ),
        pytest.param(1, "sigmoid", "no bias gives the output 1: 'sigmoid' only comes near it", id="its upper edge"),
        pytest.param(0, "sigmoid", "no bias gives the output 0: 'sigmoid' only comes near it", id="its lower edge"),
        pytest.param(-1, "tanh", "no bias gives the output -1: 'tanh' only comes near it", id="the edge of a tanh"),
        pytest.param(0, "softplus", "no bias gives the output 0: 'softplus' only comes near it", id="a softplus of 0"),
        pytest.param(0, "exp", "no bias gives the output 0: 'exp' only comes near it", id="an exponential of 0"),
        pytest.param(
            2e6, "x", "no bias gives the output 2e+06: 'x' is between -1e+06 and 1e+06", id="a bias out of bounds"
        ),
        pytest.param(1, "3", "no bias gives the output 1: '3' is between 3 and 3", id="a constant function"),
        pytest.param(4, "x ** 2", "'x ** 2' rises and falls, so that it has no single inverse", id="a parabola"),
        pytest.param(0.5, "sin", "'sin' rises and falls, so that it has no single inverse", id="a wave"),
        pytest.param(
            1, "sqrt(-1 - x * x)", "no bias gives the output 1: 'sqrt(-1 - x * x)' is not defined anywhere",
            id="defined nowhere",
        ),
        pytest.param(
            1, "[1, 2]", "no bias gives the output 1: '[1, 2]' is not defined anywhere", id="a list is no function"
        ),
        pytest.param(1, "x +", "'x +' is not an expression", id="no expression"),
    ],
)  # fmt: skip
def test_unreachable(value: float, through: str, problem: str) -> None:
    assert Output(value=value, through=through).problem(target(2)) == problem


@pytest.mark.parametrize("shape", [(), (2, 3)], ids=["a scalar", "a weight"])
def test_output_is_for_a_bias(shape: tuple[int, ...]) -> None:
    assert Output(value=1).problem(target(*shape)) == (
        f"output sets a bias, a parameter with 1 dimension; this one has {len(shape)}"
    )


_MONOTONE = ["x", "2 * x + 3", "-x / 7", "tanh", "sigmoid", "softplus", "-softplus(x)", "exp(x / 4)", "x ** 3 + x"]


@given(st.sampled_from(_MONOTONE), st.floats(-8, 8))
def test_the_bias_gives_the_output(through: str, x: float) -> None:
    function = transform(through)
    value = function(x)
    found = inverse(function, value, through)
    assert function(found) == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_what_is_refused_is_an_expression_error() -> None:
    with pytest.raises(ExpressionError):
        Output(value=2, through="tanh").bias()


def test_reset_needs_a_method() -> None:
    assert Reset().problem(target(2)) == "the module that owns it has no 'reset_parameters' method"
    assert Reset().problem(replace(target(2), resets="reset_parameters")) is None
    assert Reset().moments(target(2)) is None
