"""Structure, finite values and padding rows; the planted failures stand in test_verification.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from initrules.places import places_of
from initrules.standing import head, row_problems, structure_problems
from initrules.survey import survey
from support import isolated, planned

KEPT = "rules: [{rule: r, select: '**', set: {weight: VALUE}}]"


def found(model: Any, value: str, name: str = "weight") -> list[tuple[str, str | None]]:
    plan = planned(KEPT.replace("VALUE", value), model)
    row = plan.row(name)
    assert row is not None
    with torch.no_grad():
        return [(one.message, one.rule) for one in row_problems(row, places_of(model)[name], applied=False)]


def embedding() -> Any:
    model: Any = isolated(nn.Embedding)(4, 3, padding_idx=1)
    with torch.no_grad():
        model.weight[1] = 1
    return model


@pytest.mark.parametrize(("value", "problems"), [
    pytest.param("zeros", [("is not zero in row 1, the padding row", "r")], id="a drawn value clears it"),
    pytest.param("{formula: '1'}", [], id="a formula names every entry"),
    pytest.param("keep", [], id="keep leaves it"),
])  # fmt: skip
def test_padding_rows(value: str, problems: list[tuple[str, str]]) -> None:
    assert found(embedding(), value) == problems


def test_a_mask_may_be_infinite_and_a_parameter_may_not() -> None:
    model: Any = nn.Module()
    model.register_buffer("mask", torch.full((2, 2), -torch.inf))
    model.weight = nn.Parameter(torch.tensor([1.0, torch.inf]))
    assert found(model, "keep", "mask") == []
    assert found(model, "keep") == [("has 1 values of 2 that are not finite", "r")]


def test_the_same_structure_has_no_problems() -> None:
    model = isolated(nn.Linear)(2, 2)
    assert list(structure_problems(planned(KEPT.replace("VALUE", "zeros"), model), survey(model))) == []


def test_heads_are_the_first_bytes() -> None:
    model = isolated(nn.Linear)(40, 40)
    place = places_of(model)["weight"]
    assert head(place) == model.weight.detach().reshape(-1)[:256].numpy().tobytes()
