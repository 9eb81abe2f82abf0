"""Fixup (Zhang et al. 2019, sec. 3.2): branches start smaller by their number, last layers at zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class FixupBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        for name in ("bias1a", "bias1b", "bias2a", "bias2b"):
            self.register_parameter(name, nn.Parameter(torch.ones(1)))
        self.scale = nn.Parameter(torch.zeros(1))
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)


class FixupNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, bias=False)
        self.layers = nn.Sequential(*[FixupBlock(12) for _ in range(5)])
        self.fc = nn.Linear(12, 10)


def build() -> nn.Module:
    return FixupNet()


@torch.no_grad()
def reference_init(model: Any) -> None:
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    for block in model.layers:
        kernel = block.conv1.weight
        fan = kernel.shape[0] * kernel.shape[2] * kernel.shape[3]
        kernel.normal_(0, (2 / fan) ** 0.5 * len(model.layers) ** -0.5)
        block.conv2.weight.zero_()
        block.scale.fill_(1)
        for bias in (block.bias1a, block.bias1b, block.bias2a, block.bias2b):
            bias.zero_()
    model.fc.weight.zero_()
    model.fc.bias.zero_()
