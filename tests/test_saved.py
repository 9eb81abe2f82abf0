"""Saved plans: drift is a decision that would differ today, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from initrules import saved
from initrules.errors import ModelError
from initrules.report import as_json
from support import isolated, planned

RULES = 'rules: [{rule: NAME, select: "*", set: {weight: {normal: {std: STD}}, bias: zeros}}]'


@isolated
def model(width: int = 4) -> Any:
    return nn.Sequential(nn.Linear(2, width))


def plan(name: str = "r", std: str = "0.1", width: int = 4) -> Any:
    return planned(RULES.replace("NAME", name).replace("STD", std), model(width))


def written(folder: Path, content: Any) -> str:
    file = folder / "plan.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        pytest.param({}, [], id="the same"),
        pytest.param({"name": "other"}, [], id="another rule with the same value"),
        pytest.param({"std": "0.05 * 2"}, [], id="the same value in other words"),
        pytest.param(
            {"std": "0.2"},
            ["0.weight set: was normal std=0.1, is normal std=0.2"],
            id="another value",
        ),
        pytest.param(
            {"std": "0.10000001"},
            ['0.weight set: was [{"normal": {"std": 0.1}}], is [{"normal": {"std": 0.10000001}}]'],
            id="another digit",
        ),
        pytest.param(
            {"width": 5},
            ["0.weight shape: was 4×2 float32, is 5×2 float32", "0.bias shape: was 4 float32, is 5 float32"],
            id="another model",
        ),
    ],
)
def test_drift(tmp_path: Path, now: dict[str, Any], wanted: list[str]) -> None:
    then = saved.read(written(tmp_path, as_json(plan())))
    assert [str(one) for one in saved.drift(then, plan(**now))] == wanted


def test_what_is_not_decided_any_more(tmp_path: Path) -> None:
    then = saved.read(written(tmp_path, as_json(plan())))
    now = planned('rules: [{rule: r, select: "*", set: {bias: zeros}}]', model())
    assert [str(one) for one in saved.drift(then, now)] == ["0.weight set: was normal std=0.1, is not decided"]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        pytest.param("[1", "is no plan: Expecting ',' delimiter: line 1 column 3 (char 2)", id="cut off"),
        pytest.param({"initrules-plan": 1}, "is no plan: $: 'fingerprint' is a required property", id="too little"),
        pytest.param({"initrules-plan": 9, "fingerprint": "", "files": [], "parameters": []},
                     "is no plan: $['initrules-plan']: 1 was expected", id="another version"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, content: Any, wanted: str) -> None:
    file = written(tmp_path, content)
    with pytest.raises(ModelError) as caught:
        saved.read(file)
    assert caught.value.message == f"'{file}' {wanted}"


def test_no_file() -> None:
    with pytest.raises(ModelError) as caught:
        saved.read("none.json")
    assert caught.value.message == "there is no file 'none.json'"
