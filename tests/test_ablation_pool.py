"""Processes of runs: how they are started, stopped, and what is left of those that die."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from ablations import TRAIN
from initrules.ablation import pool, records
from initrules.ablation.records import Files, Outcome, Record
from initrules.ablation.study import Arm
from initrules.ablation.worker import Job
from initrules.errors import RuleError

LEAVES = """
import subprocess, threading, time

def train(initialise, seed, log, *, left):
    if left == "child":
        print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
    if left == "thread":
        threading.Thread(target=time.sleep, args=(1000,), name="spinner").start()
    if left == "short-thread":
        threading.Thread(target=lambda: (time.sleep(0.5), print("written", flush=True))).start()
    log(1, x=1)
    return {"loss": 1.0}
"""


def job(folder: Path, arm: str, train: str = TRAIN, **options: Any) -> Job:
    (folder / "toy.py").write_text(train, encoding="utf-8")
    return Job(f"{folder}/toy.py:train", Arm(arm, options=options), 1, ("loss",), "d", Files.of(folder, arm, 1))


def made(*jobs: Job, workers: int = 2, time_limit: float = 60.0) -> dict[str, Record]:
    found: dict[str, Record] = {}
    pool.run_all(jobs, workers=workers, time_limit=time_limit, on_done=lambda one: found.update({one.arm: one}))
    return found


def test_processes_are_forked_from_a_clean_one_on_linux_and_spawned_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either way the same numbers, and a failure is a record."""
    found = {}
    for platform, method in (("linux", "forkserver"), ("darwin", "spawn")):
        monkeypatch.setattr("sys.platform", platform)
        assert pool._context().get_start_method() == method
        folder = tmp_path / method
        folder.mkdir()
        found[method] = made(job(folder, "good"), job(folder, "bad", bad="raise"))
        said = (folder / "runs" / "bad" / "1.log").read_text(encoding="utf-8")
        assert "ValueError: no good" in said
    for arm, outcome in (("good", Outcome.FINISHED), ("bad", Outcome.RAISED)):
        one, other = found["forkserver"][arm], found["spawn"][arm]
        assert one.outcome is outcome
        assert (one.metrics, one.starts, one.outputs) == (other.metrics, other.starts, other.outputs)


def test_no_more_runs_at_a_time_than_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, started = [], pool._started

    def counted(*given: Any) -> Any:
        before.append(len(multiprocessing.active_children()))
        return started(*given)

    monkeypatch.setattr(pool, "_started", counted)
    assert set(made(*(job(tmp_path, f"arm-{i}", pause=0.2) for i in range(4)))) == {f"arm-{i}" for i in range(4)}
    assert before[:2] == [0, 1]
    assert max(before) == 1  # one is over before the next begins


def test_what_a_run_leaves_behind_does_not_hold_it_up(tmp_path: Path) -> None:
    jobs = [job(tmp_path, left, LEAVES, left=left) for left in ("child", "thread", "short-thread")]
    found = made(*jobs, workers=3)
    assert {one.outcome for one in found.values()} == {Outcome.FINISHED}
    said = {left: Files.of(tmp_path, left, 1).log.read_text(encoding="utf-8") for left in found}
    assert said["thread"] == "stopped with threads that still ran: spinner\n"
    assert said["short-thread"] == "written\n"
    assert records.curves(jobs[1].files.curves) == {"x": ((1.0, 1),)}
    with pytest.raises(ProcessLookupError):
        os.kill(int(said["child"]), 0)


def test_interrupted_it_stops_what_runs_and_keeps_no_half(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "quick"), job(tmp_path, "hang", bad="hang"), job(tmp_path, "never")]

    def interrupt(record: Record) -> None:
        assert record.finished
        _wait(lambda: (one := records.load(jobs[1].files.result)) is not None and one.outcome is Outcome.RUNNING)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run_all(jobs, workers=2, time_limit=60.0, on_done=interrupt)
    assert multiprocessing.active_children() == []
    left = records.load(jobs[1].files.result)
    assert left is not None
    assert not records.reusable(left, "d", 60.0)
    assert not jobs[2].files.result.exists()
    assert not list(tmp_path.rglob("*.part"))


def _wait(until: Any) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_result_of_before_is_no_result_of_a_run_that_dies(tmp_path: Path) -> None:
    dies = job(tmp_path, "dies", "import os\nos._exit(7)\n")
    records.save(Record("dies", 1, "d", Outcome.FINISHED, metrics={"loss": 1.0}), dies.files.result)
    found = made(dies)["dies"]
    assert (found.outcome, found.metrics) == (Outcome.DIED, {})
    assert found.message == "the process left with exit code 7 and without a result"


@pytest.mark.parametrize("taken", ["runs", "runs/arm"])
def test_a_place_that_cannot_be_written(tmp_path: Path, taken: str) -> None:
    made_first = job(tmp_path, "arm")
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("a file", encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        made(made_first)
    assert re.fullmatch(
        rf"'{re.escape(str(tmp_path))}/runs/arm/1\.json' cannot be written: (File exists|Not a directory)\n"
        r"  Choose another folder with --output\.",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param(0, "the process left with exit code 0 and without a result", id="leaves"),
        pytest.param(-9, "the process was killed by SIGKILL", id="a signal"),
        pytest.param(-200, "the process was killed by signal 200", id="one without a name"),
    ],
)
def test_deaths_in_words(code: int, said: str) -> None:
    assert pool._death(code) == said


def test_the_environment_of_the_caller_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pool._environment():
        assert {name: os.environ[name] for name in pool.ENVIRONMENT} == dict(pool.ENVIRONMENT)
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "PYTHONHASHSEED" not in os.environ


def test_as_many_runs_as_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool.cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert pool.cores() == 1
