"""plan with several rule sets, as a user calls it."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from commands import PPO, ROOT, run
from initrules.verbs import showing

BOTH = ("plan", "preset:ppo", "preset:ppo-humanoid", *PPO)


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")


def test_one_column_for_each_rule_set(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, *BOTH)
    lines = done.out.splitlines()
    assert lines[0].split() == ["parameter", "shape", "preset:ppo", "preset:ppo-humanoid"]
    row = next(line for line in lines if "actor.4.weight" in line)
    assert row.split() == ["≠", "actor.4.weight", "2×64", "orthogonal", "gain=0.01", "orthogonal", "gain=0.001"]
    assert lines[-1] == "1 of 12 parameters ≠ differs"
    assert (done.code, done.err) == (0, "")


def test_only_differences(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *BOTH, "--only-differences").out.count("×") == 1
    alone = run(capsys, "plan", "preset:ppo", *PPO, "--only-differences")
    assert (alone.code, "'--only-differences' is for several RULES beside one another" in alone.err) == (2, True)


def test_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(run(capsys, *BOTH, "--format", "json", "--only-differences").out)
    assert [one["pattern"] for one in data["groups"]] == ["actor.4.weight"]


def test_in_colour_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "Console", lambda: Console(force_terminal=True, color_system="standard", width=50))
    out = run(capsys, *BOTH).out
    assert "\x1b[1;33m≠" in out
    assert "1 of 12 parameters ≠ differs" in out


def test_the_worst_plan_decides_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "plan", "preset:ppo", "preset:mup", *PPO).code == 1


def test_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, *BOTH, "--format", "md", "--only-differences").out
    assert out == (
        "1 of 12 parameters ≠ differs, 11 the same and not shown\n\n"
        "|  | parameter | shape | `preset:ppo` | `preset:ppo-humanoid` |\n"
        "|---|---|---|---|---|\n"
        "| ≠ | `actor.4.weight` | 2×64 | `orthogonal gain=0.01`<br>`by policy-head` "
        "| `orthogonal gain=0.001`<br>`by policy-head` |\n"
    )


def messages(out: str) -> list[str]:
    return [one["message"]["text"] for one in json.loads(out)["runs"][0]["results"]]


def test_annotations_are_those_of_all_once(capsys: pytest.CaptureFixture[str]) -> None:
    alone = [messages(run(capsys, "plan", name, *PPO, "--format", "sarif").out) for name in BOTH[1:3]]
    both = messages(run(capsys, *BOTH, "--format", "sarif").out)
    assert sorted(both) == sorted({*alone[0], *alone[1]})
    assert alone[0] != alone[1]
