"""The moments of laws, against scipy's."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import stats  # type: ignore[import-untyped]

from initrules.actions.law import Law, cut_normal, normal, uniform


def moments(law: Law) -> tuple[float, ...]:
    return law.mean, law.std, law.skew, law.kurtosis, law.sixth


def reference(given: Any) -> tuple[float, ...]:
    mean, std = given.mean(), given.std()
    central = [given.expect(lambda x, k=k: ((x - mean) / std) ** k) for k in (3, 4, 6)]
    return mean, std, *central


@pytest.mark.parametrize(("law", "given"), [
    pytest.param(normal(1, 2), stats.norm(1, 2), id="normal"),
    pytest.param(uniform(-1, 3), stats.uniform(-1, 4), id="uniform"),
    pytest.param(cut_normal(0, 2, -4, 4), stats.truncnorm(-2, 2, 0, 2), id="cut at 2σ"),
    pytest.param(cut_normal(1, 1, -math.inf, 1), stats.truncnorm(-20, 0, 1, 1), id="half a normal"),
    pytest.param(cut_normal(0, 1, 3, 5), stats.truncnorm(3, 5), id="a tail"),
    pytest.param(cut_normal(0, 1, -0.01, 0.01), stats.uniform(-0.01, 0.02), id="a sliver"),
    pytest.param(uniform(-1, 3).scaled(-2), stats.uniform(-6, 8), id="scaled"),
    pytest.param(cut_normal(0, 1, 0, 9).scaled(-1), stats.truncnorm(-9, 0), id="turned around"),
])  # fmt: skip
def test_moments(law: Law, given: Any) -> None:
    assert moments(law) == pytest.approx(reference(given), abs=1e-5, rel=1e-4)


def test_squares_of_a_normal_are_skewed_as_chi_squared() -> None:
    assert normal(0, 1).square_skew == pytest.approx(math.sqrt(8))


def test_ends_stay_in_order() -> None:
    law = uniform(-1, 3).scaled(-2)
    assert (law.low, law.high) == (-6, 2)
    assert (normal(0, 1).scaled(0).low, normal(0, 1).scaled(0).std) == (0, 0)
