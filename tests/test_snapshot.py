"""Whether a model is still the one that was planned, by its objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from initrules.snapshot import take
from support import isolated


@isolated
def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def freeze(model: Any) -> None:
    model[0].weight.requires_grad_(False)


def retie(model: Any) -> None:
    model[2].weight = nn.Parameter(model[2].weight.detach())


def add(model: Any) -> None:
    model.append(nn.ReLU())


def drop(model: Any) -> None:
    model[0].bias = None


def parametrize(model: Any) -> None:
    isolated(nn.utils.parametrizations.spectral_norm)(model[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda _: None, True, id="nothing"),
        pytest.param(lambda model: model[0].weight.data.zero_(), True, id="values"),
        pytest.param(lambda model: model.eval(), True, id="mode"),
        pytest.param(freeze, False, id="frozen"),
        pytest.param(retie, False, id="another parameter"),
        pytest.param(add, False, id="another module"),
        pytest.param(drop, False, id="a parameter less"),
        pytest.param(lambda model: model.half(), False, id="precision"),
        pytest.param(lambda model: model.to("meta"), False, id="device"),
        pytest.param(parametrize, False, id="parametrized"),
    ],
)
def test_unchanged(change: Callable[[Any], None], expected: bool) -> None:
    model = net()
    snapshot = take(model)
    change(model)
    assert snapshot.unchanged(model) is expected


def test_another_model_of_the_same_kind_is_not_the_same() -> None:
    assert not take(net()).unchanged(net())


def test_a_dict_of_modules() -> None:
    model: dict[str, nn.Module | None] = {"a": net(), "b": None}
    snapshot = take(model)
    assert snapshot.unchanged(model)
    model["b"] = isolated(nn.Linear)(2, 2)
    assert not snapshot.unchanged(model)
