"""Results as one HTML page that needs no network and runs no script: tables, curves, starts, every run.

Arms are shown and hidden by check boxes, in the style sheet. Every name is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from initrules import __version__
from initrules.ablation import tables
from initrules.ablation.charts import Dots, arm_class, curve_chart, strip_chart, text
from initrules.ablation.records import Record
from initrules.ablation.series import drawn_as, in_order, trend
from initrules.ablation.study import Metric
from initrules.ablation.summary import Line, Results, Verdict

_HEAD = ("arm", "runs", "mean", "95 % interval", "std", "difference", "95 % interval", "p", "P(better)", "seeds won")


def page(results: Results) -> str:
    """The page as text; equal results give equal pages, byte for byte."""
    style = resources.files("initrules.ablation").joinpath("page.css").read_text(encoding="utf-8") + _switches(results)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = text(results.study.about or results.study.file)
    body = "".join(
        [
            f"<h1>{title}</h1>", _about(results), _legend(results), *_failures(results), *_scores(results),
            *_curves(results), *_outputs(results), _starts(results), _runs(results),
        ]
    )  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="initrules {text(__version__)}">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _arms(results: Results) -> dict[str, int]:
    """The number of each arm; the baseline is 0, whose colour is grey."""
    study = results.study
    names = [study.baseline, *(arm.name for arm in study.others)]
    number = {name: index for index, name in enumerate(names)}
    return {arm.name: number[arm.name] for arm in study.arms}


def _switches(results: Results) -> str:
    """The rules that hide an arm while its box is not checked."""
    return "".join(
        f"\nbody:has(#show{index}:not(:checked)) :is(tr,g).arm{index} {{ display: none; }}"
        for index in _arms(results).values()
    )


def _about(results: Results) -> str:
    study = results.study
    seeds = f"{len(study.seeds)} seed{'s' * (len(study.seeds) != 1)}"
    arms = f"{len(study.arms)} arm{'s' * (len(study.arms) != 1)}"
    notes = "".join(f'<p class="soft">{text(line)}</p>' for line in tables.notes(results))
    return f'<p class="soft">{arms} × {seeds}, {text(study.train)}, {text(study.file)}</p>{notes}'


def _legend(results: Results) -> str:
    about = {arm.name: arm.about for arm in results.study.arms}
    boxes = "".join(
        f'<label class="{arm_class(index)}" title="{text(about[name])}">'
        f'<input type="checkbox" id="show{index}" checked><span class="key"></span>{text(name)}</label>'
        for name, index in _arms(results).items()
    )
    return f"<nav>{boxes}</nav>"


def _failures(results: Results) -> Iterator[str]:
    if results.failed:
        lines = "".join(f"<p>{text(tables.failure_text(record))}</p>" for record in results.failed)
        yield f'<h2>Runs without a result</h2><div class="failures">{lines}</div>'


def _scores(results: Results) -> Iterator[str]:
    yield "<h2>Results</h2>"
    for metric in results.study.metrics:
        better = "higher" if metric.higher_is_better else "lower"
        about = f"; {text(metric.about)}" if metric.about else ""
        yield f'<h3>{text(metric.name)} <span class="soft">{better} is better{about}</span></h3>'
        yield _table(results, metric)
    yield '<h2>Each run</h2><div class="charts">'
    for metric in results.study.metrics:
        chart = strip_chart(metric.name, [_dots(results, line) for line in results.lines if line.metric == metric.name])
        yield _figure(metric.name, "a dot is a run; the bar is the mean with its 95 % interval", chart)
    yield "</div>"


def _dots(results: Results, line: Line) -> Dots:
    found = line.interval
    mean = found.mean if line.values else None
    return Dots(_arms(results)[line.arm], line.arm, [*line.values.values()], mean, found.low, found.high)


def _table(results: Results, metric: Metric) -> str:
    head = "".join(f"<th>{name}</th>" for name in _HEAD) + '<th class="left">verdict</th>'
    rows = []
    for arm, index in _arms(results).items():
        line = results.line(arm, metric.name)
        cells = tables.cells(results, line)
        first = f'<td><span class="key"></span> {text(cells[0])}</td>'
        rest = "".join(f"<td>{text(cell)}</td>" for cell in cells[1:])
        kind = {Verdict.BETTER: " better", Verdict.WORSE: " worse"}.get(line.verdict, "")
        said = f'<td class="left{kind}">{text(tables.said(results, line))}</td>'
        rows.append(f'<tr class="{arm_class(index)}">{first}{rest}{said}</tr>')
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _figure(title: str, note: str, chart: str) -> str:
    said = f"<span>{text(note)}</span>" if note else ""
    return f"<figure><figcaption>{text(title)}{said}</figcaption>{chart}</figure>"


def _curves(results: Results) -> Iterator[str]:
    """One section for the names without a slash, and one for each prefix before a slash."""
    sections: dict[str, list[str]] = {"": []}
    for name in in_order(results.study, list(results.curves)):
        prefix, slash, _ = name.partition("/")
        sections.setdefault(prefix if slash else "", []).append(name)
    arms = _arms(results)
    for prefix, names in ((prefix, names) for prefix, names in sections.items() if names):
        note = "mean, its 95 % band, each seed faint; a mean ends where the first run ends"
        title = prefix.capitalize() if prefix else "Learning curves"
        yield f'<h2>{text(title)}</h2><p class="soft">{note}</p><div class="charts">'
        for name in names:
            drawn = drawn_as(results.study, name)
            found = results.curves[name]
            trends = {arms[arm]: trend(found[arm]) for arm in arms if arm in found}
            said = ", ".join([drawn.about] * bool(drawn.about) + ["log scale"] * drawn.log_scale)
            yield _figure(name.removeprefix(f"{prefix}/"), said, curve_chart(name, trends, log=drawn.log_scale))
        yield "</div>"


def _outputs(results: Results) -> Iterator[str]:
    """The range of each output before the first step: over all seeds, with the mean of the means."""
    names = list(dict.fromkeys(name for record in results.records for name in record.outputs))
    if not names:
        return
    yield '<h2>Outputs before the first step</h2><p class="soft">the bar spans the smallest and the largest output'
    yield ' of all seeds; a dot is the mean of a seed</p><div class="charts">'
    for name in names:
        rows = [
            _range(arm, index, [record.outputs[name] for record in results.of(arm) if name in record.outputs])
            for arm, index in _arms(results).items()
        ]
        yield _figure(name, "", strip_chart(name, rows))
    yield "</div>"


def _range(arm: str, index: int, found: Sequence[Mapping[str, float | None]]) -> Dots:
    low = [value for one in found if (value := one["min"]) is not None]
    high = [value for one in found if (value := one["max"]) is not None]
    means = [value for one in found if (value := one["mean"]) is not None]
    mean = statistics.fmean(means) if means else None
    return Dots(index, arm, means, mean, min(low, default=None), max(high, default=None))


def _starts(results: Results) -> str:
    """How each parameter starts: its std in each arm, averaged over seeds, and the rule that decides it."""
    arms = _arms(results)
    found: dict[str, dict[str, list[Mapping[str, object]]]] = {}
    for record in results.records:
        for start in record.starts:
            found.setdefault(str(start["parameter"]), {}).setdefault(record.arm, []).append(start)
    if not found:
        return ""
    head = "<th>parameter</th><th>shape</th>" + "".join(f"<th>{text(arm)}</th>" for arm in arms)
    rows = "".join(_start_row(name, by_arm, arms) for name, by_arm in found.items())
    return (
        "<h2>How each parameter starts</h2><details><summary>std of each parameter, averaged over seeds, and the rule"
        f' that decides it</summary><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>'
        "</table></div></details>"
    )


def _start_row(name: str, by_arm: Mapping[str, Sequence[Mapping[str, object]]], arms: Mapping[str, int]) -> str:
    shape = next(iter(by_arm.values()))[0]["shape"]
    assert isinstance(shape, list)
    cells = []
    for arm in arms:
        starts = by_arm.get(arm, ())
        stds = [value for start in starts if isinstance(value := start["std"], float)]
        rule = str(starts[0]["rule"]) if starts else ""
        std = tables.number(statistics.fmean(stds)) if stds else ""
        cells.append(f'<td>{text(std)} <span class="soft">{text(rule)}</span></td>')
    return f"<tr><td>{text(name)}</td><td>{'×'.join(map(str, shape))}</td>{''.join(cells)}</tr>"


def _runs(results: Results) -> str:
    metrics = [metric.name for metric in results.study.metrics]
    head = "".join(f"<th>{text(name)}</th>" for name in ("arm", "seed", "outcome", "seconds", *metrics, "message"))
    arms = _arms(results)
    rows = "".join(_run_row(record, arms[record.arm], metrics) for record in results.records)
    return (
        f"<h2>All runs</h2><details><summary>{len(results.records)} runs</summary>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _run_row(record: Record, index: int, metrics: Sequence[str]) -> str:
    values = "".join(f"<td>{tables.number(record.metrics.get(name))}</td>" for name in metrics)
    kind = "" if record.finished else ' class="failed"'
    return (
        f'<tr class="{arm_class(index)}"><td><span class="key"></span> {text(record.arm)}</td>'
        f"<td>{record.seed}</td><td{kind}>{record.outcome.value}</td><td>{record.seconds:.1f}</td>{values}"
        f'<td class="wide">{text(record.message)}</td></tr>'
    )
