"""Signals of a model that ran, and what follows its layers, as text and JSON."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from initrules.errors import printable
from initrules.readings import Fact, Run, Signal
from initrules.report.columns import Cell, table

_LEGEND = """\
mean, std: of what the layer gives; dead: share of its units that give 0 for all inputs
gradient: root mean square at its output; still: share of its units without gradient
weights: norm of the gradient of its own parameters"""


_LITTLE = 0.005  # a share that would be rounded to none


def signals_text(runs: Sequence[Run], *, width: int = 140) -> str:
    """A table for each mode, and what stands out."""
    parts = ["\n".join(_mode(one, width)) for one in runs]
    return "\n\n".join([*parts, _LEGEND])


def _mode(one: Run, width: int) -> list[str]:
    rows = [_cells(row) for row in one.signals if row.calls]
    return [f"{one.mode} mode, gradients of {one.loss}", _drawn(rows, width), "", *_remarks(one)]


def _drawn(rows: Sequence[tuple[Cell, ...]], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table(rows))
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().splitlines())  # type: ignore[attr-defined]


def _cells(row: Signal) -> tuple[Cell, ...]:
    calls = f" ×{row.calls}" if row.calls > 1 else ""
    numbers = [
        ("mean", _number(row.mean)), ("std", _number(row.std)), ("dead", _share(row.dead)),
        ("gradient", _number(row.back)), ("still", _share(row.still)), ("weights", _number(row.weights)),
    ]  # fmt: skip
    kind = Cell("kind", ((f"{printable(row.kind)}{calls}", ""),))
    return (Cell("layer", _path(row.path)), kind, *(Cell(head, ((text, ""),), right=True) for head, text in numbers))


def _path(path: str) -> tuple[tuple[str, str], ...]:
    """A path in pieces, between which a line may break."""
    pieces = (printable(path) or "(root)").split(".")
    return tuple((piece + "." * (at < len(pieces) - 1), "") for at, piece in enumerate(pieces))


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2g}" if math.isfinite(value) else "not finite"


def _share(value: float | None) -> str:
    if not value:
        return ""
    return f"{value:.0%}" if value > _LITTLE else "<1%"


def _remarks(one: Run) -> list[str]:
    found = []
    if one.first_bad:
        found.append(f"the first value that is not finite is {one.first_bad}")
    if one.first_bad_gradient:
        found.append(f"a gradient that is not finite {one.first_bad_gradient}")
    if one.ratio is not None:
        found.append(f"std of the last layer over the first: {one.ratio:.3g}")
    if one.gradient_ratio is not None:
        found.append(f"gradient at the first layer over the last: {one.gradient_ratio:.3g}")
    idle = [f"'{printable(row.path)}'" for row in one.signals if not row.calls]
    if idle:
        found.append(
            f"{len(idle)} not called: {', '.join(idle[:5])}{f' and {len(idle) - 5} more' if len(idle) > 5 else ''}"
        )
    return found


def facts_text(facts: Sequence[Fact], *, width: int = 140) -> str:
    """A table: what stands around each layer, and the gain that suits what follows, or why none is offered."""
    return _drawn([_fact_cells(fact) for fact in facts], width)


def _fact_cells(fact: Fact) -> tuple[Cell, ...]:
    place = ", ".join(word for word, holds in (("last", fact.last), ("ends a branch", fact.residual)) if holds)
    gain = "–" if fact.gain is None else f"{fact.gain:.4g}"
    words = (("after", fact.precedes or ""), ("before", fact.follows or ""), ("place", place))
    return (
        Cell("layer", _path(fact.path)),
        *(Cell(head, ((printable(text), ""),)) for head, text in words),
        Cell("gain", ((gain, ""),), right=True),
        Cell("why", tuple((f"{word} ", "") for word in printable(fact.why).split(" "))),
    )


def signals_json(runs: Sequence[Run], facts: Sequence[Fact]) -> dict[str, Any]:
    """All of it as versioned data; numbers that are not finite are null, ``problem`` says why."""
    return {
        "initrules-signals": 1,
        "runs": [
            {
                "mode": one.mode, "gradients_of": one.loss, "ratio": one.ratio, "gradient_ratio": one.gradient_ratio,
                "first_bad": one.first_bad, "first_bad_gradient": one.first_bad_gradient,
                "layers": [{k: _plain(v) for k, v in dataclasses.asdict(row).items()} for row in one.signals],
            }
            for one in runs
        ],
        "gains": [dataclasses.asdict(fact) for fact in facts],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
