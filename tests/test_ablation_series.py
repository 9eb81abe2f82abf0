"""Curves of many seeds on one grid: what is averaged, and where it ends."""

from __future__ import annotations

import pytest

from initrules.ablation import series
from initrules.ablation.records import Series
from initrules.ablation.study import Curve, Metric, Study


def points(values: list[float | None], steps: range | None = None) -> Series:
    return tuple((float(step), value) for step, value in zip(steps or range(len(values)), values, strict=True))


def test_few_steps_are_drawn_as_they_are() -> None:
    found = series.trend({0: points([1.0, 2.0, 3.0]), 1: points([3.0, 2.0, 1.0])})
    assert found.runs == {0: ((0, 1), (1, 2), (2, 3)), 1: ((0, 3), (1, 2), (2, 1))}
    assert found.mean == ((0, 2), (1, 2), (2, 2))
    assert found.band == ((0, 1, 3), (1, 2, 2), (2, 1, 3))


def test_one_run_has_no_band() -> None:
    found = series.trend({7: points([1.0, 2.0])})
    assert (found.mean, found.band) == (((0, 1), (1, 2)), ())


def test_the_mean_ends_where_the_first_run_ends() -> None:
    found = series.trend({0: points([1.0, 2.0, None, None]), 1: points([3.0, 4.0, 5.0, 6.0])})
    assert found.mean == ((0, 2), (1, 3))
    assert found.runs[0] == ((0, 1), (1, 2))
    assert found.runs[1][-1] == (3, 6)


def test_a_run_that_logged_nothing_finite() -> None:
    found = series.trend({0: points([None, None]), 1: points([1.0, 2.0])})
    assert (found.runs[0], found.mean, found.band) == ((), (), ())


def test_between_its_points_a_run_is_interpolated() -> None:
    found = series.trend({0: ((0.0, 0.0), (4.0, 4.0)), 1: points([1.0] * 5)})
    assert found.runs[0] == tuple((float(step), float(step)) for step in range(5))


def test_many_steps_are_averaged_in_bins() -> None:
    count = 100 * series.MOST_POINTS
    found = series.trend({0: points([float(step % 2) for step in range(count)])})
    assert len(found.mean) == series.MOST_POINTS
    assert all(value == pytest.approx(0.5, abs=0.02) for _, value in found.mean)


def test_several_values_at_one_step_are_averaged() -> None:
    assert series.trend({0: ((1.0, 2.0), (1.0, 4.0), (2.0, 1.0))}).mean == ((1, 3), (2, 1))


def test_how_curves_are_drawn_and_in_which_order() -> None:
    curves = (Curve("loss", log_scale=True), Curve("gradients/*", about="norms"))
    study = Study("", (), (Metric("m", higher_is_better=True),), "", curves=curves)
    assert series.drawn_as(study, "gradients/q") == curves[1]
    assert series.drawn_as(study, "other") == Curve("other")
    assert series.in_order(study, ["b", "gradients/q", "a", "loss"]) == ["loss", "gradients/q", "a", "b"]
