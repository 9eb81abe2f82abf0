"""Intervals, tests and corrections: against exact counts, published numbers, and many simulated studies."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from initrules.ablation import statistics
from initrules.ablation.records import Outcome, Record
from initrules.ablation.study import Arm, Metric, Study
from initrules.ablation.summary import Verdict, summarised
from initrules.errors import ModelError


def test_the_permutation_test_counts_every_flip_of_signs() -> None:
    differences = [0.3, -0.1, 0.8, 0.4, 0.05, -0.2]
    sums = [
        sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in itertools.product((1, -1), repeat=6)
    ]
    observed = sum(differences)
    tail = sum(1 for one in sums if one >= observed - 1e-12) / len(sums)
    assert statistics.permutation_p(differences) == pytest.approx(2 * tail, abs=1e-12)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        pytest.param([0.0, 0.0, 0.0], 1.0, id="the same numbers"),
        pytest.param([], 1.0, id="no pair"),
        pytest.param([1.0], 1.0, id="one pair"),
        pytest.param([1.0] * 5, 2.0**-4, id="always better: the least that five can give"),
        pytest.param([-1.0] * 8, 2.0**-7, id="always worse"),
    ],
)
def test_p_values_known_beforehand(differences: list[float], p: float) -> None:
    assert statistics.permutation_p(differences) == pytest.approx(p)


def test_many_pairs_are_sampled_and_repeat_exactly() -> None:
    differences = [float(x) for x in np.random.default_rng(3).normal(0.4, 1.0, 20)]
    first = statistics.permutation_p(differences)
    assert first == statistics.permutation_p(differences)
    assert first == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


def test_holm_against_the_steps_of_its_definition() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([0.5, 0.9]) == [1.0, 1.0]
    assert statistics.holm([]) == []
    assert statistics.holm([0.02]) == [0.02]


@pytest.mark.parametrize(
    ("arm", "baseline", "chance"),
    [
        pytest.param([2, 3], [0, 1], 1.0, id="always"),
        pytest.param([1, 1], [1, 1], 0.5, id="ties are half"),
        pytest.param([0, 2], [1, 1], 0.5, id="as often as not"),
        pytest.param([0, 1], [1, 2], 0.125, id="one tie in four pairs"),
    ],
)
def test_probability_of_improvement(arm: list[float], baseline: list[float], chance: float) -> None:
    assert statistics.probability_of_improvement(arm, baseline) == chance


def test_intervals() -> None:
    assert statistics.mean_interval([]) == pytest.approx((math.nan, None, None), nan_ok=True)
    assert statistics.mean_interval([3.0]) == (3.0, None, None)
    assert statistics.mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)
    assert statistics.mean_interval([0.0, 1.0]) == (0.5, 0.0, 1.0)
    values = [float(x) for x in np.random.default_rng(0).normal(size=30)]
    mean, low, high = statistics.mean_interval(values)
    half = stats.sem(values) * stats.t.ppf(0.975, 29)
    assert low is not None
    assert high is not None
    assert (low, mean, high) == pytest.approx((mean - half, np.mean(values), mean + half), abs=0.15 * half)


def test_where_bca_has_no_answer_the_percentiles_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"BCa": (math.nan, math.nan), "percentile": (1.0, 2.0)}
    monkeypatch.setattr(statistics, "_bootstrap", lambda _, method, __: found[method])
    assert statistics.mean_interval([1.0, 2.0]) == (1.5, 1.0, 2.0)


def test_how_many_seeds_can_settle_anything() -> None:
    assert [statistics.seeds_needed(arms) for arms in (1, 2, 3, 4, 8)] == [6, 7, 7, 8, 9]
    assert statistics.least_p(5, 1) == 0.0625
    assert statistics.least_p(1, 3) == 1.0


def test_without_scipy_there_is_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModelError) as caught:
        statistics.permutation_p([1.0, 2.0])
    assert str(caught.value) == (
        "the statistics of an ablation need scipy\n  Install it: pip install 'initrules[ablate]'."
    )


STUDIES, SEEDS, ARMS = 300, 8, 3


def test_no_difference_is_claimed_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 300 studies of three arms that differ by luck alone: no more false claims than 5 % with chance 1e-4."""
    monkeypatch.setattr(statistics, "_bootstrap", lambda *_: (0.0, 0.0))  # intervals decide nothing here
    names = ["base", *(f"arm-{i}" for i in range(ARMS))]
    study = Study("", tuple(map(Arm, names)), (Metric("m", higher_is_better=True),), "base", tuple(range(SEEDS)))
    generator = np.random.default_rng(11)
    claims = 0
    for _ in range(STUDIES):
        luck = generator.standard_t(3, size=(len(names), SEEDS)) + generator.normal(size=SEEDS)  # seeds differ too
        records = [
            Record(name, seed, "", Outcome.FINISHED, metrics={"m": float(luck[i, seed])})
            for i, name in enumerate(names) for seed in range(SEEDS)
        ]  # fmt: skip
        found = {line.verdict for line in summarised(study, study.metrics[0], records)}
        claims += bool(found & {Verdict.BETTER, Verdict.WORSE})
    assert claims <= stats.binom.ppf(1 - 1e-4, STUDIES, 0.05)
    assert claims > 0  # or the test would be deaf


def test_a_difference_that_is_there_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_bootstrap", lambda *_: (0.0, 0.0))
    study = Study("", (Arm("base"), Arm("good")), (Metric("m", higher_is_better=True),), "base", tuple(range(10)))
    generator = np.random.default_rng(2)
    found = 0
    for _ in range(50):
        values = generator.normal(size=(2, 10)) + np.array([[0.0], [2.0]])
        records = [
            Record(arm.name, seed, "", Outcome.FINISHED, metrics={"m": float(values[i, seed])})
            for i, arm in enumerate(study.arms) for seed in study.seeds
        ]  # fmt: skip
        found += summarised(study, study.metrics[0], records)[1].verdict is Verdict.BETTER
    assert found > 40
