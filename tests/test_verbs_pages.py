"""``--format html``, ``--draw``, ``--report``: pages in files, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import initrules
from commands import PPO, run
from initrules.errors import ApplyError
from support import isolated


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[1])


def data(page: str) -> Any:
    """What a page shows."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_a_page_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "plan", "preset:ppo", *PPO, "--format", "html")
    assert (code, err) == (0, "")
    assert out.startswith("<!doctype html>")
    assert data(out)["title"] == "examples/ppo.py:build"


def test_several_rule_sets_and_what_they_would_draw(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    names = ("preset:ppo", "preset:ppo-humanoid")
    assert run(capsys, "plan", *names, *PPO, "--format", "html", "--draw", 3, "-o", file) == (0, "", "")
    found = data(file.read_text("utf-8"))
    versions = found["versions"]
    assert [version["name"] for version in versions] == list(names)
    assert all(len(version["histograms"]) == len(found["styles"]) for version in versions)


@pytest.mark.parametrize("form", ["table", "json"])
def test_other_formats_in_files(capsys: pytest.CaptureFixture[str], tmp_path: Path, form: str) -> None:
    file = tmp_path / "plan.txt"
    _, shown, _ = run(capsys, "plan", "preset:ppo", *PPO, "--format", form)
    assert run(capsys, "plan", "preset:ppo", *PPO, "--format", form, "-o", file) == (0, "", "")
    assert file.read_text("utf-8").rstrip("\n") == shown.rstrip("\n")


def test_apply_reports_what_it_wrote(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    code, _, err = run(
        capsys, "apply", "preset:ppo", *PPO, "-o", tmp_path / "a.safetensors", "--report", page, "--seed", 4
    )
    assert (code, err) == (0, "")
    run(capsys, "plan", "preset:ppo", *PPO, "--format", "html", "--draw", 4, "-o", tmp_path / "drawn.html")
    drawn = data((tmp_path / "drawn.html").read_text("utf-8"))
    assert data(page.read_text("utf-8"))["versions"][0]["histograms"] == drawn["versions"][0]["histograms"]


GLOBAL = "initrules: 1\nstream: global\ndefaults: [{rule: a, select: {type: Linear}, set: {weight: zeros}}]\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["preset:ppo", *PPO, "--draw", "0"],
                     "'--draw' shows values on a page: add '--format html'.", id="no page"),
        pytest.param(["preset:ppo", "--inventory", "m.json", "--format", "html", "--draw", "0"],
                     "'--draw' needs '--model': an inventory has no tensors.", id="no tensors"),
        pytest.param(["global.yaml", *PPO, "--format", "html", "--draw", "0"],
                     "'--draw' needs 'stream: keyed': a global stream depends on all that was drawn before. "
                     "'apply --report FILE' shows what was written.", id="a global stream"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_drawn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "global.yaml").write_text(GLOBAL, "utf-8")
    run(capsys, "record", *PPO, "-o", tmp_path / "m.json")
    given = [str(tmp_path / word) if word in {"m.json", "global.yaml"} else word for word in words]
    code, out, err = run(capsys, "plan", *given)
    assert (code, out, err.strip().splitlines()[-1]) == (2, "", f"Error: {message}")


def test_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "missing" / "page.html"
    code, out, err = run(capsys, "plan", "preset:ppo", *PPO, "--format", "html", "-o", file)
    assert (code, out) == (2, "")
    assert err == f"'{file}' cannot be written: No such file or directory\n  Choose another place.\n"
    weights = tmp_path / "a.safetensors"
    code, out, err = run(capsys, "apply", "preset:ppo", *PPO, "-o", weights, "--report", file)
    assert (code, out) == (2, "")
    assert err == f"'{file}' cannot be written: there is no folder '{file.parent}'\n  Choose another place.\n"
    assert not weights.exists()


@isolated
def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4))


def test_the_python_side(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "initrules: 1\ndefaults: [{rule: a, select: {type: Linear}, set: {weight: orthogonal}}]\n", "utf-8"
    )
    model = net()
    plan = initrules.plan(model, rules)
    assert data(plan.to_html())["versions"][0]["histograms"] == {}
    drawn = data(plan.to_html(draw=7))
    assert (drawn["title"], drawn["versions"][0]["name"]) == ("Sequential", str(rules))
    plan.apply_(seed=7)
    held = data(plan.to_html(held_by=model))
    weight = str(held["parameters"]["style"][0])
    assert held["versions"][0]["histograms"][weight] == drawn["versions"][0]["histograms"][weight]
    assert len(held["versions"][0]["histograms"]) == 2  # the bias as it was built too


def test_the_python_side_draws_no_global_stream(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(GLOBAL, "utf-8")
    with torch.device("meta"):
        plan = initrules.plan(nn.Linear(2, 2), rules)
    with pytest.raises(ApplyError) as refused:
        plan.to_html(draw=0)
    assert str(refused.value) == (
        "a global stream depends on all that was drawn before\n"
        "  Call apply_, and show what the model holds: to_html(held_by=model)."
    )
