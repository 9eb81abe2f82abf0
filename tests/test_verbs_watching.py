"""plan --watch, as a process of its own that is edited under its feet."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from commands import PPO, run

RULES = """initrules: 1
rules:
  - {rule: all, select: {type: Linear}, set: {weight: {normal: {std: STD}}, bias: zeros}}
"""


class Watched:
    """A running ``plan --watch`` whose output lies in two files."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.out, self.err = folder / "out.txt", folder / "err.txt"
        program = Path(sys.executable).parent / "initrules"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [program, "plan", *words, "--inventory", "model.json", "--watch"], cwd=folder, stdout=out, stderr=err
            )

    def until(self, what: Callable[[str], bool], file: Path) -> float:
        """Wait until a file says something; how many seconds it took."""
        start = time.perf_counter()
        while not what(file.read_text(encoding="utf-8")):
            assert time.perf_counter() < start + 60, file.read_text(encoding="utf-8")
            assert self.process.poll() is None, self.err.read_text(encoding="utf-8")
            time.sleep(0.01)
        return time.perf_counter() - start

    def rounds(self, count: int) -> float:
        return self.until(lambda text: text.count("; Ctrl-C ends it\n") >= count, self.err)


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert run(capsys, "record", *PPO, "-o", tmp_path / "model.json").code == 0
    (tmp_path / "a.yaml").write_text(RULES.replace("STD", "0.1"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def watched(folder: Path) -> Iterator[Watched]:
    one = Watched(folder, "a.yaml")
    yield one
    one.process.kill()
    one.process.wait()


def test_each_save_is_shown_and_errors_are_survived(folder: Path, watched: Watched) -> None:
    file = folder / "a.yaml"
    watched.rounds(1)
    file.write_text(RULES.replace("STD", "0.2"), encoding="utf-8")
    took = watched.until(lambda text: "normal std=0.2" in text, watched.out)
    watched.rounds(2)
    file.write_text(RULES.replace("STD", "[0.3"), encoding="utf-8")
    watched.until(lambda text: "a.yaml:3:" in text, watched.err)
    watched.rounds(3)
    (folder / "new.yaml").write_text(RULES.replace("STD", "0.4"), encoding="utf-8")
    (folder / "new.yaml").rename(file)  # as editors save
    watched.until(lambda text: "normal std=0.4" in text, watched.out)
    watched.rounds(4)
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(60) == 0
    assert watched.out.read_text(encoding="utf-8").count("12 parameters, 12 ● written") == 3
    assert watched.err.read_text(encoding="utf-8").count("watching a.yaml; Ctrl-C ends it\n") == 4
    assert took < 5  # far less on a machine that does nothing else; see benchmarks


def test_what_is_extended_is_watched_too(folder: Path) -> None:
    (folder / "b.yaml").write_text("initrules: 1\nextends: a.yaml\n", encoding="utf-8")
    watched = Watched(folder, "b.yaml")
    try:
        watched.rounds(1)
        (folder / "a.yaml").write_text("initrules: 1\nrules: [", encoding="utf-8")
        watched.rounds(2)
        (folder / "a.yaml").unlink()
        watched.rounds(3)
        (folder / "a.yaml").write_text(RULES.replace("STD", "0.7"), encoding="utf-8")
        watched.until(lambda text: "normal std=0.7" in text, watched.out)
        assert "watching a.yaml, b.yaml; Ctrl-C ends it\n" in watched.err.read_text(encoding="utf-8")
        assert "there is no file 'a.yaml'" in watched.err.read_text(encoding="utf-8")
    finally:
        watched.process.kill()
        watched.process.wait()


LOADED = """initrules: 1
sources: {old: {file: old.safetensors}}
rules: [{rule: all, select: actor.0, set: {weight: {load: {source: old}}}}]
"""


def test_checkpoints_are_watched_from_before_they_are_there(folder: Path) -> None:
    (folder / "a.yaml").write_text(LOADED, encoding="utf-8")
    watched = Watched(folder, "a.yaml")
    try:
        watched.rounds(1)
        save_file({"actor.0.bias": torch.zeros(64)}, folder / "old.safetensors")
        watched.rounds(2)
        save_file({"actor.0.weight": torch.zeros(64, 11)}, folder / "old.safetensors")
        watched.rounds(3)
        said, shown = watched.err.read_text(encoding="utf-8"), watched.out.read_text(encoding="utf-8")
        assert said.count("watching a.yaml, old.safetensors; Ctrl-C ends it\n") == 3
        assert "the source 'old' has no file 'old.safetensors'" in said
        assert "load source=old" in shown, shown
    finally:
        watched.process.kill()
        watched.process.wait()


def test_what_cannot_begin_ends(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = run(capsys, "plan", "a.yaml", "--watch")
    assert (done.code, "Missing option '--model' or '--inventory'" in done.err) == (2, True)
