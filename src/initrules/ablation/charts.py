"""Charts as SVG inside a page: every arm has a class of its own, colours come from the style sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from initrules.ablation.axes import Axis, named
from initrules.ablation.series import Points, Trend
from initrules.errors import printable

WIDTH, HEIGHT = 460, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 30
_ROW = 26
COLOURS = 10  # classes a0, a1, ... in the style sheet


@dataclass(frozen=True, slots=True)
class Dots:
    """One row of a strip chart: a dot for each value, and a thick line from ``low`` to ``high`` around ``mean``."""

    arm: int
    name: str
    values: Sequence[float]
    mean: float | None
    low: float | None
    high: float | None


def text(said: str) -> str:
    """Any text, so that it can stand in a page."""
    return escape(printable(said))


def arm_class(arm: int) -> str:
    """The classes of what belongs to an arm: its colour, and what its check box hides."""
    return f"a{arm % COLOURS} arm{arm}"


def curve_chart(title: str, trends: Mapping[int, Trend], *, log: bool = False) -> str:
    """Learning curves: the mean of each arm with its band, each seed faint behind it. ``trends``: by arm."""
    points = [point for one in trends.values() for run in one.runs.values() for point in run]
    x = Axis.over((step for step, _ in points), _LEFT, WIDTH - _RIGHT, margin=0.0)
    y = Axis.over((value for _, value in points), HEIGHT - _BOTTOM, _TOP, log=log)
    parts = [*_frame(x, y)]
    for arm, one in trends.items():
        parts.append(f'<g class="{arm_class(arm)}">')
        parts += [f'<path class="seed" d="{_line(run, x, y)}"><title>seed {seed}</title></path>'
                  for seed, run in one.runs.items() if run]  # fmt: skip
        if one.band:
            upper = [(step, high) for step, _, high in one.band]
            lower = [(step, low) for step, low, _ in reversed(one.band)]
            parts.append(f'<path class="band" d="{_line([*upper, *lower], x, y)}Z"/>')
        if one.mean:
            parts.append(f'<path class="mean" d="{_line(one.mean, x, y)}"/>')
        parts.append("</g>")
    return _svg(title, HEIGHT, parts)


def strip_chart(title: str, rows: Sequence[Dots], *, log: bool = False) -> str:
    """One row for each arm: every value a dot, its mean and interval a cross bar."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    values = [value for row in rows for value in (*row.values, row.mean, row.low, row.high) if value is not None]
    left = 16 + 6.4 * max((len(row.name) for row in rows), default=0)
    x = Axis.over(values, min(left, WIDTH / 2), WIDTH - _RIGHT, log=log)
    parts = [*_ticks_below(x, height)]
    for index, row in enumerate(rows):
        middle = _TOP + _ROW * (index + 0.5)
        parts.append(
            f'<g class="{arm_class(row.arm)}"><text class="name" x="8" y="{middle + 4:.1f}">{text(row.name)}</text>'
        )
        if row.low is not None and row.high is not None:
            parts.append(f'<line class="interval" x1="{x.at(row.low):.1f}" x2="{x.at(row.high):.1f}" '
                         f'y1="{middle:.1f}" y2="{middle:.1f}"/>')  # fmt: skip
        parts += [f'<circle class="dot" cx="{x.at(value):.1f}" cy="{middle:.1f}" r="3"/>' for value in row.values]
        if row.mean is not None:
            at = x.at(row.mean)
            parts.append(
                f'<line class="middle" x1="{at:.1f}" x2="{at:.1f}" y1="{middle - 8:.1f}" y2="{middle + 8:.1f}"/>'
            )
        parts.append("</g>")
    return _svg(title, height, parts)


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    inner = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{text(title)}">{inner}</svg>'


def _line(points: Sequence[tuple[float, float]] | Points, x: Axis, y: Axis) -> str:
    if len(points) == 1:  # a single point is a short dash
        at, height = x.at(points[0][0]), y.at(points[0][1])
        return f"M{at - 3:.1f} {height:.1f}H{at + 3:.1f}"
    return "M" + "L".join(f"{x.at(step):.1f} {y.at(value):.1f}" for step, value in points)


def _frame(x: Axis, y: Axis) -> Iterator[str]:
    for value in y.ticks(5):
        at = y.at(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{named(value)}</text>'
    yield from _ticks_below(x, HEIGHT, grid=False)


def _ticks_below(x: Axis, height: float, *, grid: bool = True) -> Iterator[str]:
    bottom = height - _BOTTOM
    for value in x.ticks(6):
        at = x.at(value)
        top = _TOP if grid else bottom
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top:.1f}" y2="{bottom + 4:.1f}"/>'
        yield f'<text class="tick" x="{at:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{named(value)}</text>'
