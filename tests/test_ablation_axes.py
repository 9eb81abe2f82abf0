"""Scales: where values stand, which are named, and how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules.ablation.axes import Axis, named


def test_places_on_a_linear_and_a_log_scale() -> None:
    axis = Axis(0.0, 10.0, 100.0, 200.0)
    assert [axis.at(x) for x in (0.0, 5.0, 10.0, -3.0, 12.0)] == [100.0, 150.0, 200.0, 100.0, 200.0]
    log = Axis(0.01, 100.0, 0.0, 4.0, log=True)
    assert [log.at(x) for x in (0.01, 1.0, 100.0, 0.0, -1.0)] == pytest.approx([0.0, 2.0, 4.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        pytest.param((0.0, 10.0), False, [0, 2, 4, 6, 8, 10], id="round steps"),
        pytest.param((-0.31, 0.29), False, [-0.2, 0.0, 0.2], id="around zero"),
        pytest.param((5.0, 5.0), False, [3, 4, 5, 6, 7], id="one value"),
        pytest.param((0.001, 100.0), True, [0.001, 0.01, 0.1, 1, 10, 100], id="powers of ten"),
        pytest.param((1e-9, 1e9), True, [1e-9, 1e-5, 1e-1, 1e3, 1e7], id="some powers of ten"),
        pytest.param((2.0, 4.0), True, [2, 2.5, 3, 3.5, 4], id="less than a power of ten"),
        pytest.param((), True, [1, 10], id="nothing"),
        pytest.param((-1.0, 0.0), True, [1, 10], id="nothing that a log scale holds"),
    ],
)
def test_ticks(values: tuple[float, ...], log: bool, ticks: list[float]) -> None:
    assert Axis.over(values, 0.0, 1.0, log=log).ticks() == pytest.approx(ticks)


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=5), st.booleans())
def test_every_value_lies_on_its_axis_and_ticks_are_few(values: list[float], log: bool) -> None:
    axis = Axis.over(values, 10.0, 110.0, log=log)
    assert all(10.0 <= axis.at(value) <= 110.0 for value in values)
    ticks = axis.ticks()
    assert len(ticks) <= 8
    assert all(axis.low <= tick <= axis.high or tick == pytest.approx(axis.low) or tick == pytest.approx(axis.high)
               for tick in ticks)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (-3.0, "-3"),
        (20000.0, "20k"),
        (1e6, "1e6"),
        (2.5e-5, "2.5e-5"),
        (12345.0, "1.2345e4"),
    ],
)
def test_ticks_in_words(value: float, text: str) -> None:
    assert named(value) == text
