"""Parametrized weights are read as they are, without a change."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from initrules.effective import estimates, weight, written
from initrules.places import Place, places_of
from support import isolated, isolation
from writing import snapshot


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def spectral() -> Any:
    with isolation():
        return parametrizations.spectral_norm(nn.Linear(6, 4))


def hooked() -> Any:
    with isolation():
        return torch.nn.utils.spectral_norm(nn.Linear(6, 4))


def place(model: nn.Module) -> Place:
    return places_of(model)["weight"]


@pytest.mark.parametrize("model", [
    pytest.param(isolated(nn.Linear)(6, 4), id="plain"),
    pytest.param(spectral(), id="spectral norm"),
    pytest.param(hooked(), id="an old hook"),
    pytest.param(isolated(lambda: parametrizations.weight_norm(nn.Linear(6, 4)))(), id="weight norm"),
])  # fmt: skip
def test_reading_changes_nothing(model: Any) -> None:
    model.train()
    before = snapshot(model)
    with torch.no_grad():
        found = weight(place(model))
    assert snapshot(model) == before
    assert all(module.training for module in model.modules())
    model.eval()
    assert torch.allclose(found, model(torch.eye(6)).T - model.bias[:, None], atol=1e-6)


def test_what_is_written_is_what_is_stored_where_that_is_exact() -> None:
    with torch.no_grad():
        for model, exactly in ((spectral(), True), (hooked(), True), (isolated(nn.Linear)(6, 4), True)):
            assert written(place(model))[1] is exactly
        assert torch.equal(written(place(spectral()))[0], spectral().parametrizations.weight.original)
        wrapped: Any = isolated(nn.Linear)(6, 4)
        parametrize.register_parametrization(wrapped, "weight", Doubled())
        found, exactly = written(place(wrapped))
        assert not exactly
        assert torch.equal(found, 2 * wrapped.parametrizations.weight.original)


@pytest.mark.parametrize("make", [spectral, hooked])
def test_estimates_of_the_largest_singular_value(make: Any) -> None:
    model = make()
    with torch.no_grad():
        original = place(model).tensor()
        ((held, better),) = estimates(place(model))
        true = float(torch.linalg.matrix_norm(original, 2))
        assert better == pytest.approx(true, rel=1e-4)
        assert 0 < held <= true * 1.0001
        original.copy_(original.roll(1, 0) * 3)
        ((stale, larger),) = estimates(place(model))
        assert larger == pytest.approx(3 * true, rel=1e-3)
        assert stale < 0.9 * larger


def test_old_hooks_can_be_passed_over() -> None:
    with torch.no_grad():
        assert list(estimates(place(hooked()), hooks=False)) == []
        assert len(list(estimates(place(spectral()), hooks=False))) == 1


def test_only_matrices_under_a_spectral_norm_have_estimates() -> None:
    assert list(estimates(place(isolated(nn.Linear)(6, 4)))) == []
    assert list(estimates(place(isolated(lambda: parametrizations.weight_norm(nn.Linear(6, 4)))()))) == []
