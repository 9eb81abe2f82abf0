"""verify, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from commands import ROOT, Result
from commands import run as run_in

PPO = f"{ROOT / 'examples' / 'ppo.py'}:build"
PHASE_2 = f"{ROOT / 'examples' / 'phase2' / 'networks.py'}:build"
MODEL = """
import torch
from torch import nn

def build():
    return nn.Linear(40, 30)

def example_inputs():
    return torch.ones(2, 40)

def two():
    return (torch.zeros(2, 40),)

fixed = torch.zeros(1, 40)

def fails():
    raise ValueError("no data")
"""
RULES = """initrules: 1
rules:
  - {rule: r, select: "", set: {weight: {normal: {std: 0.2}}, bias: 0.5}}
expect:
  - {output: "", within: [-5, 5]}
"""


class Run:
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
    Path("m.py").write_text(MODEL)
    Path("r.yaml").write_text(RULES)


SAID = "2 recomputed with seed {} of 2 tensors; 1 expectation checked: no errors, no warnings\n"


def test_what_apply_wrote_is_verified_with_its_own_seed(run: Run) -> None:
    assert run("apply", "r.yaml", "--model", "m.py:build", "--seed", "5", "-o", "w.safetensors").code == 0
    assert run("verify", "r.yaml", "--model", "m.py:build", "--weights", "w.safetensors") == (0, SAID.format(5), "")


def test_applying_first(run: Run) -> None:
    assert run("verify", "r.yaml", "--model", "m.py:build", "--apply") == (0, SAID.format(0), "")
    assert run("verify", "r.yaml", "--model", "m.py:build", "--apply", "--seed", "2").out == SAID.format(2)


def test_the_model_as_its_factory_leaves_it(run: Run) -> None:
    found = run("verify", "r.yaml", "--model", "m.py:build")
    assert found.code == 1
    lines = found.out.splitlines()
    assert "error r.yaml:3:41: 'weight' has std 0.09" in lines[0]
    assert lines[-1].startswith("1 recomputed, 1 tested (3 tests) of 2 tensors; 1 expectation checked: ")


def test_a_plan_that_was_not_applied_is_told_in_one_line(run: Run) -> None:
    rules = str(ROOT / "rules" / "ppo.yaml")
    found = run("verify", rules, "--model", PPO)
    lines = found.out.splitlines()
    assert (found.code, len(lines)) == (1, 7)
    assert lines[0] == (
        "error the plan was not applied to this model, or the model was changed afterwards: 12 of 12 parameters that "
        "can be checked are not as it has them"
    )
    assert lines[1:2] == [
        "  Apply it (plan.apply_(), 'verify --apply'), or look at what 'apply' wrote ('verify --weights FILE').",
    ]
    assert lines[5] == "and 9 more like these; --format json has all"
    assert len(json.loads(run("verify", rules, "--model", PPO, "--format", "json").out)["problems"]) == 12


def test_another_seed_and_json(run: Run) -> None:
    run("apply", "r.yaml", "--model", "m.py:build", "--seed", "5", "-o", "w.safetensors")
    found = run(
        "verify", "r.yaml", "--model", "m.py:build", "--weights", "w.safetensors", "--seed", "6", "--format", "json"
    )
    data = json.loads(found.out)
    assert (found.code, data["ok"], data["seed"]) == (1, False, 6)
    assert [(one["subject"], one["check"]) for one in data["problems"]] == [("weight", "value")]


def test_a_pickled_checkpoint_below_a_key_is_tested(run: Run) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {"weight": torch.randn(30, 40, generator=generator) * 0.2, "bias": torch.full((30,), 0.5)}
    torch.save({"state_dict": weights, "epoch": 3}, "w.pt")
    found = run("verify", "r.yaml", "--model", "m.py:build", "--weights", "w.pt", "--key", "state_dict")
    assert found.out == "1 recomputed, 1 tested (3 tests) of 2 tensors; 1 expectation checked: no errors, no warnings\n"
    assert run("verify", "r.yaml", "--model", "m.py:build", "--weights", "w.pt").err.startswith(
        "the weights are not of this model: 'weight' is missing, 'bias' is missing, 'state_dict.weight' is unknown"
    )  # fmt: skip


def test_what_was_never_written_is_told_from_the_model_as_built(run: Run) -> None:
    run("apply", "r.yaml", "--model", "m.py:build", "-o", "w.safetensors")
    Path("none.yaml").write_text("initrules: 1\nrules: [{rule: r, select: '', set: {bias: 0.5}}]\n")
    run("apply", "none.yaml", "--model", "m.py:build", "-o", "n.safetensors")
    found = run("verify", "r.yaml", "--model", "m.py:build", "--weights", "n.safetensors")
    assert found.err == "warning n.safetensors was written by another plan\n"
    assert "it was never written: its values are those from before [value]" in found.out
    assert found.code == 1


def test_a_broken_tie_in_a_file(run: Run) -> None:
    Path("t.py").write_text(
        "from torch import nn\ndef build():\n m = nn.Sequential(*(nn.Linear(3, 3, bias=False) for _ in range(2)))\n"
        " m[1].weight = m[0].weight\n return m\n"
    )
    Path("t.yaml").write_text("initrules: 1\nrules: [{rule: r, select: '**', set: {weight: ones}}]\n")
    save_file({"0.weight": torch.zeros(3, 3), "1.weight": torch.ones(3, 3)}, "t.safetensors")
    found = run("verify", "t.yaml", "--model", "t.py:build", "--weights", "t.safetensors")
    assert found.out.startswith(
        "error '1.weight' has other values in the file than '0.weight', with which it is one tensor [tie]\n"
    )
    assert found.code == 1


@pytest.mark.parametrize(("inputs", "output"), [
    pytest.param("m.py:two", "checked: no errors", id="a function"),
    pytest.param("m.py:fixed", "checked: no errors", id="a value"),
])  # fmt: skip
def test_other_inputs(run: Run, inputs: str, output: str) -> None:
    assert output in run("verify", "r.yaml", "--model", "m.py:build", "--apply", "--inputs", inputs).out


def test_no_inputs(run: Run) -> None:
    Path("n.py").write_text("from torch import nn\ndef build():\n return nn.Linear(40, 30)\n")
    found = run("verify", "r.yaml", "--model", "n.py:build", "--apply")
    assert found.out.endswith("; 1 expectation not checked for want of inputs: no errors, no warnings\n")


@pytest.mark.parametrize(("words", "code", "message"), [
    pytest.param(["--weights", "x.pt"], 2, "there is no file 'x.pt'", id="no file"),
    pytest.param(["--apply", "--weights", "m.py"], 2, "'--apply' and '--weights' exclude each other.", id="both"),
    pytest.param(["--apply", "--inputs", "m.py:fails"], 2, "the inputs 'm.py:fails' raised ValueError: no data",
                 id="inputs that fail"),
    pytest.param(["--apply", "--inputs", "m.py:nothing"], 2, "'m.py' has no 'nothing'", id="inputs that are not there"),
    pytest.param(["--set", "x=1", "--apply"], 2, "--set: unknown variable 'x'", id="an unknown variable"),
])  # fmt: skip
def test_what_cannot_run(run: Run, words: list[str], code: int, message: str) -> None:
    found = run("verify", "r.yaml", "--model", "m.py:build", *words)
    assert found.code == code
    assert message in found.err


def test_a_plan_with_errors_is_not_verified(run: Run) -> None:
    Path("bad.yaml").write_text("initrules: 1\nrules: [{rule: r, select: nowhere, set: {weight: zeros}}]\n")
    found = run("verify", "bad.yaml", "--model", "m.py:build")
    assert found.code == 1
    assert "nowhere" in found.err


def test_phase_2_in_one_command(run: Run) -> None:
    """V and X at 0.5, U at -2.14, Q and V_r at their targets, and every parameter gets gradient."""
    full = str(ROOT / "rules" / "phase2" / "full.yaml")
    found = run("verify", full, "--model", PHASE_2, "--apply")
    said = "68 recomputed with seed 0, 4 left as found of 72 tensors; 6 expectations checked: no errors, no warnings\n"
    assert found == (0, said, "")


def test_a_tampered_file(run: Run) -> None:
    rules = str(ROOT / "rules" / "ppo.yaml")
    run("apply", rules, "--model", PPO, "-o", "w.safetensors")
    weights = load_file("w.safetensors")
    weights["actor.4.weight"] *= 100
    save_file(weights, "w.safetensors", {"initrules.seed": "0"})
    found = run("verify", rules, "--model", PPO, "--weights", "w.safetensors")
    assert found.code == 1
    assert "'actor.4.weight' differs in 128 of 128 values" in found.out
    assert "it is not orthogonal with gain 0.01" in found.out
