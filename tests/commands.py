"""Runs the command line as a user does: in this process, or as one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from initrules import cli
from support import isolation

ROOT = Path(__file__).resolve().parents[1]
PPO = ("--model", "examples/ppo.py:build")


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def run(capsys: pytest.CaptureFixture[str], *words: object, debug: bool = False) -> Result:
    """Run ``initrules WORDS`` in this process, with torch's random state put back."""
    capsys.readouterr()
    with isolation():
        code = cli._run([str(word) for word in words], debug=debug)
    said = capsys.readouterr()
    return Result(code, said.out, said.err)


def shell(command: str, **environment: str) -> Result:
    """Run a line of bash at the top of the repository, with ``initrules`` on its path."""
    known = {key: value for key, value in os.environ.items() if key not in {"FORCE_COLOR", "COLUMNS", "NO_COLOR"}}
    path = f"{Path(sys.executable).parent}{os.pathsep}{known.get('PATH', '')}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env={**known, "PATH": path, **environment}, capture_output=True,
        text=True, check=False, timeout=120, encoding="utf-8",
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)
