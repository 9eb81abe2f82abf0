"""What the study found: the runs as one small piece of data, and the tables made of it.

``kept`` makes the data from the results of ``initrules ablate``; it lies in ``docs/phase2-study.json``.
Every table is a pure function of that data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from losses import NETWORKS
from objective import Objective
from truth import soft_fixed_point

from initrules.ablation.statistics import ALPHA, holm, mean_interval, permutation_p, probability_of_improvement
from initrules.ablation.summary import Results

COLD = "-cold"
BASELINE = "default"
METRICS = {"score": 1, "q_error": -1, "v_error": -1}  # 1 where higher is better
CURVES = ("score", "v_error", "q_error", *(f"gradients/{name}" for name in NETWORKS))
Kept = dict[str, Any]


def kept(results: Results) -> Kept:
    """The runs as plain data: metrics by arm and seed, first outputs, curves, and runs without a result."""
    arms = {}
    for arm in results.study.arms:
        runs = [run for run in results.of(arm.name) if run.finished]
        arms[arm.name] = {
            "about": arm.about,
            "metrics": {name: [_short(run.metrics[name]) for run in runs] for name in METRICS},
            "seeds": [run.seed for run in runs],
            "outputs": {
                name: [_short(min(run.outputs[name]["min"] for run in runs)),  # type: ignore[type-var]
                       _short(max(run.outputs[name]["max"] for run in runs))]  # type: ignore[type-var]
                for name in NETWORKS
            } if runs else {},
            "curves": {name: _curve(results, name, arm.name) for name in CURVES},
        }  # fmt: skip
    failed = [[run.arm, run.seed, run.outcome.value, run.message] for run in results.failed]
    options = dict(results.study.arms[0].options)
    return {"options": options, "seeds": list(results.study.seeds), "arms": arms, "failed": failed}


def _curve(results: Results, name: str, arm: str) -> list[list[float | None]]:
    """For each step: its number, then the value of each seed."""
    runs = results.curves.get(name, {}).get(arm, {})
    steps = sorted({step for series in runs.values() for step, _ in series})
    values = {seed: dict(series) for seed, series in sorted(runs.items())}
    return [[step, *(_short(one.get(step)) for one in values.values())] for step in steps]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


class Pairing(NamedTuple):
    """Two arms, paired by seed; ``difference`` is positive where the second is better."""

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    p: float  # before correction
    improvement: float
    pairs: int

    @property
    def range(self) -> str:
        """The difference with its interval."""
        bounds = "" if self.low is None else f" [{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.difference:+.3f}{bounds}"


def paired(data: Kept, metric: str, first: str, second: str) -> Pairing | None:
    """The second arm against the first; None where they have no seed in common."""
    sign = METRICS[metric]
    one, other = (by_seed(data, metric, arm) for arm in (first, second))
    common = [seed for seed in one if seed in other]
    if not common:
        return None
    before, after = [sign * one[seed] for seed in common], [sign * other[seed] for seed in common]
    differences = [b - a for a, b in zip(before, after, strict=True)]
    mean, low, high = mean_interval(differences)
    p = permutation_p(differences) if len(differences) > 1 else 1.0
    return Pairing(first, second, mean, low, high, p, probability_of_improvement(after, before), len(common))


def by_seed(data: Kept, metric: str, arm: str) -> dict[int, float]:
    """The values of a metric by seed."""
    found = data["arms"][arm]
    return dict(zip(found["seeds"], found["metrics"][metric], strict=True))


def strategies(data: Kept) -> list[str]:
    """The arms with warm-up; each has a cold twin."""
    return [name for name in data["arms"] if not name.endswith(COLD)]


def verdict(p: float, difference: float, seeds: int) -> str:
    """What may be said, by a p-value that is corrected."""
    if p > ALPHA:
        return f"not settled with {seeds} seed{'s' * (seeds != 1)}"
    return "better" if difference > 0 else "worse"


def means_table(data: Kept, metric: str) -> str:
    """Each strategy with and without warm-up, and what warm-up does to it."""
    names = strategies(data)
    pairs = [paired(data, metric, f"{name}{COLD}", name) for name in names]
    return markdown(
        ("strategy", "with warm-up", "cold", "gain from warm-up", "p", "so warm-up is"),
        [
            (name, mean_text(data, metric, name), mean_text(data, metric, f"{name}{COLD}"), *cells)
            for name, cells in zip(names, _judged(pairs, probability=False), strict=True)
        ],
    )


def comparison_table(data: Kept, metric: str, suffix: str) -> str:
    """Each strategy against PyTorch's own start, under one schedule; ``suffix``: ``COLD`` or nothing."""
    names = [name for name in strategies(data) if name != BASELINE]
    pairs = [paired(data, metric, BASELINE + suffix, name + suffix) for name in names]
    rows = [(name, *cells) for name, cells in zip(names, _judged(pairs, probability=True), strict=True)]
    return markdown(("strategy", "gain over default", "p", "P(better)", "verdict"), rows)


def _judged(pairs: Sequence[Pairing | None], *, probability: bool) -> Iterator[tuple[str, ...]]:
    """The cells of each pair, with p-values corrected for the family (Holm)."""
    corrected = iter(holm([pair.p for pair in pairs if pair is not None]))
    for pair in pairs:
        if pair is None:
            yield ("",) * (3 + probability)
            continue
        p = next(corrected)
        said = verdict(p, pair.difference, pair.pairs)
        yield (pair.range, f"{p:.3f}", *([f"{pair.improvement:.2f}"] if probability else []), said)


def mean_text(data: Kept, metric: str, arm: str) -> str:
    """The mean over seeds and its bootstrap interval."""
    values = list(by_seed(data, metric, arm).values())
    mean, low, high = mean_interval(values)
    return f"{mean:.3f}" if low is None else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def errors_table(data: Kept) -> str:
    """Each strategy against PyTorch's own start, by the errors; p-values are corrected within each column."""
    names = [name for name in strategies(data) if name != BASELINE]
    columns = []
    for metric, suffix in (("v_error", ""), ("v_error", COLD), ("q_error", ""), ("q_error", COLD)):
        pairs = [paired(data, metric, BASELINE + suffix, name + suffix) for name in names]
        found = _judged(pairs, probability=False)
        columns.append(
            [f"{gain.split()[0]}, p {p}: {said.partition(' with ')[0]}" if p else "" for gain, p, said in found]
        )
    header = ("strategy", "V, with warm-up", "V, cold", "Q, with warm-up", "Q, cold")
    return markdown(header, [(name, *cells) for name, *cells in zip(names, *columns, strict=True)])


def lowest_table(data: Kept) -> str:
    """The lowest score on the way, of each run: the mean over seeds, and the range."""
    rows = []
    for name in strategies(data):
        found = [list(_lowest(data["arms"][arm]["curves"]["score"])) for arm in (name, f"{name}{COLD}")]
        rows.append(
            (name, *(f"{sum(low) / len(low):.2f} ({min(low):.2f} … {max(low):.2f})" if low else "" for low in found))
        )
    return markdown(("strategy", "with warm-up", "cold"), rows)


def _lowest(curve: Sequence[Sequence[float | None]]) -> Iterator[float]:
    for values in zip(*(row[1:] for row in curve), strict=True):
        yield round(min(value for value in values if value is not None), 3) + 0.0  # no negative zero


def outputs_table(data: Kept) -> str:
    """The range of each network's output before the first step, over all states and seeds, and the truth."""
    _, truth = soft_fixed_point(Objective())
    rows = [
        (name, *(_range(*data["arms"][name]["outputs"][network]) for network in NETWORKS)) for name in strategies(data)
    ]
    exact = [getattr(truth, network) for network in NETWORKS]
    return markdown(("strategy", *NETWORKS), [*rows, ("*truth*", *(_range(v.min(), v.max()) for v in exact))])


def _range(low: float, high: float) -> str:
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} … {high:.2f}"


def gradients_table(data: Kept) -> str:
    """The norm of each network's gradient in the first step of a cold run, before clipping: the mean over seeds."""
    rows = []
    for name in strategies(data):
        curves = data["arms"][f"{name}{COLD}"]["curves"]
        first = [curves[f"gradients/{network}"][0][1:] for network in NETWORKS]
        rows.append((name, *(f"{sum(values) / len(values):.3g}" for values in first)))
    return markdown(("strategy", *NETWORKS), rows)


def spread_table(data: Kept) -> str:
    """The standard deviation of the score over seeds."""
    rows = []
    for name in strategies(data):
        both = [list(by_seed(data, "score", arm).values()) for arm in (name, f"{name}{COLD}")]
        rows.append((name, *(f"{_std(values):.3f}" for values in both), *(f"{min(values):.3f}" for values in both)))
    return markdown(("strategy", "std, warm-up", "std, cold", "worst seed, warm-up", "worst seed, cold"), rows)


def _std(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)) ** 0.5)


def counted(data: Kept) -> str:
    """How many runs there are, and how many the study asks for."""
    made, asked = sum(len(arm["seeds"]) for arm in data["arms"].values()), len(data["arms"]) * len(data["seeds"])
    if made + len(data["failed"]) == asked:
        return f"{len(data['seeds'])} seeds for each arm."
    return f"**Unfinished: {made} of {asked} runs were made; where arms have different seeds, common ones are paired.**"


def failures(data: Kept) -> str:
    """The runs without a result, or that there is none."""
    if not data["failed"]:
        return "No run is without a result."
    return "\n".join(f"- {arm}, seed {seed}: {outcome}. {message}" for arm, seed, outcome, message in data["failed"])


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def blocks(data: Kept) -> dict[str, str]:
    """All that ``docs/phase2-study.md`` shows of the data, by name."""
    options = ", ".join(f"{name} {value}" for name, value in data["options"].items())
    return {
        "size": f"{len(data['arms'])} arms; {options}. {counted(data)} {failures(data)}",
        "score": means_table(data, "score"),
        "score-warm": comparison_table(data, "score", ""),
        "score-cold": comparison_table(data, "score", COLD),
        "v-error": means_table(data, "v_error"),
        "q-error": means_table(data, "q_error"),
        "errors": errors_table(data),
        "lowest": lowest_table(data),
        "outputs": outputs_table(data),
        "gradients": gradients_table(data),
        "spread": spread_table(data),
    }
