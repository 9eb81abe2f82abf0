"""Results as text, CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from initrules import __version__
from initrules.ablation.records import Record
from initrules.ablation.statistics import ALPHA, Interval, least_p, seeds_needed
from initrules.ablation.study import Metric
from initrules.ablation.summary import Line, Results, Verdict
from initrules.errors import printable

VERSION = 1
_STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "red"}
_MOST_FAILED = 20
_MOST_WORDS = 160  # of a message in the table; the record has all of it


def view(results: Results) -> Group:
    """The tables of all metrics, what failed, and how to read it."""
    parts: list[Any] = []
    for metric in results.study.metrics:
        parts += [_title(metric), _table(results, metric), Text("")]
    parts += [Text(line, style="red") for line in failure_lines(results)]
    parts += [Text(line, style="dim") for line in notes(results)]
    return Group(*parts)


def text(results: Results, width: int = 140) -> str:
    """The same as plain text without trailing blanks."""
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    console.print(view(results))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _title(metric: Metric) -> Text:
    said = f"{metric.name}: {'higher' if metric.higher_is_better else 'lower'} is better"
    return Text(printable(f"{said}; {metric.about}" if metric.about else said), style="bold")


def _table(results: Results, metric: Metric) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("arm", "runs", "mean", "95 % interval", "std"):
        table.add_column(name, justify="left" if name == "arm" else "right", no_wrap=name == "arm")
    for name in ("difference", "95 % interval", "p", "P(better)", "seeds won"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for arm in results.study.arms:
        line = results.line(arm.name, metric.name)
        table.add_row(
            *(Text(cell) for cell in cells(results, line)),
            Text(said(results, line), style=_STYLES.get(line.verdict, "")),
        )
    return table


def cells(results: Results, line: Line) -> list[str]:
    """A line of the table but for its verdict."""
    runs = len(results.study.seeds)
    counted = f"{runs - line.failures} of {runs}" if line.failures else str(runs)
    cells = [line.arm, counted, number(line.interval.mean), bounds(line.interval), number(line.std)]
    found = line.comparison
    if found is None:
        return [*cells, "", "", "", "", ""]
    difference = f"{'+' if found.difference.mean > 0 else ''}{number(found.difference.mean)}"
    return [*cells, difference, bounds(found.difference), p_text(found.p), f"{found.improvement:.2f}",
            f"{found.wins} of {found.pairs}"]  # fmt: skip


def said(results: Results, line: Line) -> str:
    """The verdict in words."""
    seeds = len(results.study.seeds)
    match line.verdict:
        case Verdict.NOT_SETTLED:
            return f"not settled with {_counted(seeds, 'seed')}"
        case Verdict.NOT_COMPARED:
            return "not compared"
        case verdict:
            return verdict.value


def number(value: float | None) -> str:
    """Four digits of a number."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.4g}".replace("e+0", "e").replace("e-0", "e-")


def bounds(interval: Interval) -> str:
    """The two ends of an interval."""
    return "" if interval.low is None else f"{number(interval.low)} … {number(interval.high)}"


def p_text(p: float) -> str:
    """A p-value with two digits."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def failure_lines(results: Results) -> Iterator[str]:
    """The runs without a result, and why."""
    for record in results.failed[:_MOST_FAILED]:
        yield failure_text(record)
    if len(results.failed) > _MOST_FAILED:
        yield f"and {len(results.failed) - _MOST_FAILED} more runs without a result"
    if results.failed:
        yield ""


def failure_text(record: Record) -> str:
    """One run without a result."""
    first, *more = record.message.split("\n")
    message = printable(f"{first}. {more[0].strip()}" if len(more) == 1 else first)  # with the way out of a short one
    short = message if len(message) <= _MOST_WORDS else f"{message[:_MOST_WORDS]} …"
    return f"✗ {record.arm}, seed {record.seed}, {record.outcome.value}{': ' if short else ''}{short}"


def notes(results: Results) -> Iterator[str]:
    """How to read the tables, and what so few seeds cannot say."""
    study = results.study
    seeds, compared = len(study.seeds), len(study.others)
    if not compared:
        return
    yield (
        f"Differences are to '{study.baseline}', paired by seed, positive where the arm is better; intervals are "
        f"bootstrapped (BCa); p is a paired permutation test, corrected for {_counted(compared, 'arm')} (Holm)."
    )
    least = least_p(seeds, compared)
    if least > ALPHA:
        yield (
            f"With {_counted(seeds, 'seed')} nothing can be settled: p is at least {p_text(least)} here; "
            f"{seeds_needed(compared)} seeds are the least that can."
        )
    for metric in study.metrics:
        if metric.failed is None and any(results.line(arm.name, metric.name).failures for arm in study.arms):
            yield (
                f"Means of '{metric.name}' leave out runs without a result and flatter arms that fail, so such arms "
                "are not compared; 'failed: VALUE' under the metric says what such a run counts."
            )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def runs_csv(results: Results) -> str:
    """One row for each run."""
    out = io.StringIO()
    names = [metric.name for metric in results.study.metrics]
    others = sorted({name for record in results.records for name in record.others})
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["arm", "seed", "outcome", "message", "seconds", *names, *others])
    for record in results.records:
        values = [record.metrics.get(name) for name in names] + [record.others.get(name) for name in others]
        seconds = f"{record.seconds:.2f}"
        rows.writerow([record.arm, record.seed, record.outcome.value, record.message, seconds, *map(_cell, values)])
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def as_json(results: Results) -> dict[str, Any]:
    """Everything but the curves: each line of the tables, and each run."""
    study = results.study
    return {
        "initrules-ablation": VERSION,
        "initrules": __version__,
        "about": study.about,
        "study": study.file,
        "train": study.train,
        "baseline": study.baseline,
        "seeds": list(study.seeds),
        "alpha": ALPHA,
        "arms": [dataclasses.asdict(arm) for arm in study.arms],
        "metrics": [dataclasses.asdict(metric) for metric in study.metrics],
        "lines": [_line_json(line) for line in results.lines],
        "runs": [{**dataclasses.asdict(record), "starts": list(record.starts)} for record in results.records],
    }


def _line_json(line: Line) -> Mapping[str, Any]:
    data = dataclasses.asdict(line)
    data["interval"] = _interval_json(line.interval)
    if line.comparison is not None:
        data["comparison"]["difference"] = _interval_json(line.comparison.difference)
    data["values"] = [{"seed": seed, "value": value} for seed, value in line.values.items()]
    return data


def _interval_json(interval: Interval) -> dict[str, float | None]:
    mean = interval.mean if math.isfinite(interval.mean) else None
    return {"mean": mean, "low": interval.low, "high": interval.high}


def summary_csv(results: Results) -> str:
    """One row for each metric and arm."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    compared = ["difference", "difference_low", "difference_high", "p_uncorrected", "p", "probability_of_improvement",
                "seeds_won", "seeds_lost"]  # fmt: skip
    rows.writerow(["metric", "arm", "runs", "without_result", "mean", "low", "high", "std", *compared, "verdict"])
    for line in results.lines:
        own = [line.metric, line.arm, len(results.study.seeds), line.failures, *map(_cell, [*line.interval, line.std])]
        found = line.comparison
        pair = [""] * len(compared) if found is None else [
            *map(_cell, [*found.difference, found.p_raw, found.p, found.improvement]), found.wins, found.losses
        ]  # fmt: skip
        rows.writerow([*own, *pair, line.verdict.value])
    return out.getvalue()
