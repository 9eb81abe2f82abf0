"""CLIP's text tower (Radford et al. 2021): std of attention and MLP from the tower's width and layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, 4)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})


class Tower(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.width, self.layers = width, layers
        self.resblocks = nn.Sequential(*[Block(width) for _ in range(layers)])


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.empty(16, 32))
        self.text_projection = nn.Parameter(torch.empty(32, 24))
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.token_embedding = nn.Embedding(50, 32)
        self.transformer = Tower(32, 3)


def build() -> nn.Module:
    model = Text()
    with torch.no_grad():
        for own in (model.positional_embedding, model.text_projection, model.logit_scale):
            own.fill_(math.nan)
    return model


@torch.no_grad()
def reference_init(model: Any) -> None:
    tower = model.transformer
    into, inner = tower.width**-0.5 * (2 * tower.layers) ** -0.5, (2 * tower.width) ** -0.5
    model.positional_embedding.normal_(std=0.01)
    model.text_projection.normal_(std=tower.width**-0.5)
    model.logit_scale.fill_(math.log(1 / 0.07))
    model.token_embedding.weight.normal_(std=0.02)
    for block in tower.resblocks:
        block.attn.in_proj_weight.normal_(std=tower.width**-0.5)
        block.attn.out_proj.weight.normal_(std=into)
        block.mlp["c_fc"].weight.normal_(std=inner)
        block.mlp["c_proj"].weight.normal_(std=into)
