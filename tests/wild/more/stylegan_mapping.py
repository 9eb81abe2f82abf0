"""StyleGAN2's equalised learning rate (Karras et al. 2018, sec. 4.1): N(0, 1) over a multiplier."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class EqualLinear(nn.Module):
    def __init__(self, inputs: int, outputs: int, lr_mul: float = 1.0, bias_init: float = 0.0) -> None:
        super().__init__()
        self.lr_mul, self.bias_init = lr_mul, bias_init
        self.weight = nn.Parameter(torch.full((outputs, inputs), math.nan))
        self.bias = nn.Parameter(torch.full((outputs,), math.nan))


class ModulatedConv(nn.Module):
    noise: torch.Tensor

    def __init__(self, inputs: int, outputs: int, styles: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, outputs, inputs, 3, 3), math.nan))
        self.modulation = EqualLinear(styles, inputs, bias_init=1.0)
        self.noise_strength = nn.Parameter(torch.full((), math.nan))
        self.register_buffer("noise", torch.zeros(1, 1, 8, 8))


class Generator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.style = nn.Sequential(*[EqualLinear(32, 32, lr_mul=0.01) for _ in range(3)])
        self.const = nn.Parameter(torch.full((1, 16, 4, 4), math.nan))
        self.convs = nn.ModuleList([ModulatedConv(16, 16, 32) for _ in range(2)])


def build() -> nn.Module:
    return Generator()


@torch.no_grad()
def reference_init(model: Any) -> None:
    model.const.normal_()
    for module in model.modules():
        if isinstance(module, EqualLinear):
            module.weight.normal_().div_(module.lr_mul)
            module.bias.fill_(module.bias_init)
        elif isinstance(module, ModulatedConv):
            module.weight.normal_()
            module.noise_strength.zero_()
            module.noise.normal_()
