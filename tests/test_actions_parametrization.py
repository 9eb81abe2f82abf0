"""Parametrizations: which weights they wrap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from initrules.actions.base import Wrap
from initrules.actions.parametrization import OrthogonalParametrization, SpectralNorm, WeightNorm
from targets import target


@pytest.mark.parametrize(
    ("wrap", "shape", "dtype", "problem"),
    [
        pytest.param(SpectralNorm(), (2, 3), "float32", None, id="a matrix"),
        pytest.param(
            SpectralNorm(), (3,), "float32", "spectral_norm needs at least 2 dimensions, this parameter has 1",
            id="a vector has no spectrum",
        ),
        pytest.param(
            OrthogonalParametrization(), (3,), "float32",
            "orthogonal needs at least 2 dimensions, this parameter has 1", id="a vector is not orthogonal",
        ),
        pytest.param(WeightNorm(), (3,), "float32", None, id="a vector has a norm"),
        pytest.param(
            WeightNorm(), (), "float32", "weight_norm needs at least 1 dimension, this parameter has 0", id="a scalar"
        ),
        pytest.param(WeightNorm(), (3,), "int8", "weight_norm cannot wrap int8", id="integers"),
        pytest.param(WeightNorm(dim=-1), (3,), "float32", None, id="one norm of all"),
        pytest.param(
            WeightNorm(dim=1), (3,), "float32", "there is no dimension 1: this parameter has 1", id="no such dimension"
        ),
        pytest.param(WeightNorm(), (3, 3), "complex64", "weight_norm cannot wrap complex64", id="complex norms"),
        pytest.param(
            OrthogonalParametrization(), (3, 3), "bfloat16",
            "orthogonal cannot wrap bfloat16: its matrix functions need float32 or float64", id="low precision",
        ),
        pytest.param(
            OrthogonalParametrization(orthogonal_map="householder"), (3, 3), "complex64",
            "the householder map does not take complex parameters", id="complex reflections",
        ),
    ],
)  # fmt: skip
def test_what_can_be_wrapped(wrap: Wrap, shape: tuple[int, ...], dtype: str, problem: str | None) -> None:
    assert wrap.problem(target(*shape, dtype=dtype)) == problem


def test_a_padding_row_has_no_direction() -> None:
    padded = replace(target(3, 2), padding=0)
    assert WeightNorm().problem(padded) == "weight_norm divides each row by its norm, and the padding row 0 is zero"
    assert WeightNorm(dim=1).problem(padded) is None


def test_what_divides_by_a_norm_says_so() -> None:
    assert SpectralNorm.nan_on_zero
    assert WeightNorm.nan_on_zero
    assert not OrthogonalParametrization.nan_on_zero
