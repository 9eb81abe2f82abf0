"""One run, in this process: what its function returned, or how it failed."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablations import TRAIN
from initrules.ablation import records, worker
from initrules.ablation.records import Files, Outcome, Record
from initrules.ablation.study import Arm
from initrules.ablation.worker import Job
from support import isolation

RUN = Record("a", 0, "d", Outcome.RAISED)


@pytest.mark.parametrize(
    ("returned", "outcome", "message", "metrics"),
    [
        pytest.param({"loss": 1, "n": 2}, Outcome.FINISHED, "", {"loss": 1.0, "n": 2.0}, id="numbers"),
        pytest.param({"loss": torch.tensor([1.5]), "n": np.float32(2)}, Outcome.FINISHED, "",
                     {"loss": 1.5, "n": 2.0}, id="tensors and arrays"),
        pytest.param({"loss": torch.tensor(1.0, requires_grad=True), "n": True}, Outcome.FINISHED, "",
                     {"loss": 1.0, "n": 1.0}, id="with a gradient"),
        pytest.param(None, Outcome.INCOMPLETE, "train returned None, not a dict", {}, id="nothing"),
        pytest.param([1], Outcome.INCOMPLETE, "train returned a list, not a dict", {}, id="a list"),
        pytest.param({"n": 1}, Outcome.INCOMPLETE, "metric 'loss' is missing", {"n": 1.0}, id="a metric is missing"),
        pytest.param({"loss": "1", "n": torch.zeros(2)}, Outcome.INCOMPLETE,
                     "metric 'loss' is no number, metric 'n' is no number", {}, id="no numbers"),
        pytest.param({"loss": math.nan, "n": -math.inf}, Outcome.DIVERGED, "metric 'loss' is nan, metric 'n' is -inf",
                     {"loss": None, "n": None}, id="not finite"),
        pytest.param({"loss": math.nan, "n": 3}, Outcome.DIVERGED, "metric 'loss' is nan", {"loss": None, "n": 3.0},
                     id="one of them is"),
    ],
)  # fmt: skip
def test_what_a_run_returned(returned: Any, outcome: Outcome, message: str, metrics: dict[str, float | None]) -> None:
    found = worker.judged(RUN, ("loss", "n"), returned)
    assert (found.outcome, found.message, found.metrics) == (outcome, message, metrics)


def test_other_numbers_are_kept_apart() -> None:
    found = worker.judged(RUN, ("loss",), {"loss": 1, "steps": 7, "text": "no", "bad": math.inf})
    assert found.others == {"steps": 7.0, "bad": None}


def job(folder: Path, train: str = TRAIN, **options: Any) -> Job:
    (folder / "toy.py").write_text(train, encoding="utf-8")
    files = Files.of(folder, "arm", 1)
    files.result.parent.mkdir(parents=True)
    return Job(f"{folder}/toy.py:train", Arm("arm", options=options), 1, ("loss",), "digest", files)


def recorded(made: Job, monkeypatch: pytest.MonkeyPatch) -> tuple[Record, list[Any]]:
    monkeypatch.setattr("sys.path", ["", *sys.path])
    lines = io.StringIO()
    threads = torch.get_num_threads()
    try:
        with isolation():
            found = worker._recorded(made, lines)
    finally:
        torch.set_num_threads(threads)
    return found, [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_run_that_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, lines = recorded(job(tmp_path, steps=2), monkeypatch)
    assert (found.outcome, found.message, found.others) == (Outcome.FINISHED, "", {"extra": 1.0})
    assert [sorted(values) for _, values in lines] == [["gradients/net"], ["loss"]] * 2
    assert [start["parameter"] for start in found.starts] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert set(found.outputs["y"]) == {"mean", "std", "min", "max"}
    assert str(tmp_path / "toy.py") in found.code
    assert set(found.versions) == {"initrules", "python", "torch", "numpy"}
    early = records.load(Files.of(tmp_path, "arm", 1).result)
    assert early is not None
    assert early.outcome is Outcome.RUNNING  # what is known if it is killed


@pytest.mark.parametrize(
    ("train", "options", "message"),
    [
        pytest.param(TRAIN, {"bad": "raise"}, "ValueError: no good", id="an error"),
        pytest.param(TRAIN, {"stepz": 1}, "TypeError: train() got an unexpected keyword argument 'stepz'",
                     id="options"),
        pytest.param("def train(*_): raise SystemExit(2)\n", {}, "SystemExit: 2", id="it leaves"),
        pytest.param("train = 3\n", {}, "'FOLDER/toy.py:train' is a int, not a function", id="no function"),
        pytest.param("import no_such\n", {},
                     "importing 'FOLDER/toy.py' failed: No module named 'no_such'\n  Install what it imports.",
                     id="import"),
        pytest.param(TRAIN.replace("initialise(model)", "initialise(model); initialise(model)"), {},
                     "initialise was called twice for the model ''\n"
                     "  Give the second one a name of its own: initialise(critic, name='critic').", id="twice"),
    ],
)  # fmt: skip
def test_a_run_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], train: str,
    options: dict[str, Any], message: str,
) -> None:  # fmt: skip
    found, _ = recorded(job(tmp_path, train, **options), monkeypatch)
    assert found.outcome is Outcome.RAISED
    assert found.message == message.replace("FOLDER", str(tmp_path))
    assert "Traceback" in capsys.readouterr().err
    assert bool(found.code) == ("no_such" not in train and "train = 3" not in train)


def test_users_code_is_neither_installed_nor_ours() -> None:
    found = worker.users_code()
    assert str(Path(__file__)) in found
    assert not [file for file in found if "site-packages" in file or "/src/initrules/" in file]
