"""Graph attention (Veličković et al. 2018): Glorot by the last two sizes of 3-D attention vectors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class GATConv(nn.Module):
    def __init__(self, inputs: int, outputs: int, heads: int) -> None:
        super().__init__()
        self.lin = nn.Linear(inputs, heads * outputs, bias=False)
        self.att_src = nn.Parameter(torch.full((1, heads, outputs), math.nan))
        self.att_dst = nn.Parameter(torch.full((1, heads, outputs), math.nan))
        self.bias = nn.Parameter(torch.full((heads * outputs,), math.nan))


def build() -> nn.Module:
    return nn.ModuleDict({"first": GATConv(12, 8, 4), "second": GATConv(32, 6, 2)})


def _glorot(weight: torch.Tensor) -> None:
    bound = math.sqrt(6.0 / (weight.size(-2) + weight.size(-1)))
    weight.uniform_(-bound, bound)


@torch.no_grad()
def reference_init(model: Any) -> None:
    for conv in model.values():
        _glorot(conv.lin.weight)
        _glorot(conv.att_src)
        _glorot(conv.att_dst)
        conv.bias.zero_()
