"""signal, record with inputs, and plans with the gain auto, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import ROOT, run

MODEL = ("--model", f"{ROOT / 'examples' / 'ppo.py'}:build")
INPUTS = ("--inputs", f"{ROOT / 'examples' / 'ppo.py'}:example_inputs")
BROKEN = """import torch
from torch import nn


def build():
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    model.register_buffer("scale", torch.tensor(float("nan")))
    model.forward = lambda x: model[2](model[1](model[0](x)) * model.scale)
    return model


def inputs():
    return torch.ones(1, 2)
"""
AUTO = """initrules: 1
rules:
  - rule: hidden
    select: {type: Linear, pick: all-but-last}
    set: {weight: {orthogonal: {gain: auto}}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("auto.yaml").write_text(AUTO, encoding="utf-8")
    Path("broken.py").write_text(BROKEN, encoding="utf-8")
    return tmp_path


def words(text: str, first: str) -> list[str]:
    """The words of the last line that begins with one."""
    return [line.split() for line in text.splitlines() if line.startswith(first)][-1]


def test_a_model_with_and_without_rules(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "signal", "preset:ppo", *MODEL)
    assert (found.code, found.err) == (0, "")
    assert [line for line in found.out.splitlines() if " mode, " in line] == [
        "train mode, gradients of random directions of std 1",
        "eval mode, gradients of random directions of std 1",
    ]
    head = words(found.out, "actor.4")
    assert head[:2] == ["actor.4", "Linear"]
    assert float(head[3]) < 0.01
    built = run(capsys, "signal", *MODEL, "--mode", "eval")
    assert float(words(built.out, "actor.4")[3]) > 0.05
    assert "train mode" not in built.out


def test_gains_json_and_a_plot(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "signal", *MODEL, "--gains", "--plot", "gains.svg")
    assert Path("gains.svg").stat().st_size > 1000
    assert words(found.out, "critic.0") == ["critic.0", "the", "input", "Tanh", "1.667", "torch", "recommends", "it"]
    assert " mode, " not in found.out
    found = run(capsys, "signal", "preset:ppo", *MODEL, *INPUTS, "--format", "json", "--plot", "signals.svg")
    data = json.loads(found.out)
    assert [one["mode"] for one in data["runs"]] == ["train", "eval"]
    assert len(data["gains"]) == 6
    assert Path("signals.svg").stat().st_size > 1000


def test_what_is_not_finite_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "signal", "--model", "broken.py:build", "--inputs", "broken.py:inputs", "--mode", "eval")
    assert found.code == 1
    bad = "the first value that is not finite is made after '1', outside of any layer, and given to '2'"
    assert bad in found.out.splitlines()


def test_nothing_to_run_on(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "signal", "--model", "broken.py:build")
    assert (found.code, found.out) == (2, "")
    assert found.err == "nothing to run the model on\n  Name a function that makes it: --inputs file.py:function\n"


REFUSED = """\
error unset-value auto.yaml:5:39: 'auto' has no value here: {}, for '0.weight'
      set: {{weight: {{orthogonal: {{gain: auto}}}}}}
                                         ^^^^
  {}
"""


def test_auto_where_it_is_certain(capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "plan", "auto.yaml", *MODEL)  # on the meta device, with the example inputs of the file
    assert found.code == 0
    assert "orthogonal gain=1.667" in found.out
    assert run(capsys, "lint", "auto.yaml", *MODEL).code == 0
    assert run(capsys, "explain", "auto.yaml", "actor.0.weight", *MODEL).code == 0
    assert run(capsys, "apply", "auto.yaml", *MODEL, "-o", "weights.safetensors").code == 0
    assert run(capsys, "verify", "auto.yaml", *MODEL, "--weights", "weights.safetensors").code == 0
    assert run(capsys, "signal", "auto.yaml", *MODEL).code == 0
    assert run(capsys, "diff", "auto.yaml", "preset:ppo", *MODEL).code == 0


def test_auto_where_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--model", "broken.py:build")
    found = run(capsys, "plan", "auto.yaml", *given, "--inputs", "broken.py:inputs")
    assert found.code == 1
    assert "auto.yaml:5:39" in found.out
    assert "'auto' has no value here: a norm follows, which takes any gain away, for '0.weight'" in found.out
    found = run(capsys, "signal", "auto.yaml", *given, "--inputs", "broken.py:inputs")
    assert (found.code, found.out) == (1, "")
    assert "auto.yaml:5:39: 'auto' has no value here: a norm follows" in found.err
    found = run(capsys, "plan", "auto.yaml", *given)
    assert "'auto' has no value here: no run has shown what follows this module, for '0.weight'" in found.out


def test_a_record_keeps_what_was_observed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "record", *MODEL, *INPUTS, "-o", "model.json").code == 0
    found = run(capsys, "plan", "auto.yaml", "--inventory", "model.json", "--format", "json")
    assert found.code == 0
    Path("plan.json").write_text(found.out, encoding="utf-8")
    assert run(capsys, "apply", "plan.json", *MODEL, "-o", "weights.safetensors").code == 0
    assert run(capsys, "record", *MODEL, "-o", "plain.json").code == 0
    assert run(capsys, "plan", "auto.yaml", "--inventory", "plain.json").code == 1
