"""A picture of signals and gradients by layer; needs the extra ``plot``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from initrules.errors import ApplyError, printable
from initrules.readings import Run

_MOST_NAMES = 80  # layers whose names have room below the picture


def plot(runs: Sequence[Run], file: str | Path) -> None:
    """Draw the std of outputs and the size of gradients, in the order in which layers ran, into an image file.

    The ending of ``file`` chooses the format, as matplotlib knows it. Raises ``ApplyError`` without matplotlib, or
    when the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  # the extra
    except ImportError:
        raise ApplyError(
            "plots need matplotlib, which is not installed", hint="pip install 'initrules[plot]'"
        ) from None
    paths = [*dict.fromkeys(row.path for one in runs for row in one.signals if row.calls)]
    named = len(paths) <= _MOST_NAMES
    figure = Figure(figsize=(max(8.0, 0.22 * len(paths)) if named else 12.0, 8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for one in runs:
        rows = {row.path: row for row in one.signals}
        for axes, values in ((upper, [rows[p].std for p in paths]), (lower, [rows[p].back for p in paths])):
            # a logarithm has no place for what is zero, absent or not finite
            shown = [value if value and math.isfinite(value) else math.nan for value in values]
            axes.plot(range(len(paths)), shown, marker=".", linestyle="-" if one is runs[0] else "--", label=one.mode)
    for axes, label in ((upper, "std of the output"), (lower, "gradient at the output")):
        axes.set(yscale="log", ylabel=label)
        axes.grid(visible=True, alpha=0.3)
    upper.legend()
    lower.set_xlabel("layers, in the order in which they ran")
    if named:
        lower.set_xticks(
            range(len(paths)), [printable(path) or "(root)" for path in paths], rotation=90, fontsize="small"
        )
    try:
        figure.savefig(file, dpi=150)
    except (OSError, ValueError) as error:
        raise ApplyError(
            f"'{file}' cannot be written: {error}", hint="Choose another place, or another ending."
        ) from error
