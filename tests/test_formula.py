"""Formulas over whole tensors, against numpy written out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from initrules import expression, formula
from initrules.source import Span

X = np.arange(6, dtype=np.float64).reshape(2, 3)


def parsed(text: str) -> expression.Expression:
    return expression.parse(text, Span("formula", 1, 1))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("x * 2 + 1", X * 2 + 1, id="x is every entry"),
        pytest.param("i", [[0, 0, 0], [1, 1, 1]], id="i counts along dimension 0"),
        pytest.param("j", [[0, 1, 2], [0, 1, 2]], id="j counts along dimension 1"),
        pytest.param("i * 3 + j", X, id="indices broadcast"),
        pytest.param("1 if j == 2 else 0", [[0, 0, 1], [0, 0, 1]], id="a choice for each entry"),
        pytest.param(
            "1 / (j - 1) if j != 1 else 0", [[-1, 0, 1], [-1, 0, 1]], id="the branch not taken may divide by zero"
        ),
        pytest.param("i == 0 and j > 0", [[0, 1, 1], [0, 0, 0]], id="and is elementwise"),
        pytest.param("i == 0 or j > 1", [[1, 1, 1], [0, 0, 1]], id="or is elementwise"),
        pytest.param("not i", [[1, 1, 1], [0, 0, 0]], id="not is elementwise"),
        pytest.param("0 < j < 2", [[0, 1, 0], [0, 1, 0]], id="comparisons chain"),
        pytest.param("-x", -X, id="minus"),
        pytest.param("+x", X, id="plus"),
        pytest.param("x // 2 + x % 2", X // 2 + X % 2, id="whole division and rest"),
        pytest.param("2 ** j", [[1, 2, 4], [1, 2, 4]], id="powers of whole indices are real"),
        pytest.param("min(x, 2, 1)", np.minimum(X, 1), id="min of several"),
        pytest.param("max(x, 2)", np.maximum(X, 2), id="max"),
        pytest.param("log(x + 1, 2)", np.log2(X + 1), id="logarithm to a base"),
        pytest.param("sigmoid(x)", 1 / (1 + np.exp(-X)), id="sigmoid"),
        pytest.param("softplus(x)", np.log1p(np.exp(X)), id="softplus"),
        pytest.param("x - mean(x)", X - 2.5, id="mean over the tensor"),
        pytest.param("x / std(x)", X / np.sqrt(17.5 / 5), id="std divides by n - 1"),
        pytest.param("x / norm(x)", X / np.sqrt(55), id="norm is Euclidean"),
        pytest.param("module.bias * i", [[0, 0, 0], [7, 7, 7]], id="another parameter"),
        pytest.param("pi", np.full((2, 3), np.pi), id="a constant fills"),
    ],
)
def test_compute(text: str, wanted: Any) -> None:
    found = formula.compute(parsed(text), X, (2, 3), {"module.bias": np.array(7.0)})
    np.testing.assert_allclose(found.astype(np.float64), np.asarray(wanted, dtype=np.float64), rtol=1e-12)


def test_complex_values_stay_complex() -> None:
    found = formula.compute(parsed("x * 2"), X + 1j, (2, 3), {})
    np.testing.assert_allclose(found, 2 * X + 2j)


@pytest.mark.parametrize(
    ("text", "dimensions", "wanted"),
    [
        pytest.param("i + j", 2, None, id="two of two"),
        pytest.param("x", 0, None, id="x needs no dimension"),
        pytest.param("j", 1, "the index 'j' is out of range: the parameter has 1 dimension", id="j of one"),
        pytest.param("k + 1", 2, "the index 'k' is out of range: the parameter has 2 dimensions", id="k of two"),
        pytest.param("x[0]", 1, "'x[0]' does not stand in a formula", id="no elements"),
        pytest.param("[1, 2]", 1, "'[1, 2]' does not stand in a formula", id="no lists"),
        pytest.param("i in x", 1, "'in' does not stand in a formula; compare with ==", id="no membership"),
    ],
)
def test_unfit(text: str, dimensions: int, wanted: str | None) -> None:
    assert formula.unfit(parsed(text), dimensions) == wanted
