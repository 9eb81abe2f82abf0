"""Charts are well-formed pictures in which every arm and seed has its place."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from initrules.ablation import charts
from initrules.ablation.charts import Dots
from initrules.ablation.series import trend

NAME = '<b>&"x"'


def classes(chart: str) -> list[str]:
    return [one.get("class", "") for one in ET.fromstring(chart).iter() if one.get("class")]


def test_a_curve_chart_has_a_mean_a_band_and_each_seed() -> None:
    arms = {0: trend({3: ((0, 1.0), (1, 2.0)), 4: ((0, 2.0), (1, 3.0))}), 11: trend({3: ((0, 1.0),)})}
    chart = charts.curve_chart(NAME, arms, log=True)
    found = classes(chart)
    assert [one for one in found if one not in {"grid", "tick"}] == [
        "a0 arm0", "seed", "seed", "band", "mean", "a1 arm11", "seed", "mean"
    ]  # fmt: skip
    root = ET.fromstring(chart)
    assert root.get("aria-label") == NAME
    assert [title.text for title in root.iter("title")] == ["seed 3", "seed 4", "seed 3"]
    assert "nan" not in chart


def test_a_curve_that_never_was_finite() -> None:
    assert "mean" not in classes(charts.curve_chart("x", {0: trend({0: ((0, None),)})}))


def test_a_strip_chart_has_a_dot_for_each_run() -> None:
    rows = [Dots(0, NAME, [1.0, 2.0, 3.0], 2.0, 1.5, 2.5), Dots(1, "empty", [], None, None, None)]
    chart = charts.strip_chart("score", rows)
    found = classes(chart)
    assert (found.count("dot"), found.count("interval"), found.count("middle")) == (3, 1, 1)
    names = [one.text for one in ET.fromstring(chart).iter("text") if one.get("class") == "name"]
    assert names == [NAME, "empty"]


def test_what_does_not_print_is_escaped() -> None:
    assert charts.text("a\x1b<\n") == "a\\x1b&lt;\\n"
