"""Parametrizations: what ``parametrize`` wraps a weight in, after all values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from initrules.actions.base import Wrap, choice, flag, integer, number


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralNorm(Wrap):
    """Divide the weight by its largest singular value, estimated by power iteration.

    Shape: at least 2-D. Source: Miyato et al. 2018; ``torch.nn.utils.parametrizations.spectral_norm``.
    """

    name: ClassVar[str] = "spectral_norm"
    dimensions: ClassVar[int] = 2
    nan_on_zero: ClassVar[bool] = True

    n_power_iterations: int = integer("power iterations in each forward pass", 1, minimum=1)
    eps: float = number("keeps the division finite", 1e-12, above=0)
    dim: int | None = integer("the output dimension; torch chooses by the module", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightNorm(Wrap):
    """Split the weight into a norm and a direction.

    Shape: at least 1-D. Source: Salimans & Kingma 2016; ``torch.nn.utils.parametrizations.weight_norm``.
    """

    name: ClassVar[str] = "weight_norm"
    nan_on_zero: ClassVar[bool] = True

    dim: int = integer("the dimension that keeps a norm of its own", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthogonalParametrization(Wrap):
    """Keep the weight orthogonal while it trains.

    Shape: at least 2-D. Source: Lezcano-Casado 2019; ``torch.nn.utils.parametrizations.orthogonal``.
    """

    name: ClassVar[str] = "orthogonal"
    dimensions: ClassVar[int] = 2

    orthogonal_map: str | None = choice("how it is computed", None, "matrix_exp", "cayley", "householder")
    use_trivialization: bool = flag("keep the starting point as a base", default=True)
