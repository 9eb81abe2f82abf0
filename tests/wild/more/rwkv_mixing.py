"""RWKV-4 (Peng et al. 2023, appendix on initialisation): decay speeds and mixing ratios curved by depth and channel."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class TimeMix(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_decay = nn.Parameter(torch.full((width,), math.nan))
        self.time_first = nn.Parameter(torch.full((width,), math.nan))
        self.time_mix_k = nn.Parameter(torch.full((1, 1, width), math.nan))
        self.time_mix_v = nn.Parameter(torch.full((1, 1, width), math.nan))
        self.key = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)


class RWKV(nn.Module):
    def __init__(self, width: int = 24, layers: int = 4) -> None:
        super().__init__()
        self.n_layer = layers
        self.emb = nn.Embedding(40, width)
        self.blocks = nn.ModuleList([nn.ModuleDict({"att": TimeMix(width)}) for _ in range(layers)])


def build() -> nn.Module:
    return RWKV()


@torch.no_grad()
def reference_init(model: Any) -> None:
    model.emb.weight.uniform_(-1e-4, 1e-4)
    for layer, block in enumerate(model.blocks):
        att = block["att"]
        width = att.time_decay.numel()
        deep, late = layer / (model.n_layer - 1), 1 - layer / model.n_layer
        for h in range(width):
            att.time_decay[h] = -5 + 8 * (h / (width - 1)) ** (0.7 + 1.3 * deep)
            att.time_first[h] = math.log(0.3) + ((h + 1) % 3 - 1) * 0.5
            att.time_mix_k[0, 0, h] = (h / width) ** late
            att.time_mix_v[0, 0, h] = (h / width) ** late + 0.3 * deep
        att.key.weight.zero_()
        nn.init.orthogonal_(att.output.weight, gain=1.0)
