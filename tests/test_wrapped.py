"""Parametrizations and old hooks as rules and surveys know them."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, spectral_norm, weight_norm

from initrules.wrapped import chains, effective_shape, originals, wrap_name
from support import isolated


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat(2, 1)


def own(layer: nn.Module) -> nn.Module:
    parametrize.register_parametrization(layer, "weight", Doubled(), unsafe=True)
    return layer


def hooked(wrap: Callable[[nn.Module], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    def wrapped(layer: nn.Module) -> nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return wrap(layer)

    return wrapped


@pytest.mark.parametrize(("wrap", "names", "stored", "shape"), [
    pytest.param(lambda layer: layer, {}, [], [], id="none"),
    pytest.param(parametrizations.spectral_norm, {"weight": ["spectral_norm"]}, [(3, 2)], [(3, 2)], id="spectral norm"),
    pytest.param(parametrizations.weight_norm, {"weight": ["weight_norm"]}, [(3, 2), (3, 1)], [(3, 2)],
                 id="two tensors, the direction first"),
    pytest.param(hooked(weight_norm), {"weight": ["weight_norm"]}, [(3, 2), (3, 1)], [(3, 2)], id="old weight norm"),
    pytest.param(hooked(spectral_norm), {"weight": ["spectral_norm"]}, [(3, 2)], [(3, 2)], id="old spectral norm"),
    pytest.param(own, {"weight": ["Doubled"]}, [(3, 2)], [(6, 2)], id="one's own, which changes the shape"),
])  # fmt: skip
def test_chains(
    wrap: Callable[[nn.Module], nn.Module], names: dict[str, list[str]], stored: list[object], shape: list[object]
) -> None:
    layer = isolated(lambda: wrap(nn.Linear(2, 3)))()
    found = dict(chains(layer))
    assert {local: [wrap_name(one) for one in chain] for local, chain in found.items()} == names
    assert [tuple(tensor.shape) for chain in found.values() for tensor in originals(chain)] == stored
    assert [effective_shape(chain) for chain in found.values()] == shape
