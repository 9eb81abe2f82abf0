"""The runs of a study, and what they say: one line for each arm and metric."""

from __future__ import annotations

import enum
import statistics as plain_statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from initrules.ablation import statistics
from initrules.ablation.records import Files, Record, Series, curves
from initrules.ablation.statistics import ALPHA, Interval
from initrules.ablation.study import Metric, Study


class Verdict(enum.StrEnum):
    """What may be said of an arm and the baseline."""

    BASELINE = "baseline"
    BETTER = "better"
    WORSE = "worse"
    SAME = "the same numbers"
    NOT_SETTLED = "not settled"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against the baseline, paired by seed. ``p``: corrected for all arms; ``wins``: on how many seeds.

    ``difference`` is positive where the arm is better.
    """

    difference: Interval
    p_raw: float
    p: float
    improvement: float
    wins: int
    losses: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Line:
    """One arm and one metric. ``values``: those that count, by seed; ``failures``: how many runs have no result."""

    arm: str
    metric: str
    values: Mapping[int, float] = field(hash=False)
    interval: Interval
    std: float | None
    failures: int
    verdict: Verdict
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Results:
    """A study and all its runs, in the order of arms and seeds; ``folder``: where their files lie."""

    study: Study
    records: tuple[Record, ...]
    folder: Path

    @property
    def complete(self) -> bool:
        """Whether every run has a result."""
        return all(record.finished for record in self.records)

    @property
    def failed(self) -> tuple[Record, ...]:
        """The runs that have none."""
        return tuple(record for record in self.records if not record.finished)

    def of(self, arm: str) -> tuple[Record, ...]:
        """The runs of an arm, by seed."""
        return tuple(record for record in self.records if record.arm == arm)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """One line for each metric and arm, metrics first."""
        return tuple(line for metric in self.study.metrics for line in summarised(self.study, metric, self.records))

    def line(self, arm: str, metric: str) -> Line:
        """The line of an arm and a metric."""
        return next(line for line in self.lines if (line.arm, line.metric) == (arm, metric))

    @cached_property
    def curves(self) -> Mapping[str, Mapping[str, Mapping[int, Series]]]:
        """What was logged: by name, arm and seed."""
        found: dict[str, dict[str, dict[int, Series]]] = {}
        for record in self.records:
            files = Files.of(self.folder, record.arm, record.seed)
            for name, series in curves(files.curves).items():
                found.setdefault(name, {}).setdefault(record.arm, {})[record.seed] = series
        return found

    def __str__(self) -> str:
        from initrules.ablation.tables import text  # noqa: PLC0415  # it shows these results

        return text(self)


def summarised(study: Study, metric: Metric, records: Sequence[Record]) -> list[Line]:
    """The lines of one metric; p-values are corrected for the number of arms compared."""
    by_arm = {arm.name: [record for record in records if record.arm == arm.name] for arm in study.arms}
    plain = {name: _alone(name, metric, runs) for name, runs in by_arm.items()}
    base = plain[study.baseline]
    compared = [_compared(plain[arm.name], base, metric, len(study.seeds)) for arm in study.others]
    corrected = statistics.holm([1.0 if found is None else found.p_raw for found in compared])
    lines = {study.baseline: replace(base, verdict=Verdict.BASELINE)}
    for arm, found, p in zip(study.others, compared, corrected, strict=True):
        comparison = None if found is None else replace(found, p=p)
        verdict = _verdict(comparison)
        lines[arm.name] = replace(plain[arm.name], comparison=comparison, verdict=verdict)
    return [lines[arm.name] for arm in study.arms]


def _alone(arm: str, metric: Metric, runs: Sequence[Record]) -> Line:
    results = {run.seed: run.metrics.get(metric.name) for run in runs}
    counted = {seed: metric.failed if value is None else value for seed, value in results.items()}
    found = {seed: value for seed, value in counted.items() if value is not None}
    values = list(found.values())
    std = plain_statistics.stdev(values) if len(values) > 1 else None
    failures = sum(1 for value in results.values() if value is None)
    return Line(arm, metric.name, found, statistics.mean_interval(values), std, failures, Verdict.NOT_COMPARED)


def _compared(arm: Line, base: Line, metric: Metric, seeds: int) -> Comparison | None:
    """The comparison before correction; None where some run has neither a result nor a value that counts."""
    if min(len(arm.values), len(base.values)) < seeds:
        return None
    ours = [metric.sign * value for value in arm.values.values()]
    theirs = [metric.sign * base.values[seed] for seed in arm.values]
    differences = [one - other for one, other in zip(ours, theirs, strict=True)]
    p = statistics.permutation_p(differences)
    return Comparison(
        difference=statistics.mean_interval(differences),
        p_raw=p,
        p=p,
        improvement=statistics.probability_of_improvement(ours, theirs),
        wins=sum(1 for one in differences if one > 0),
        losses=sum(1 for one in differences if one < 0),
        pairs=len(differences),
    )


def _verdict(found: Comparison | None) -> Verdict:
    if found is None:
        return Verdict.NOT_COMPARED
    if not found.wins and not found.losses:
        return Verdict.SAME
    if found.p > ALPHA:
        return Verdict.NOT_SETTLED
    return Verdict.BETTER if found.difference.mean > 0 else Verdict.WORSE
