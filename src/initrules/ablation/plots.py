"""Results as PNG files, for papers and documents; drawn by matplotlib, which is an extra."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from initrules.ablation.series import Trend, drawn_as, trend
from initrules.ablation.study import Metric
from initrules.ablation.summary import Results
from initrules.errors import ModelError, printable

_COLOURS = (
    "#5b6470",
    "#0072b2",
    "#d55e00",
    "#00875f",
    "#b3478c",
    "#8f7700",
    "#5a4fcf",
    "#b02a30",
    "#1f8a9c",
    "#7a5230",
)
_SIZE = (6.4, 3.6)  # inches
_DPI = 110


def write(results: Results) -> tuple[Path, ...]:
    """Draw each metric and each curve into ``plots/``; the files that were written. Raises ``ModelError``."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # an extra; no window is opened
    except ImportError:
        raise ModelError("plots need matplotlib", hint="Install it: pip install 'initrules[plot]'.") from None
    folder = results.folder / "plots"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    drawings: list[tuple[str, Callable[[Any], None]]] = [
        (f"metric-{metric.name}", partial(_metric, results, metric)) for metric in results.study.metrics
    ]
    drawings += [(f"curve-{name}", partial(_curve, results, name)) for name in results.curves]
    for name, draw in drawings:
        figure: Any = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
        draw(figure.add_subplot())
        file = folder / f"{_file_name(name)}.png"
        figure.savefig(file, metadata={"Software": None})  # equal results give equal files
        written.append(file)
    return tuple(written)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:100]


def _said(name: str) -> str:
    """A name as matplotlib shows it: a dollar sign would begin a formula."""
    return printable(name).replace("$", r"\$")


def _colours(results: Results) -> Mapping[str, str]:
    names = [results.study.baseline, *(arm.name for arm in results.study.others)]
    return {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}


def _metric(results: Results, metric: Metric, axes: Any) -> None:
    colours = _colours(results)
    for row, arm in enumerate(results.study.arms):
        line = results.line(arm.name, metric.name)
        colour = colours[arm.name]
        axes.plot([*line.values.values()], [row] * len(line.values), "o", color=colour, alpha=0.45, markersize=4)
        if line.interval.low is not None:
            axes.plot([line.interval.low, line.interval.high], [row, row], color=colour, alpha=0.35, linewidth=7,
                      solid_capstyle="round")  # fmt: skip
        if line.values:
            axes.plot([line.interval.mean], [row], "|", color=colour, markersize=16, markeredgewidth=3)
    axes.set_yticks(range(len(results.study.arms)), [arm.name for arm in results.study.arms])
    axes.invert_yaxis()
    better = "higher" if metric.higher_is_better else "lower"
    axes.set_xlabel(_said(f"{metric.name} ({better} is better); mean with 95 % interval, a dot for each seed"))
    axes.grid(axis="x", alpha=0.3)


def _curve(results: Results, name: str, axes: Any) -> None:
    colours, found = _colours(results), results.curves[name]
    for arm in results.study.arms:
        if arm.name in found:
            _trend(axes, trend(found[arm.name]), arm.name, colours[arm.name])
    axes.set_title(_said(name), fontsize=11)
    if drawn_as(results.study, name).log_scale:
        axes.set_yscale("log", nonpositive="clip")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, frameon=False)


def _trend(axes: Any, one: Trend, arm: str, colour: str) -> None:
    for run in one.runs.values():
        axes.plot(*_columns(run), color=colour, alpha=0.25, linewidth=0.7)
    if one.band:
        steps, low, high = zip(*one.band, strict=True)
        axes.fill_between(steps, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(*_columns(one.mean), color=colour, linewidth=2, label=_said(arm))


def _columns(points: tuple[tuple[float, float], ...]) -> tuple[list[float], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
