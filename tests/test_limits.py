"""The page of limits: its example is run, and what it says cannot be said is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import initrules
from support import isolated

PAGE = (Path(__file__).parents[1] / "docs" / "limits.md").read_text(encoding="utf-8")


@isolated
def model() -> Any:
    return nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def hadamard() -> Any:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block("python"), "limits.md", "exec", dont_inherit=True), names)
    return names["Hadamard"]


def test_the_example_of_an_action(tmp_path: Path, hadamard: Any) -> None:
    (tmp_path / "rules.yaml").write_text(block("yaml"), encoding="utf-8")
    given = model()
    initrules.apply_(given, tmp_path / "rules.yaml", actions={"hadamard": hadamard}, seed=0)
    rows = given[0].weight.detach()
    assert torch.equal(rows @ rows.T, torch.eye(3))
    assert rows.abs().unique().tolist() == [0.5]


def test_the_example_refuses_what_it_cannot_fill(tmp_path: Path, hadamard: Any) -> None:
    (tmp_path / "rules.yaml").write_text(block("yaml").replace("weight", "bias"), encoding="utf-8")
    plan = initrules.plan(model(), tmp_path / "rules.yaml", actions={"hadamard": hadamard})
    assert [error.message.partition(",")[0] for error in plan.errors] == [
        "'fan_in' has no value here: a parameter with 1 dimension has no fans"
    ]


def test_a_built_in_name_cannot_be_taken(tmp_path: Path, hadamard: Any) -> None:
    (tmp_path / "rules.yaml").write_text(block("yaml"), encoding="utf-8")
    with pytest.raises(initrules.RuleError, match="the action 'zeros' is built in"):
        initrules.plan(model(), tmp_path / "rules.yaml", actions={"zeros": hadamard})
