"""The Hydra example: rules, variables and seed from the command line, a plan for each run, a sweep."""

from __future__ import annotations

import json
import logging
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra

from reference import ROOT

SCRIPT = ROOT / "examples" / "sweep" / "train.py"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hydra's own settings of this process end with the test, and its log files are closed."""
    before = [*logging.root.handlers]
    monkeypatch.setattr(logging.root, "handlers", [*before])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    yield
    GlobalHydra.instance().clear()
    for handler in logging.root.handlers:
        if handler not in before:
            handler.close()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the example's script with these arguments."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def head(folder: Path) -> Any:
    """What the kept plan says about the actor's last layer."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    row = next(row for row in plan["parameters"] if row["name"] == "actor.2.weight")
    return row["decisions"]["set"]["value"]


def losses(folder: Path) -> tuple[str, float, float]:
    """What the log says: the run, the first loss, the last."""
    log = (folder / "train.log").read_text(encoding="utf-8")
    found = re.search(r"- (.*): loss ([\d.]+), then ([\d.]+)$", log, re.MULTILINE)
    assert found is not None
    return found[1], float(found[2]), float(found[3])


def test_a_run_has_its_rules_and_keeps_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, f"hydra.run.dir={tmp_path}", "init.vars.policy_gain=0.5", "seed=3")
    assert head(tmp_path) == [{"orthogonal": {"gain": 0.5}}]
    name, first, last = losses(tmp_path)
    assert name == "preset:ppo, seed 3"
    assert last < first / 2


def test_a_sweep_over_rule_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "--multirun", "init=ppo,humanoid", "steps=2", f"hydra.sweep.dir={tmp_path}")
    assert [head(tmp_path / job) for job in ("0", "1")] == [
        [{"orthogonal": {"gain": 0.01}}],
        [{"orthogonal": {"gain": 0.001}}],
    ]
