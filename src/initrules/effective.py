"""Parametrized weights as they are: read without any change, and whether what they estimate is still true."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from initrules.hooked import SpectralNormHook
from initrules.places import Place
from initrules.resetting import keyed_generator
from initrules.sharding import gathered

_ROUNDS = 60


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or all of a sharded one: then every rank must ask."""
    return gathered(tensor).detach()


def weight(place: Place) -> torch.Tensor:
    """The weight as a forward pass in eval mode computes it."""
    if not place.parametrized:
        return whole(place.tensor())
    with _evaluating(place.chain):
        found: torch.Tensor = place.chain()
    return whole(found)


def written(place: Place) -> tuple[torch.Tensor, bool]:
    """What a plan writes to: the stored tensor, and whether it holds the very values that were written.

    A spectral norm stores them as they are; other parametrizations give them back up to rounding.
    """
    if not place.parametrized:
        return whole(place.tensor()), True
    if all(is_spectral_norm(one) for one in place.chain):
        return whole(place.tensor()), True
    return weight(place), False


@contextlib.contextmanager
def _evaluating(chain: Any) -> Iterator[None]:
    """A spectral norm in train mode goes one step on whenever it is read."""
    modules = list(chain.modules()) if isinstance(chain, nn.Module) else []
    before = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, training in zip(modules, before, strict=True):
            module.training = training


def is_spectral_norm(wrap: object) -> bool:
    """Torch's parametrization, or its old hook."""
    return isinstance(wrap, SpectralNormHook) or type(wrap).__name__ == "_SpectralNorm"


def estimates(place: Place, *, hooks: bool = True) -> Iterator[tuple[float, float]]:
    """For each spectral norm: the largest singular value as its vectors have it, and a better estimate.

    ``hooks``: old hooks too, whose vectors torch leaves at random until the first forward pass in train mode.
    Both are lower bounds. Source: Golub & Van Loan 2013, sec. 8.2 (power iteration).
    """
    for one in place.chain if place.parametrized else ():
        stored = place.tensor()
        passed_over = isinstance(one, SpectralNormHook) and not hooks
        if passed_over or not is_spectral_norm(one) or stored.ndim < 2 or not stored.numel():
            continue
        spectral: Any = one
        matrix = spectral._reshape_weight_to_matrix(whole(stored)).to("cpu", torch.float32)
        left, right = (whole(vector).to("cpu", torch.float32) for vector in (spectral._u, spectral._v))
        start = torch.randn(matrix.shape[1], generator=keyed_generator(0)) + right
        yield float(left @ (matrix @ right)), float(_largest(matrix, functional.normalize(start, dim=0)))


def _largest(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    size = torch.zeros(())
    for _ in range(_ROUNDS):
        left = matrix @ right
        size = left.norm()
        right = functional.normalize(matrix.mT @ left, dim=0)
    return size
