"""What runs logged, thinned out and averaged over seeds, ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from initrules.ablation.records import Series
from initrules.ablation.study import Curve, Study

MOST_POINTS = 160
_RESAMPLES = 1000
_CONFIDENCE = (2.5, 97.5)  # per cent

Array = np.ndarray[Any, Any]
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """One curve of one arm: each seed, the mean, and its 95 % band by the percentile bootstrap over seeds.

    The mean ends where the first run ends; the band needs two runs.
    """

    runs: Mapping[int, Points]
    mean: Points
    band: tuple[tuple[float, float, float], ...]


def trend(runs: Mapping[int, Series]) -> Trend:
    """The curve of an arm from what each seed logged."""
    grid = _grid(runs)
    rows = {seed: _on(grid, series) for seed, series in runs.items()}
    table = np.array(list(rows.values()), dtype=float).reshape(len(rows), len(grid))
    whole = ~np.isnan(table).any(axis=0)
    steps, values = grid[whole], table[:, whole]
    band: list[tuple[float, float, float]] = []
    if len(rows) > 1 and len(steps):
        chosen = np.random.default_rng(0).integers(len(rows), size=(_RESAMPLES, len(rows)))
        low, high = np.percentile(values[chosen].mean(axis=1), _CONFIDENCE, axis=0)
        band = [(float(x), float(a), float(b)) for x, a, b in zip(steps, low, high, strict=True)]
    return Trend(
        {seed: _points(grid, row) for seed, row in rows.items()}, _points(steps, values.mean(axis=0)), tuple(band)
    )


def _grid(runs: Mapping[int, Series]) -> Array:
    """The steps at which all runs are read: their own where they are few, else the middles of equal bins."""
    steps = np.unique([step for series in runs.values() for step, _ in series])
    if len(steps) <= MOST_POINTS:
        return steps
    edges = np.linspace(steps[0], steps[-1], MOST_POINTS + 1)
    middles: Array = (edges[1:] + edges[:-1]) / 2
    return middles


def _on(grid: Array, series: Series) -> Array:
    """A run at the steps of the grid: averaged in its bins, interpolated between, NaN after its end."""
    known = [(step, value) for step, value in series if value is not None]
    if not known:
        return np.full(len(grid), np.nan)
    steps, values = np.array(sorted(known)).T
    where = np.clip(np.searchsorted((grid[1:] + grid[:-1]) / 2, steps), 0, len(grid) - 1)
    counts = np.bincount(where, minlength=len(grid))
    found: Array = np.full(len(grid), np.nan)
    full = counts > 0
    found[full] = np.bincount(where, values, len(grid))[full] / counts[full]
    return np.interp(grid, grid[full], found[full], left=np.nan, right=np.nan)


def _points(steps: Array, values: Array) -> Points:
    pairs = zip(steps.tolist(), values.tolist(), strict=True)
    return tuple((float(x), float(y)) for x, y in pairs if y == y)  # noqa: PLR0124  # not NaN


def drawn_as(study: Study, name: str) -> Curve:
    """How a curve is drawn: as the first glob that its name meets says."""
    return next((curve for curve in study.curves if fnmatchcase(name, curve.glob)), Curve(name))


def in_order(study: Study, names: list[str]) -> list[str]:
    """Names of curves: those that the study names first, in its order, then the others by name."""
    globs = [curve.glob for curve in study.curves]
    place = {name: next((i for i, glob in enumerate(globs) if fnmatchcase(name, glob)), len(globs)) for name in names}
    return sorted(names, key=lambda name: (place[name], name))
