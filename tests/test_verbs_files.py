"""show, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from commands import PPO, ROOT, Result, run, shell
from initrules.verbs import showing


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    file = tmp_path / "plan.json"
    assert run(capsys, "plan", "preset:ppo", *PPO, "--format", "json", "-o", file).code == 0
    return str(file)


@pytest.fixture
def inventory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    file = tmp_path / "model.json"
    assert run(capsys, "record", *PPO, "-o", file).code == 0
    return str(file)


def test_a_plan(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown, live = run(capsys, "show", plan), run(capsys, "plan", "preset:ppo", *PPO)
    assert shown.code == 0
    assert shown.out.split("\n\n")[0] == live.out.split("\n\n")[0]
    comment = run(capsys, "show", plan, "--format", "md").out
    assert comment == run(capsys, "plan", "preset:ppo", *PPO, "--format", "md").out.replace(
        "`value-head` 1, `policy-head` 1", "`policy-head` 1, `value-head` 1"
    )


def test_one_parameter_of_a_plan(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "show", plan, "actor.4.bias").out == (
        "actor.4.bias: parameter, 2, float32\n"
        "  starts as zeros   (mean 0, std 0)\n"
        "    by 'hidden', preset:ppo:14:60: zeros\n"
        "    why: norm-preserving layers, zero biases; all that is not a head\n"
    )
    wrong = run(capsys, "show", plan, "actor.4.bais")
    assert wrong == Result(2, "", "no parameter is named 'actor.4.bais'\n  Did you mean 'actor.4.bias'?\n")


def test_one_parameter_has_no_markdown(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "show", plan, "actor.4.bias", "--format", "md")
    message = "Error: '--format md' shows a whole plan: leave PARAMETER out, or the format.\n"
    assert (done.code, done.err.endswith(message)) == (2, True), done.err


def test_an_inventory(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "show", inventory)
    assert done.out.splitlines()[2].split() == ["{critic,actor}.0.weight", "×2", "64×4", "float32", "Linear"]
    assert done.out.endswith("12 parameters with 9,155 entries\n13 modules: 6 Linear, 4 Tanh, 2 Sequential, 1 Agent\n")


def test_in_colour_on_a_terminal(
    plan: str, inventory: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = lambda: Console(force_terminal=True, color_system="standard", width=90)  # noqa: E731
    monkeypatch.setattr(showing, "Console", terminal)
    assert "\x1b[32m●" in run(capsys, "show", plan).out
    assert "\x1b[1m ×2" in run(capsys, "show", inventory).out


def test_needs_no_torch(plan: str, inventory: str) -> None:
    code = "import sys; from initrules import cli; cli._run(sys.argv[1:], debug=False); print('torch' in sys.modules)"
    for file in (plan, inventory):
        assert shell(f'python -c "{code}" show {file}').out.endswith("\nFalse\n")


PLAN_OR_INVENTORY = (
    "  Make one with: initrules plan RULES --model ... --format json > FILE; or: initrules record --model ... -o FILE\n"
)


@pytest.mark.parametrize(
    ("content", "err"),
    [
        pytest.param(None, "there is no file 'x.json'\n" + PLAN_OR_INVENTORY, id="no file"),
        pytest.param(b"{}", "'x.json' is neither a saved plan nor an inventory\n" + PLAN_OR_INVENTORY, id="other JSON"),
        pytest.param(b"\xff", "'x.json' cannot be read: 'utf-8' codec can't decode byte 0xff in position 0: "
                     "invalid start byte\n" + PLAN_OR_INVENTORY, id="no text"),
        pytest.param(b'{"initrules-plan": 1', "'x.json' is no plan: Expecting ',' delimiter: line 1 column 21 (char 20)"
                     "\n  Make it with: initrules plan RULES --model ... --format json > FILE\n", id="cut off"),
        pytest.param(b'{"initrules-inventory": 2}', "'x.json' is no inventory: $: 'classes' is a required property\n"
                     "  Make it anew with: initrules record --model ... -o FILE\n", id="another version"),
    ],
)  # fmt: skip
def test_refused(
    content: bytes | None, err: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("x.json").write_bytes(content)
    assert run(capsys, "show", "x.json") == Result(2, "", err)


def test_rules_are_shown_by_plan(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "show", "rules/ppo.yaml")
    assert done.err.endswith("\n  Show what rules decide with: initrules plan rules/ppo.yaml --model ...\n")


def test_what_is_for_plans_only(inventory: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["actor.4.bias"], ["--format", "md"]):
        done = run(capsys, "show", inventory, *words)
        assert (done.code, "this is an inventory" in done.err) == (2, True)


def test_saved_plans_are_compared_without_a_model(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.json"
    run(capsys, "plan", "preset:ppo-humanoid", *PPO, "--format", "json", "-o", other)
    data = json.loads(run(capsys, "diff", plan, other, "--format", "json").out)
    assert [(one["pattern"], one["why"]) for one in data["changes"]] == [
        ("actor.4.weight", "policy_gain is 0.001, was 0.01")
    ]
    mixed = run(capsys, "diff", plan, "preset:ppo-humanoid", *PPO, "--format", "json").out
    assert json.loads(mixed)["changes"][0]["why"] == "policy_gain is 0.001, was 0.01"
    missing = run(capsys, "diff", plan, "preset:ppo")
    assert (missing.code, "Missing option '--model' or '--inventory'" in missing.err) == (2, True)
