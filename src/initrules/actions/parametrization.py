"""Parametrizations: what ``parametrize`` wraps a weight in, after all values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from initrules.actions.base import Wrap, choice, flag, integer, number
from initrules.fans import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralNorm(Wrap):
    """Divide the weight by its largest singular value, estimated by power iteration.

    Shape: at least 2-D. Source: Miyato et al. 2018; ``torch.nn.utils.parametrizations.spectral_norm``.
    """

    name: ClassVar[str] = "spectral_norm"
    stored: ClassVar[tuple[str, ...]] = ("original", "0._u", "0._v")
    dimensions: ClassVar[int] = 2
    nan_on_zero: ClassVar[bool] = True

    n_power_iterations: int = integer("power iterations in each forward pass", 1, minimum=1)
    eps: float = number("keeps the division finite", 1e-12, above=0)
    dim: int | None = integer("the output dimension; torch chooses by the module", None)

    def problem(self, target: Target) -> str | None:
        """The parameter must be a matrix and have the dimension."""
        return Wrap.problem(self, target) or _no_dimension(self.dim or 0, -len(target.shape), target)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightNorm(Wrap):
    """Split the weight into a norm and a direction.

    Shape: at least 1-D. Source: Salimans & Kingma 2016; ``torch.nn.utils.parametrizations.weight_norm``.
    """

    name: ClassVar[str] = "weight_norm"
    stored: ClassVar[tuple[str, ...]] = ("original0", "original1")
    nan_on_zero: ClassVar[bool] = True

    dim: int = integer("the dimension that keeps a norm of its own; -1 for one norm of all", 0)

    def problem(self, target: Target) -> str | None:
        """The parameter must have the dimension, and no slice of it may be zero for good."""
        if self.dim == 0 and target.padding is not None:
            return f"weight_norm divides each row by its norm, and the padding row {target.padding} is zero"
        if target.dtype.startswith("complex"):
            return f"weight_norm cannot wrap {target.dtype}"
        return Wrap.problem(self, target) or _no_dimension(self.dim, -1, target)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthogonalParametrization(Wrap):
    """Keep the weight orthogonal while it trains.

    Shape: at least 2-D. Source: Lezcano-Casado 2019; ``torch.nn.utils.parametrizations.orthogonal``.
    """

    name: ClassVar[str] = "orthogonal"
    stored: ClassVar[tuple[str, ...]] = ("original", "0.base")
    dimensions: ClassVar[int] = 2

    orthogonal_map: str | None = choice("how it is computed", None, "matrix_exp", "cayley", "householder")
    use_trivialization: bool = flag("keep the starting point as a base", default=True)

    def problem(self, target: Target) -> str | None:
        """The parameter must be a matrix of a dtype and form that the map takes."""
        if target.dtype in _NARROW or target.dtype.startswith("float8"):
            return f"orthogonal cannot wrap {target.dtype}: its matrix functions need float32 or float64"
        if self.orthogonal_map == "householder" and target.dtype.startswith("complex"):
            return "the householder map does not take complex parameters"
        return Wrap.problem(self, target)


_NARROW = frozenset({"float16", "bfloat16"})


def _no_dimension(dim: int, least: int, target: Target) -> str | None:
    if least <= dim < len(target.shape):
        return None
    return f"there is no dimension {dim}: this parameter has {len(target.shape)}"
