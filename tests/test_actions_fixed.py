"""Constants: what fits into a dtype, and the moments of an entry."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initrules.actions.base import Action, Moments
from initrules.actions.fixed import Constant, Keep, Ones, Zeros
from targets import target
from writing import values


@pytest.mark.parametrize(
    ("action", "moments"),
    [
        pytest.param(Zeros(), Moments(0, 0), id="zeros"),
        pytest.param(Ones(), Moments(1, 0), id="ones"),
        pytest.param(Constant(value=-2.5), Moments(-2.5, 0), id="a constant"),
        pytest.param(Keep(), None, id="what is there is not known"),
    ],
)
def test_moments(action: Action, moments: Moments | None) -> None:
    assert action.moments(target(2, 3)) == moments
    assert action.problem(target(2, 3)) is None


@pytest.mark.parametrize(
    ("value", "dtype", "problem"),
    [
        pytest.param(3, "int8", None, id="a whole number"),
        pytest.param(3.0, "int8", None, id="a whole number that is a float"),
        pytest.param(3.5, "int8", "3.5 does not fit int8", id="a fraction"),
        pytest.param(127, "int8", None, id="the largest"),
        pytest.param(128, "int8", "128 does not fit int8", id="one more"),
        pytest.param(-1, "uint8", "-1 does not fit uint8", id="a sign"),
        pytest.param(1, "bool", None, id="true"),
        pytest.param(2, "bool", "2 does not fit bool", id="more than true"),
        pytest.param(65504, "float16", None, id="the largest half"),
        pytest.param(-7e4, "float16", "-70000 does not fit float16, whose largest value is 6.55e+04", id="beyond"),
        pytest.param(1e300, "float64", None, id="large doubles"),
        pytest.param(1e300, "float128", None, id="a dtype that nobody knows"),
    ],
)
def test_what_fits(value: float, dtype: str, problem: str | None) -> None:
    assert Constant(value=value).problem(target(2, dtype=dtype)) == problem


def test_written_values() -> None:
    model = nn.ParameterDict({name: torch.full((2,), 7.0) for name in ("zeros", "ones", "halves", "keep")})
    rules = "rules: [{rule: a, select: '**', set: {zeros: zeros, ones: ones, halves: 1 / 2, keep: keep}}]"
    found = {name: tensor.tolist() for name, tensor in values(rules, model).items()}
    assert found == {"zeros": [0, 0], "ones": [1, 1], "halves": [0.5, 0.5], "keep": [7, 7]}
