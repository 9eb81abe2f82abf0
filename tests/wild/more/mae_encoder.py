"""MAE (He et al. 2022, app. A.1): fixed sine-cosine positions, the first row zero; xavier elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SIDE, WIDTH = 4, 32


class MAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, 8, 8)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, SIDE * SIDE + 1, WIDTH), requires_grad=False)
        self.blocks = nn.ModuleList(
            [nn.ModuleDict({"norm1": nn.LayerNorm(WIDTH), "qkv": nn.Linear(WIDTH, 3 * WIDTH)}) for _ in range(2)]
        )


def build() -> nn.Module:
    return MAE()


@torch.no_grad()
def reference_init(model: Any) -> None:
    quarter = WIDTH // 4
    rates = 10000.0 ** -(torch.arange(quarter, dtype=torch.float64) / quarter)
    grid = torch.arange(SIDE, dtype=torch.float64)
    tables = []
    for place in (grid.repeat(SIDE), grid.repeat_interleave(SIDE)):
        angle = place[:, None] * rates
        tables += [angle.sin(), angle.cos()]
    model.pos_embed.zero_()
    model.pos_embed[0, 1:] = torch.cat(tables, 1).float()
    kernel = model.patch_embed["proj"].weight
    nn.init.xavier_uniform_(kernel.view(kernel.shape[0], -1))
    model.cls_token.normal_(std=0.02)
    model.mask_token.normal_(std=0.02)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            module.bias.zero_()
        elif isinstance(module, nn.LayerNorm):
            module.weight.fill_(1.0)
            module.bias.zero_()
