"""S4D-Lin (Gu et al. 2022, secs. 3 and 4): decay 1/2, frequencies πn, log-uniform steps, complex output."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class S4DKernel(nn.Module):
    def __init__(self, channels: int = 24, states: int = 16) -> None:
        super().__init__()
        self.log_dt = nn.Parameter(torch.full((channels,), math.nan))
        self.C = nn.Parameter(torch.full((channels, states), math.nan, dtype=torch.complex64))
        self.log_A_real = nn.Parameter(torch.full((channels, states), math.nan))
        self.A_imag = nn.Parameter(torch.full((channels, states), math.nan))


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.D = nn.Parameter(torch.full((24,), math.nan))
        self.kernel = S4DKernel()


def build() -> nn.Module:
    return nn.Sequential(Layer(), Layer())


@torch.no_grad()
def reference_init(model: Any, least: float = 0.001, most: float = 0.1) -> None:
    for layer in model:
        layer.D.normal_()
        kernel = layer.kernel
        kernel.log_dt.uniform_().mul_(math.log(most) - math.log(least)).add_(math.log(least))
        kernel.C.copy_(torch.randn(kernel.C.shape, dtype=torch.complex64))
        kernel.log_A_real.fill_(math.log(0.5))
        kernel.A_imag.copy_(math.pi * torch.arange(kernel.A_imag.shape[1]).expand_as(kernel.A_imag))
