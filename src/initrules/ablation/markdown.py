"""Results in Markdown, for a README or a pull request, and documents whose tables are made by a program."""

from __future__ import annotations

import re
from collections.abc import Mapping

from initrules.ablation import tables
from initrules.ablation.study import Metric
from initrules.ablation.summary import Results
from initrules.report.markdown import Table, code, document, plain

_HEAD = ("arm", "runs", "mean", "95 % interval", "std", "difference", "95 % interval", "p", "P(better)", "seeds won")


def markdown(results: Results, *, notes: bool = True) -> str:
    """The tables of all metrics, the runs without a result, and with ``notes`` how to read them."""
    parts: list[str | Table] = []
    for metric in results.study.metrics:
        parts += [_title(metric), _table(results, metric)]
    failed = "\n".join(f"- {plain(line)}" for line in tables.failure_lines(results) if line)
    parts += [failed, *(map(plain, tables.notes(results)) if notes else ())]
    return document([part for part in parts if part])


def _title(metric: Metric) -> str:
    better = "higher" if metric.higher_is_better else "lower"
    return f"**{plain(metric.name)}**: {better} is better{f'; {plain(metric.about)}' if metric.about else ''}"


def _table(results: Results, metric: Metric) -> Table:
    lines = [results.line(arm.name, metric.name) for arm in results.study.arms]
    rows = ((code(line.arm), *tables.cells(results, line)[1:], tables.said(results, line)) for line in lines)
    return Table((*_HEAD, "verdict"), tuple(rows), "arms")


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """A document with each block replaced that stands between ``<!-- NAME: made by PROGRAM -->`` and ``<!-- end -->``.

    Raises ``KeyError`` for a block that nobody makes.
    """
    return re.sub(
        r"(<!-- (?P<name>[a-z0-9-]+): made by [^>\n]*-->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}{blocks[match['name']]}\n{match[3]}",
        text,
        flags=re.DOTALL,
    )
