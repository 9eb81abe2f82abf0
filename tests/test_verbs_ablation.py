"""ablate, as a user calls it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ablations import results, written
from commands import run
from initrules.ablation import records, running
from initrules.ablation.records import Files
from initrules.ablation.schema import file_schema
from initrules.ablation.study import Study

BODY = "quick: {seeds: 2}\narms: {base: {}, twin: {}, other: {options: {bad: raise, on: 0}}}\n"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the verb asks for; nothing is trained."""
    found: dict[str, Any] = {}

    def ablate(study: Study, **options: Any) -> Any:
        found.update(options, study=study)
        made = results(tmp_path / "made", {arm.name: [1.0, 2.0] for arm in study.arms}, curves='[0, {"loss": 1}]\n')
        for record in made.records:
            options["on_run"](record)
        return made

    monkeypatch.setattr(running, "ablate", ablate)
    monkeypatch.chdir(tmp_path)
    written(tmp_path, BODY)
    return found


def test_options_reach_the_study(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--seeds", "3", "--arm", "tw*", "--time-limit", "5", "--jobs", "4", "--retry", "-o", "out"]
    done = run(capsys, "ablate", "study.yaml", *words)
    assert done.code == 0
    study = asked["study"]
    assert (study.seeds, study.time_limit, [arm.name for arm in study.arms]) == ((0, 1, 2), 5.0, ["base", "twin"])
    assert (asked["jobs"], asked["retry"], asked["output"], asked["allow"]) == (4, True, "out", ())
    assert done.out.startswith("score: higher is better\narm ")
    assert done.out.endswith("made/index.html shows the curves; the tables are beside it\n")


def test_the_folder_by_default(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "ablate", "study.yaml", "--quick").code == 0
    assert (asked["output"], asked["study"].seeds) == ("study-quick-results", (0, 1))


@pytest.mark.usefixtures("asked")
def test_other_formats(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(run(capsys, "ablate", "study.yaml", "--format", "json").out)
    assert [line["verdict"] for line in data["lines"]] == ["baseline", "the same numbers", "the same numbers"]
    assert run(capsys, "ablate", "study.yaml", "--format", "csv").out.startswith("metric,arm,runs,")
    shown = run(capsys, "ablate", "study.yaml", "--format", "markdown").out
    assert shown.startswith("**score**: higher is better\n\n| arm | runs |")
    assert "| `twin` | 2 |" in shown


def test_pictures_and_boards(asked: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, "ablate", "study.yaml", "--plots", "--tensorboard").code == 0
    assert (tmp_path / "made" / "plots" / "curve-loss.png").exists()
    assert (tmp_path / "made" / "tensorboard" / "twin" / "1").is_dir()
    assert "plots" not in asked


@pytest.mark.usefixtures("asked")
def test_refused(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "ablate", "study.yaml", "--arm", "none")
    assert (done.code, done.err) == (2, "no arm has a name like 'none'\n  There are 'base', 'twin', 'other'.\n")
    assert run(capsys, "ablate", "none.yaml").code == 2


def test_schema_of_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run(capsys, "schema", "--kind", "study").out) == json.loads(json.dumps(file_schema()))


def test_a_terminal_sees_a_bar_and_a_failed_run_gives_code_1(tmp_path: Path) -> None:
    """The whole way, in a terminal of its own."""
    study = written(tmp_path, BODY)
    master, slave = pty.openpty()
    command = [sys.executable, "-c", "from initrules.cli import main; main()", "ablate", study.name, "--quick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, text=True, cwd=tmp_path,
                          env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}) as process:  # fmt: skip
        os.close(slave)
        shown = b""
        while chunk := _read(master):
            shown += chunk
        assert process.stdout is not None
        out = process.stdout.read()
    assert process.returncode == 1
    assert "✗ other, seed 0, raised: ValueError: no good" in out
    assert out.endswith("\nwhat a run printed stands beside them, in runs/ARM/SEED.log\n")
    assert "twin" in out
    assert "the same numbers" in out
    assert b"training" in shown
    assert b"1 without a result" in shown


def test_interrupted_in_a_terminal_it_says_what_is_kept(tmp_path: Path) -> None:
    """Ctrl-C reaches every process of the terminal: none shows a traceback, none is left, and the code is 130."""
    study = written(tmp_path, "seeds: 2\narms: {base: {}, slow: {options: {bad: hang, on: 0}}}\n")
    command = [sys.executable, "-c", "from initrules.cli import main; main()", "ablate", study.name, "--jobs", "2"]
    pid, master = pty.fork()
    if pid == 0:  # in a session of its own, whose terminal this is
        os.chdir(tmp_path)
        os.execve(sys.executable, command, {**os.environ, "TERM": "xterm", "COLUMNS": "100"})
    shown, sent = b"", False
    while chunk := _read(master):
        shown += chunk
        if not sent and b"1/4" in shown and records.load(Files.of(tmp_path / "study-results", "slow", 0).result):
            os.write(master, b"\x03")
            sent = True
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert os.waitstatus_to_exitcode(status) == 130
    said = shown.decode(errors="replace")
    assert "Traceback" not in said
    assert re.search(r"stopped; [123] of 4 runs are kept in 'study-results', and the same command takes up there", said)
    assert not list(tmp_path.rglob("*.part"))
    slow = records.load(Files.of(tmp_path / "study-results", "slow", 0).result)
    assert slow is not None
    assert not slow.finished


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""
