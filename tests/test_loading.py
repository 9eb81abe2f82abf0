"""Weights from files, put into a model to look at them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import initrules
from initrules.errors import ModelError
from initrules.loading import load_
from initrules.planning import PlanData
from support import isolated, planned
from writing import Tied, snapshot

RULES = "rules: [{rule: r, select: '**', set: {weight: {normal: {std: 1}}}}]"
WRAPPED = "rules: [{rule: r, select: '**', set: {weight: {normal: {std: 1}}}, parametrize: {weight: spectral_norm}}]"


def ready(model: Any, rules: str = RULES) -> tuple[Any, PlanData]:
    return model, planned(rules, model)


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_a_state_dict_arrives() -> None:
    model, plan = ready(isolated(nn.Linear)(3, 2))
    weights = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    assert load_(model, plan, weights) == []
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_a_dict_of_modules_has_its_names_in_front() -> None:
    model: Any = {"a": isolated(nn.Linear)(1, 1, bias=False), "no": None}
    plan = planned(RULES, model)
    assert load_(model, plan, {"a.weight": torch.ones(1, 1)}) == []
    assert model["a"].weight.item() == 1


def test_a_model_is_parametrized_as_it_was_when_it_was_saved() -> None:
    saved = isolated(nn.Linear)(4, 3)
    plan = planned(WRAPPED, saved)
    initrules.apply_(saved, plan.rules, seed=0)
    fresh = isolated(nn.Linear)(4, 3)
    assert load_(fresh, plan, state(saved)) == []
    assert snapshot(fresh) == snapshot(saved)
    assert load_(fresh, plan, state(saved)) == []


def test_one_name_of_a_tied_tensor_is_enough() -> None:
    model, plan = ready(isolated(Tied)())
    assert load_(model, plan, {"embed.weight": torch.ones(5, 4)}) == []
    assert model.out.weight[0, 0] == 1


def test_a_tie_that_the_file_broke() -> None:
    model, plan = ready(isolated(Tied)())
    (found,) = load_(model, plan, {"embed.weight": torch.ones(5, 4), "out.weight": torch.zeros(5, 4)})
    assert (found.subject, found.check, found.message) == (
        "out.weight", "tie", "has other values in the file than 'embed.weight', with which it is one tensor",
    )  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [
    pytest.param({"weight": None}, "the weights are not of this model: 'weight' is missing (1 missing, 0 unknown)",
                 id="one missing"),
    pytest.param({"more": torch.ones(1), "weight": None},
                 "the weights are not of this model: 'weight' is missing, 'more' is unknown (1 missing, 1 unknown)",
                 id="one unknown"),
    pytest.param({"weight": torch.ones(3, 2)}, "the weights are not of this model: 'weight' has shape 3×2, not 2×3",
                 id="another shape"),
])  # fmt: skip
def test_weights_of_another_model(change: dict[str, Tensor | None], message: str) -> None:
    model, plan = ready(isolated(nn.Linear)(3, 2))
    before = snapshot(model)
    given = {name: tensor for name, tensor in {**state(model), **change}.items() if tensor is not None}
    with pytest.raises(ModelError) as caught:
        load_(model, plan, given)
    assert caught.value.message == message
    assert snapshot(model) == before
