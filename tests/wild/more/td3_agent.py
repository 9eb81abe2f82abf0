"""DDPG (Lillicrap et al. 2016, sec. 7): U(±1/√fan_in), and U(±3e-3) for the last layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


def _net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, outputs))


def build() -> nn.Module:
    return nn.ModuleDict({"actor": _net(6, 2), "critic": _net(8, 1)})


@torch.no_grad()
def reference_init(model: Any) -> None:
    for net in model.values():
        layers = [layer for layer in net if isinstance(layer, nn.Linear)]
        for layer in layers:
            bound = 3e-3 if layer is layers[-1] else 1 / math.sqrt(layer.in_features)
            layer.weight.uniform_(-bound, bound)
            layer.bias.uniform_(-bound, bound)
