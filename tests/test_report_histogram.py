"""Histograms are exact in what they say of all values, and bounded in what they keep."""

from __future__ import annotations

import numpy as np
import pytest

from initrules.report.histogram import BINS, MOST, Gathering, Histogram


def gathered(*arrays: object) -> Histogram:
    gathering = Gathering()
    for array in arrays:
        gathering.add(np.asarray(array))
    found = gathering.histogram()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        pytest.param([[0.0, 0.0], [[0.0]]], Histogram(0.0, 0.0, (3,), 0.0, 0.0, 3), id="one value"),
        pytest.param([[1, 2, 3]], (1.0, 3.0, 2.0, (2 / 3) ** 0.5, 3, 0), id="integers"),
        pytest.param([[1.0, np.nan], [np.inf, 3.0]], (1.0, 3.0, 2.0, 1.0, 2, 2), id="not finite"),
        pytest.param([[np.nan]], Histogram(0.0, 0.0, (), 0.0, 0.0, 0, 1), id="nothing finite"),
        pytest.param([[1.0, 1.0 + 1e-12]], (1.0, 1.0 + 1e-12, 1.0, 0.0, 2, 0), id="too near to divide"),
    ],
)
def test_what_it_says(arrays: list[object], expected: Histogram | tuple[float, ...]) -> None:
    found = gathered(*arrays)
    if isinstance(expected, Histogram):
        assert found == expected
    else:
        said = (found.low, found.high, found.mean, found.std, found.count, found.strange)
        assert said == pytest.approx(expected, abs=1e-9)
        assert sum(found.counts) == found.count


def test_nothing_gives_nothing() -> None:
    assert Gathering().histogram() is None
    empty = Gathering()
    empty.add(np.empty((0, 3)))
    assert empty.histogram() is None


def test_many_arrays_are_as_one() -> None:
    values = np.random.default_rng(0).normal(3.0, 0.5, size=(7, 1000))
    found, whole = gathered(*values), gathered(values)
    assert found.counts == whole.counts
    assert (found.mean, found.std) == pytest.approx((values.mean(), values.std()), rel=1e-12)
    assert found.counts == pytest.approx(np.histogram(values, BINS)[0], abs=1)  # float32 may move one over an edge


def test_large_arrays_are_thinned_and_still_exact_in_their_moments() -> None:
    values = np.random.default_rng(1).uniform(size=(3, MOST))
    found = gathered(*values)
    assert MOST // 4 < sum(found.counts) <= MOST
    assert found.count == values.size
    assert found.std == pytest.approx(values.std(), rel=1e-12)
    shares = np.asarray(found.counts) / sum(found.counts)
    assert shares == pytest.approx(np.full(BINS, 1 / BINS), rel=0.1)


def test_as_json_leaves_out_what_is_nothing() -> None:
    assert gathered([0.0, 1 / 3]).as_json() | {"counts": []} == {
        "low": 0.0, "high": 0.333333, "counts": [], "mean": 0.166667, "std": 0.166667, "count": 2,
    }  # fmt: skip
    assert gathered([0.0, np.nan]).as_json()["strange"] == 1
