"""Helpers of the tests that write values into models."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from initrules.apply import apply_
from initrules.survey import stored_by_path
from initrules.writer import Record
from support import isolated, planned

NORMAL = "rules:\n  - {rule: all, select: '**', set: {'*': {normal: {std: 1}}}}"
WEIGHT = "rules:\n  - {{rule: all, select: '**', set: {{weight: {0}}}}}"
WRAP = "rules:\n  - {{rule: all, select: '**', set: {{weight: {0}}}, parametrize: {{weight: {1}}}}}"


def applied(rules: str, model: Any, *, seed: int = 0) -> Record:
    return apply_(model, planned(rules, model), seed=seed)


def values(rules: str, model: Any, *, seed: int = 0) -> dict[str, Tensor]:
    """The stored tensors by name, after the rules have been applied."""
    applied(rules, model, seed=seed)
    return {name: tensors[0].detach().clone() for name, tensors in stored_by_path(model).items()}


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal bit for bit, NaN and the sign of zero included."""
    return one.dtype == other.dtype and one.shape == other.shape and memory(one) == memory(other)


def memory(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def snapshot(model: nn.Module) -> dict[str, bytes]:
    return {name: memory(tensor) for name, tensor in model.state_dict().items()}


@isolated
def chain(*names: str, width: int = 6) -> Any:
    """Square Linear layers with these names."""
    return nn.Sequential(OrderedDict((name, nn.Linear(width, width)) for name in names))


class One(nn.Module):
    """A module whose only parameter is ``weight``."""

    def __init__(self, weight: Tensor, *, requires_grad: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad)


def behind(last: nn.Module) -> Any:
    """A model whose first layer could be written before the last one fails."""
    return nn.Sequential(OrderedDict(first=isolated(nn.Linear)(3, 3), last=last))


class Tied(nn.Module):
    """An output layer whose weight is the embedding's."""

    def __init__(self, padding_idx: int | None = None) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4, padding_idx=padding_idx)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.embed.weight
