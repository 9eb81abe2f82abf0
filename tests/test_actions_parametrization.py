"""Parametrizations: which weights they wrap."""

from __future__ import annotations

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
    ],
)  # fmt: skip
def test_what_can_be_wrapped(wrap: Wrap, shape: tuple[int, ...], dtype: str, problem: str | None) -> None:
    assert wrap.problem(target(*shape, dtype=dtype)) == problem


def test_what_divides_by_a_norm_says_so() -> None:
    assert SpectralNorm.nan_on_zero
    assert WeightNorm.nan_on_zero
    assert not OrthogonalParametrization.nan_on_zero
