"""Whole studies in processes of their own: equal numbers, failures that are shown, runs that are kept."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ablations import HEAD, RULES, TRAIN, written
from initrules.ablation import records, running, tables
from initrules.ablation.records import Outcome, Record
from initrules.ablation.study import load
from initrules.ablation.summary import Results, Verdict
from initrules.errors import RuleError

BAD = ("raise", "hang", "nan", "missing", "leave", "kill")
BODY = f"""
seeds: 2
time_limit: 20
arms:
  plain: {{}}
  twin: {{}}
  ruled: {{rules: rules.yaml}}
{"".join(f"  {bad}: {{options: {{bad: {bad}}}}}{chr(10)}" for bad in BAD)}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("study"), BODY)


@pytest.fixture(scope="module")
def found(study: Path) -> Results:
    return running.ablate(study, output=study.parent / "results", jobs=3)


def run(found: Results, arm: str, seed: int) -> Record:
    return next(record for record in found.of(arm) if record.seed == seed)


@pytest.mark.parametrize(
    ("arm", "outcome", "message"),
    [
        pytest.param("raise", Outcome.RAISED, "ValueError: no good", id="raises"),
        pytest.param("hang", Outcome.TIMED_OUT, "stopped after 20 s", id="hangs"),
        pytest.param("nan", Outcome.DIVERGED, "metric 'loss' is nan", id="returns NaN"),
        pytest.param("missing", Outcome.INCOMPLETE, "metric 'loss' is missing", id="leaves a metric out"),
        pytest.param("leave", Outcome.DIED, "the process left with exit code 3 and without a result", id="leaves"),
        pytest.param("kill", Outcome.DIED, "the process was killed by SIGKILL", id="is killed"),
    ],
)
def test_what_fails_is_shown_and_the_others_finish(found: Results, arm: str, outcome: Outcome, message: str) -> None:
    failed = run(found, arm, 1)
    assert (failed.outcome, failed.message) == (outcome, message)
    assert run(found, arm, 0).finished
    assert found.line(arm, "loss").failures == 1
    assert found.line(arm, "loss").verdict is Verdict.NOT_COMPARED
    assert f"✗ {arm}, seed 1, {outcome.value}: {message}" in str(found)
    assert not found.complete


def test_a_run_that_is_stopped_keeps_what_it_logged(found: Results) -> None:
    hung = run(found, "hang", 1)
    assert set(hung.code) == {str(found.folder.parent / "toy.py")}
    assert (found.folder / "runs" / "hang" / "1.log").read_text(encoding="utf-8") == "trained 1\n"
    assert "ValueError: no good" in (found.folder / "runs" / "raise" / "1.log").read_text(encoding="utf-8")


def test_arms_that_differ_only_in_their_name_give_identical_numbers(found: Results) -> None:
    for seed in (0, 1):
        one, other = run(found, "plain", seed), run(found, "twin", seed)
        assert (one.metrics, one.starts, one.outputs) == (other.metrics, other.starts, other.outputs)
    assert found.line("twin", "loss").verdict is Verdict.SAME
    assert all(by_arm["plain"] == by_arm["twin"] for by_arm in found.curves.values())
    assert found.line("ruled", "loss").verdict is Verdict.NOT_SETTLED
    assert run(found, "ruled", 0).metrics != run(found, "plain", 0).metrics


def test_arms_train_on_the_same_random_numbers(found: Results) -> None:
    """Rules draw from streams of their own: what training draws is the same in every arm."""
    starts = {start["parameter"]: start for start in run(found, "ruled", 0).starts}
    assert starts["0.weight"]["rule"] == "all"
    assert starts["0.bias"]["std"] == 0.0
    assert run(found, "ruled", 0).others == {"extra": 0.0}


def test_everything_is_written_down(found: Results) -> None:
    data = json.loads((found.folder / "results.json").read_text(encoding="utf-8"))
    assert [run["outcome"] for run in data["runs"] if run["arm"] == "nan"] == ["finished", "diverged"]
    assert {"index.html", "results.json", "runs", "runs.csv", "summary.csv", ".lock"} == {
        file.name for file in found.folder.iterdir()
    }
    assert not list(found.folder.rglob("*.part"))


def test_the_same_seed_and_arm_give_the_same_numbers_again(study: Path, found: Results, tmp_path: Path) -> None:
    again = running.ablate(only(study, "plain", "ruled"), output=tmp_path, jobs=1)
    for record in again.records:
        assert record == run(found, record.arm, record.seed)  # times do not count


def only(study: Path, *names: str, **changes: Any) -> Any:
    from dataclasses import replace  # noqa: PLC0415

    made = load(study)
    return replace(made, arms=tuple(arm for arm in made.arms if arm.name in names), **changes)


def test_finished_runs_are_kept_and_changed_ones_are_made_again(tmp_path: Path) -> None:
    study = written(
        tmp_path, "seeds: 1\narms: {plain: {}, ruled: {rules: rules.yaml}, bad: {options: {bad: raise, on: 0}}}\n"
    )
    told: list[str] = []

    def made(**options: Any) -> list[str]:
        """The arms that were trained, not taken up."""
        before = {arm: _time(tmp_path / "out" / "runs" / arm / "0.json") for arm in ("plain", "ruled", "bad")}
        told.clear()
        running.ablate(study, output=tmp_path / "out", on_run=lambda record: told.append(record.arm), **options)
        assert sorted(told) == ["bad", "plain", "ruled"]
        return [arm for arm, then in before.items() if _time(tmp_path / "out" / "runs" / arm / "0.json") != then]

    assert made() == ["plain", "ruled", "bad"]
    assert made() == []
    assert made(retry=True) == ["bad"]
    (tmp_path / "rules.yaml").write_text(RULES.replace("gain: 1}", "gain: 2}"), encoding="utf-8")
    assert made() == ["ruled"]
    (tmp_path / "toy.py").write_text(TRAIN.replace("0.05", "0.06"), encoding="utf-8")
    assert made() == ["plain", "ruled", "bad"]


def _time(file: Path) -> int | None:
    return file.stat().st_mtime_ns if file.exists() else None


def test_killed_half_way_it_is_taken_up_and_gives_the_same_table(tmp_path: Path) -> None:
    """The program and its runs vanish at once; what is finished is kept, and the table is that of a whole study."""
    study = written(tmp_path, "seeds: 3\noptions: {pause: 0.7}\narms: {plain: {}, ruled: {rules: rules.yaml}}\n")
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from initrules.cli import main; main()", "ablate", str(study), "-o", str(out)]
    process = subprocess.Popen([*command, "--jobs", "1"], stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait(lambda: len(_finished(out)) >= 2)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = _finished(out)
    assert 2 <= len(kept) < 6
    _wait(lambda: not _alive(process.pid))
    time.sleep(1.0)  # longer than a run that was left behind would take
    assert _finished(out) == kept
    resumed = running.ablate(study, output=out)
    assert {name: time for name, time in _finished(out).items() if name in kept} == kept
    whole = running.ablate(study, output=tmp_path / "whole")
    assert tables.text(resumed) == tables.text(whole)
    assert resumed.records == whole.records


def _finished(out: Path) -> Mapping[str, int]:
    found = {str(file.relative_to(out)): file for file in out.glob("runs/*/*.json")}
    return {name: file.stat().st_mtime_ns for name, file in found.items()
            if (record := records.load(file)) is not None and record.finished}  # fmt: skip


def _alive(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def _wait(until: Any, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_two_programs_do_not_share_a_folder(tmp_path: Path) -> None:
    study = written(tmp_path, "arms: {a: {}}\n")
    with running._alone_in(tmp_path / "out", "study.yaml"), pytest.raises(RuleError) as caught:
        running.ablate(study, output=tmp_path / "out")
    assert str(caught.value) == (
        f"another study is at work in '{tmp_path / 'out'}'\n  Wait for it, or choose another folder with --output."
    )


def test_two_studies_do_not_share_a_folder(tmp_path: Path) -> None:
    """Nor does a quick version write over the whole one."""
    study = written(tmp_path, "seeds: 1\nquick: {seeds: 1}\narms: {a: {}}\n")
    out = tmp_path / "out"
    for _ in range(2):
        with running._alone_in(out, load(study).label):
            assert (out / ".lock").read_text(encoding="utf-8") == str(study)
    with pytest.raises(RuleError) as caught:
        running.ablate(study, output=out, quick=True)
    assert str(caught.value) == (
        f"'{out}' holds the runs of another study, '{study}'\n"
        "  Choose another folder with --output, or remove this one."
    )
    assert load(study, quick=True).label == f"{study} --quick"


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        pytest.param("arms: {a: {rules: none.yaml}, b: {rules: rules.yaml, vars: {x: 1}}}\n", {},
                     "arm b: unknown variable 'x'\n  The only choice is 'gain'.\nthere is no file 'FOLDER/none.yaml'\n"
                     "  Did you mean 'rules.yaml'?", id="rules"),
        pytest.param("arms: {a: {}}\n", {"jobs": 0}, "0 runs at a time are too few\n  Give at least 1.", id="jobs"),
        pytest.param("arms: {a: {}}\n", {"output": "FOLDER/toy.py/x"},
                     "'FOLDER/toy.py/x' cannot be written to: Not a directory\n  Choose another folder with --output.",
                     id="output"),
    ],
)  # fmt: skip
def test_what_can_be_known_is_said_before_the_first_run(
    tmp_path: Path, body: str, options: Mapping[str, Any], message: str
) -> None:
    study = written(tmp_path, body)
    given: dict[str, Any] = {key: value.replace("FOLDER", str(tmp_path)) if isinstance(value, str) else value
             for key, value in options.items()}  # fmt: skip
    with pytest.raises(RuleError) as caught:
        running.ablate(study, **({"output": tmp_path / "out"} | given))
    assert sorted(str(caught.value).splitlines()) == sorted(message.replace("FOLDER", str(tmp_path)).splitlines())
    assert not (tmp_path / "out").exists()


def test_code_that_is_not_there_is_missed_before_the_first_run(tmp_path: Path) -> None:
    study = written(tmp_path, "arms: {a: {}}\n", HEAD.replace("toy.py", "toys.py"))
    with pytest.raises(RuleError) as caught:
        running.ablate(study, output=tmp_path / "out")
    assert str(caught.value) == f"there is no file '{tmp_path}/toys.py'\n  'train' names it, relative to the study."
    assert not (tmp_path / "out").exists()


def test_where_things_go_by_default(tmp_path: Path) -> None:
    study = written(tmp_path, "arms: {a: {}}\nquick: {seeds: 1}\n")
    made = load(study)
    assert running.default_folder(made) == Path("study-results")
    assert running.default_folder(load(study, quick=True)) == Path("study-quick-results")
