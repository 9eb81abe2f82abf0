"""What may be said of arms: verdicts, failures that count, curves by arm and seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablations import results
from initrules.ablation.summary import Verdict

BASE = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


@pytest.mark.parametrize(
    ("arm", "higher", "verdict"),
    [
        pytest.param([x + 1.5 for x in BASE], True, Verdict.BETTER, id="better with every seed"),
        pytest.param([x + 1.5 for x in BASE], False, Verdict.WORSE, id="where lower is better"),
        pytest.param([x - 1.5 for x in BASE], True, Verdict.WORSE, id="worse with every seed"),
        pytest.param(BASE, True, Verdict.SAME, id="the same numbers"),
        pytest.param([*BASE[:4], *(x + 0.5 for x in BASE[4:6]), *(x - 0.2 for x in BASE[6:])], True,
                     Verdict.NOT_SETTLED, id="sometimes"),
        pytest.param([*BASE[:7], None], True, Verdict.NOT_COMPARED, id="a run without a result"),
    ],
)  # fmt: skip
def test_verdicts(tmp_path: Path, arm: list[float | None], higher: bool, verdict: Verdict) -> None:
    found = results(tmp_path, {"base": BASE, "arm": arm}, higher=higher)
    assert [line.verdict for line in found.lines] == [Verdict.BASELINE, verdict]


def test_a_run_without_a_result_counts_what_the_study_says(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": BASE, "arm": [*BASE[:7], None]}, failed=-10.0)
    line = found.line("arm", "score")
    assert (line.failures, line.values[7], line.verdict) == (1, -10.0, Verdict.NOT_SETTLED)
    assert line.comparison is not None
    assert (line.comparison.wins, line.comparison.losses, line.comparison.pairs) == (0, 1, 8)
    assert not found.complete
    assert [(record.arm, record.seed) for record in found.failed] == [("arm", 7)]


def test_a_baseline_that_fails_is_compared_with_nothing(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [*BASE[:7], None], "arm": BASE})
    assert found.line("arm", "score").verdict is Verdict.NOT_COMPARED
    assert found.line("base", "score").verdict is Verdict.BASELINE


def test_an_arm_without_any_result(tmp_path: Path) -> None:
    line = results(tmp_path, {"base": [1.0, 2.0], "arm": [None, None]}).line("arm", "score")
    assert (dict(line.values), line.failures, line.std) == ({}, 2, None)


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    """The seeds differ by far more than the arms: only pairs can tell."""
    wide = [100.0 * x for x in BASE]
    found = results(tmp_path, {"base": wide, "arm": [x + 1 for x in wide]})
    comparison = found.line("arm", "score").comparison
    assert comparison is not None
    assert comparison.difference == (1.0, 1.0, 1.0)
    assert comparison.p == pytest.approx(2**-7)
    assert comparison.improvement == pytest.approx((28 + 8) / 64)


def test_several_arms_are_corrected_for(tmp_path: Path) -> None:
    better = [x + 1.0 for x in BASE]
    found = results(tmp_path, {"base": BASE, "a": better, "b": better, "c": BASE})
    p = {line.arm: line.comparison and (line.comparison.p_raw, line.comparison.p) for line in found.lines}
    assert p == {"base": None, "a": (2**-7, 3 * 2**-7), "b": (2**-7, 3 * 2**-7), "c": (1.0, 1.0)}


def test_curves_by_name_arm_and_seed(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [1.0], "arm": [2.0]}, curves='[0.0, {"loss": 1.5}]\n[1.0, {"loss": null}]\n')
    assert found.curves == {"loss": {"base": {0: ((0.0, 1.5), (1.0, None))}, "arm": {0: ((0.0, 1.5), (1.0, None))}}}
    assert [record.seed for record in found.of("arm")] == [0]
