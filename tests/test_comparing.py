"""How a parameter differs from a value, stored as it is or behind a parametrization."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from initrules.comparing import compare, difference
from initrules.places import places_of
from initrules.sources import NO_SOURCES
from support import isolated, planned
from writing import One


@pytest.mark.parametrize(("stored", "value", "said"), [
    pytest.param(torch.ones(3), torch.ones(3), None, id="equal"),
    pytest.param(torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 2.5, 2]), "differs in 2 of 3 values, by up to 1",
                 id="different"),
    pytest.param(torch.tensor([1, 2]), torch.tensor([1, 4]),
                 "differs in 1 of 2 values, by up to 2", id="whole numbers"),
    pytest.param(torch.tensor([1j]), torch.tensor([1.0 + 0j]),
                 "differs in 1 of 1 values, by up to 1.414", id="complex"),
    pytest.param(torch.empty(0), torch.empty(0), None, id="nothing"),
])  # fmt: skip
def test_difference(stored: torch.Tensor, value: torch.Tensor, said: str | None) -> None:
    model = One(stored, requires_grad=False)
    assert difference(value, places_of(model)["weight"]) == said


def test_behind_a_parametrization_rounding_does_not_count() -> None:
    model: Any = isolated(lambda: parametrizations.weight_norm(nn.Linear(5, 4)))()
    with torch.no_grad():
        weight = model.weight.clone()
        place = places_of(model)["weight"]
        assert difference(weight + 1e-7, place) is None
        assert difference(weight + 1e-3, place) == "differs in 20 of 20 values, by up to 0.001"


def test_behind_a_spectral_norm_among_others_the_size_does_not_count() -> None:
    def wrapped() -> Any:
        return parametrizations.spectral_norm(parametrizations.orthogonal(nn.Linear(4, 4)))

    model: Any = isolated(wrapped)().eval()
    with torch.no_grad():
        weight = model.weight.clone()
        place = places_of(model)["weight"]
        assert difference(3 * weight, place) is None
        assert "differs in 12 of 16 values" in str(difference(weight.T.contiguous(), place))


def test_what_the_users_code_raises_is_told() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def reset_parameters(self) -> None:
            raise ValueError("no")

    model = Own()
    plan = planned("rules: [{rule: r, select: '', set: {weight: reset}}]", model)
    ((_, error),) = compare(places_of(model), plan, plan.rows, 0, NO_SOURCES)
    assert str(error) == "no"
