"""Formulas with torch's own operations, in the parameter's own dtype: the same bits as hand-written code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch

from initrules import formula
from initrules.expression import Expression
from initrules.formula import Library


def compute(expression: Expression, tensor: torch.Tensor, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The value of a formula that transforms ``tensor``, its ``x``; ``tensors``: others by their names in it."""
    value = formula.computed(_library(tensor), expression, tensor, tuple(tensor.shape), tensors)
    return torch.as_tensor(value, dtype=tensor.dtype, device=tensor.device).broadcast_to(tensor.shape)


def _library(like: torch.Tensor) -> Library:
    """Torch's functions; numbers stay Python's own in arithmetic, as they do in hand-written code."""

    def lifted(value: Any) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value.to(like.dtype) if value.dtype == torch.bool else value
        return torch.tensor(value, dtype=like.dtype, device=like.device)

    def of(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda *values: function(*(lifted(value) for value in values))

    def truth(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda *values: function(*(torch.as_tensor(value, device=like.device) for value in values))

    return Library(
        functions={
            **{name: of(function) for name, function in _FUNCTIONS.items()},
            **{name: truth(function) for name, function in _TRUTH.items()},
        },
        binary=_BINARY,
        compare=_COMPARE,
        where=lambda test, yes, no: torch.where(torch.as_tensor(test, device=like.device), lifted(yes), lifted(no)),
        number=lambda value: lifted(value) if isinstance(value, torch.Tensor) else value,
        index=lambda size: torch.arange(size, dtype=like.dtype.to_real(), device=like.device),
    )


_FUNCTIONS: Mapping[str, Callable[..., torch.Tensor]] = MappingProxyType(
    {
        "sqrt": torch.sqrt, "log": torch.log, "log1p": torch.log1p, "exp": torch.exp, "expm1": torch.expm1,
        "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "softplus": torch.nn.functional.softplus, "abs": torch.abs, "floor": torch.floor, "ceil": torch.ceil,
        "min": torch.minimum, "max": torch.maximum, "negative": torch.neg,
        "mean": torch.mean, "std": torch.std, "norm": torch.linalg.vector_norm,
    }
)  # fmt: skip
_TRUTH: Mapping[str, Callable[..., torch.Tensor]] = MappingProxyType(
    {"not": torch.logical_not, "and": torch.logical_and, "or": torch.logical_or}
)
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = MappingProxyType(
    {
        ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
    }
)  # fmt: skip
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = MappingProxyType(
    {
        ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
        ast.Gt: operator.gt, ast.GtE: operator.ge,
    }
)  # fmt: skip
