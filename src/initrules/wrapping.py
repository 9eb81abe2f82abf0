"""Parametrized weights: writing a value through, and registering new parametrizations."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from initrules.errors import ApplyError
from initrules.hooked import SpectralNormHook, WeightNormHook, show_
from initrules.resetting import keyed_generator, one_thread


def write_through_(chain: Any, value: torch.Tensor, key: int) -> None:
    """Write the effective value of a parametrized weight, and make sure that it arrived.

    Under a spectral norm the value arrives divided by its largest singular value.
    """
    chain.right_inverse(value)
    effective = settle_(chain, key)
    if not value.numel():
        return
    if any(_is_spectral_norm(one) for one in chain):
        value = value / (value.norm() / effective.norm())
    tolerance = 64 * torch.finfo(value.dtype).eps * max(1.0, float(value.abs().max()))
    if not torch.allclose(effective, value, rtol=0, atol=tolerance):
        wraps = ", ".join(type(one).__name__.lstrip("_").removesuffix("Hook") for one in chain)
        raise ApplyError(f"its parametrization ({wraps}) gives another value than the one written to it")


def _is_spectral_norm(wrap: object) -> bool:
    return isinstance(wrap, SpectralNormHook) or type(wrap).__name__ == "_SpectralNorm"


def settle_(chain: Any, key: int) -> torch.Tensor:
    """Make spectral norms fit the weight under them; the effective weight, which must be finite."""
    for one in chain:
        if _is_spectral_norm(one):
            refresh_spectral_norm_(one, chain.original, key)
    effective: torch.Tensor = chain()
    if not is_finite(effective):
        raise ApplyError("its parametrization divides by a norm that is zero")
    if isinstance(chain, SpectralNormHook | WeightNormHook):
        show_(chain, effective)
    return effective


def refresh_spectral_norm_(norm: Any, weight: torch.Tensor, key: int) -> None:
    """Find the largest singular value's vectors by power iteration, from a start of its own.

    Source: Golub & Van Loan 2013, sec. 8.2; torch stops after 15 rounds, some percent short.
    """
    if not weight.numel() or (weight.ndim < 2 and not isinstance(norm, SpectralNormHook)):
        return
    exact = torch.promote_types(weight.dtype, torch.float64)
    matrix = norm._reshape_weight_to_matrix(weight).to("cpu", exact)
    left = torch.randn(len(matrix), dtype=exact, device="cpu", generator=keyed_generator(key))
    before, largest = 0.0, 1.0
    with one_thread():
        for _ in range(1000):
            if abs(largest - before) <= 1e-10 * largest:
                break
            right = functional.normalize(matrix.mH @ left, dim=0)
            left = matrix @ right
            before, largest = largest, float(left.norm())
            left = functional.normalize(left, dim=0)
    norm._u.copy_(left)
    norm._v.copy_(right)


def divides_by_zero(action: Any, weight: torch.Tensor) -> bool:
    """Whether a norm that a new parametrization divides by is zero."""
    if action.name == "weight_norm" and weight.ndim and action.dim >= 0:
        return not bool(weight.movedim(action.dim, 0).unsqueeze(-1).flatten(1).any(dim=1).all())
    return action.nan_on_zero and not bool(weight.any())


def wrap_(owner: nn.Module, local: str, action: Any) -> None:
    """Register a parametrization on a weight, with torch's own function."""
    match action.name:
        case "spectral_norm":
            parametrizations.spectral_norm(owner, local, action.n_power_iterations, action.eps, action.dim)
        case "weight_norm":
            parametrizations.weight_norm(owner, local, action.dim)
        case _:
            parametrizations.orthogonal(
                owner, local, action.orthogonal_map, use_trivialization=action.use_trivialization
            )


def is_finite(value: torch.Tensor) -> bool:
    """Whether every entry is a finite number."""
    narrow = value.is_floating_point() and value.itemsize < 4  # isfinite does not know every 8-bit float
    wide = value.float() if narrow else value
    if bool(wide.sum().isfinite()):  # what is not finite would show; the sum of large numbers may show too much
        return True
    return bool(wide.isfinite().all())
