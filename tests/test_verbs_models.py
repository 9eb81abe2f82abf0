"""record and diff, as a user calls them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from commands import Result
from commands import run as run_in

ROOT = Path(__file__).parents[1]
MODEL = f"{ROOT / 'examples' / 'ppo.py'}:build"
RULES = """initrules: 1
vars: {gain: GAIN}
rules:
  - {rule: all, select: {type: Linear}, set: {weight: {orthogonal: {gain: gain}}, bias: zeros}}
"""


class Run:
    """Runs ``initrules`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Result:
        return run_in(self._capsys, *words)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture(autouse=True)
def _inside_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    Path("a.yaml").write_text(RULES.replace("GAIN", "1"), encoding="utf-8")
    Path("b.yaml").write_text(RULES.replace("GAIN", "2"), encoding="utf-8")


def test_a_recorded_model_gives_the_same_plan(run: Run) -> None:
    assert run("record", "--model", MODEL, "-o", "model.json").code == 0
    live = run("plan", "a.yaml", "--model", MODEL, "--format", "json")
    kept = run("plan", "a.yaml", "--inventory", "model.json", "--format", "json")
    assert json.loads(live.out)["fingerprint"] == json.loads(kept.out)["fingerprint"]
    assert run("record", "--model", MODEL).out == Path("model.json").read_text(encoding="utf-8")
    assert run("lint", "a.yaml", "--inventory", "model.json").code == 0
    assert "orthogonal" in run("explain", "a.yaml", "actor.4.weight", "--inventory", "model.json").out


def test_diff_names_exactly_what_differs(run: Run) -> None:
    found = run("diff", "a.yaml", "b.yaml", "--model", MODEL)
    assert found.code == 0
    lines = [line.split() for line in found.out.splitlines()]
    assert lines[0] == ["parameter", "what", "a.yaml", "b.yaml", "because"]
    assert lines[2:4] == [
        [
            "{critic,actor}.{0,2,4}.weight",
            "×6",
            "start",
            "orthogonal",
            "orthogonal",
            "gain=2",
            "gain",
            "is",
            "2,",
            "was",
            "1",
        ],
        ["all", "a.yaml:4:55", "all", "b.yaml:4:55"],
    ]
    assert found.out.endswith("\n6 parameters differ: 6 start\n")


def test_nothing_differs(run: Run) -> None:
    assert run("diff", "a.yaml", "a.yaml", "--model", MODEL).out == "no decision differs\n"
    assert run("diff", "a.yaml", "a.yaml", "--model", MODEL, "--format", "md").out == "No decision differs.\n"


def test_diff_as_data_and_as_a_comment(run: Run) -> None:
    data = json.loads(run("diff", "a.yaml", "b.yaml", "--model", MODEL, "--format", "json").out)
    assert data["versions"] == ["a.yaml", "b.yaml"]
    assert data["changes"][0]["sides"][1] == {"value": "orthogonal gain=2", "rule": "all", "place": "b.yaml:4:55"}
    comment = run("diff", "a.yaml", "b.yaml", "--model", MODEL, "--format", "md").out
    sides = "`orthogonal`<br>`all a.yaml:4:55` | `orthogonal gain=2`<br>`all b.yaml:4:55`"
    assert f"| `{{critic,actor}}.{{0,2,4}}.weight ×6` | start | {sides} |" in comment


def test_variables_hold_for_every_version(run: Run) -> None:
    assert run("diff", "a.yaml", "b.yaml", "--model", MODEL, "--set", "gain=3").out == "no decision differs\n"


def test_a_revision_of_git(run: Run) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], ["add", "a.yaml"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *words], check=True)
    Path("a.yaml").write_text(RULES.replace("GAIN", "5"), encoding="utf-8")
    found = run("diff", "HEAD:a.yaml", "a.yaml", "--model", MODEL)
    assert "orthogonal gain=5" in found.out
    assert "HEAD:a.yaml" in found.out


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param(("a.yaml",), "Error: Name two or more versions of the rules.", id="one version"),
        pytest.param(("a.yaml", "NONE:b.yaml2"), "git cannot give 'NONE:b.yaml2'", id="no repository"),
        pytest.param(("a.yaml", "HEAD:../b.yaml2"), "'HEAD:../b.yaml2' does not lie below this folder", id="above"),
    ],
)
def test_refused(run: Run, words: tuple[str, ...], wanted: str) -> None:
    found = run("diff", *words, "--model", MODEL)
    assert found.code == 2
    assert wanted in found.err


def test_a_model_or_an_inventory(run: Run) -> None:
    assert "Missing option '--model' or '--inventory'" in run("plan", "a.yaml").err
    both = run("plan", "a.yaml", "--model", MODEL, "--inventory", "model.json")
    assert "exclude each other" in both.err
    assert both.code == 2
    missing = run("plan", "a.yaml", "--inventory", "none.json")
    assert (missing.code, missing.err.split("\n")[0]) == (2, "there is no file 'none.json'")


def test_a_saved_plan_is_applied_only_while_it_is_true(run: Run) -> None:
    Path("plan.json").write_text(run("plan", "a.yaml", "--set", "gain=0.5", "--model", MODEL, "--format", "json").out)
    assert run("apply", "plan.json", "--model", MODEL, "-o", "m.safetensors").code == 0
    Path("m.safetensors").unlink()
    Path("a.yaml").write_text(RULES.replace("GAIN", "1").replace("bias: zeros", "bias: 1"), encoding="utf-8")
    found = run("apply", "plan.json", "--model", MODEL, "-o", "m.safetensors")
    assert found.code == 3
    assert found.err.split("\n")[0] == "plan.json: critic.0.bias set: was zeros, is 1"
    assert found.err.endswith("the plan is no longer true; nothing was written\n")
    assert not Path("m.safetensors").exists()
