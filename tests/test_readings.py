"""Ratios of first and last, where there are any."""

from __future__ import annotations

import math

import pytest

from initrules.readings import Run, Signal


def run(*values: tuple[float | None, float | None]) -> Run:
    rows = (Signal(str(n), "Linear", 1, 0.0, std, back=back) for n, (std, back) in enumerate(values))
    return Run("eval", tuple(rows), "x")


@pytest.mark.parametrize(("values", "ratio", "gradient"), [
    pytest.param([(2.0, 1.0), (1.0, 4.0)], 0.5, 0.25, id="last over first, and back"),
    pytest.param([(None, 1.0), (2.0, None), (1.0, 4.0)], 0.5, 0.25, id="what is absent is passed over"),
    pytest.param([(math.nan, math.inf), (1.0, 4.0)], None, None, id="what is not finite too"),
    pytest.param([(0.0, 1.0), (1.0, 0.0)], None, None, id="nothing can be divided by zero"),
    pytest.param([(1.0, 1.0)], None, None, id="one layer"),
])  # fmt: skip
def test_ratios(values: list[tuple[float | None, float | None]], ratio: float | None, gradient: float | None) -> None:
    found = run(*values)
    assert (found.ratio, found.gradient_ratio) == (ratio, gradient)
