"""A quantile network and its target: gains by the activation that follows; the target is a copy."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


def _net() -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "phi": nn.Linear(16, 32),
            "psi": nn.Sequential(nn.Linear(8, 32), nn.Tanh()),
            "head": nn.Sequential(nn.Linear(32, 32), nn.LeakyReLU(0.1), nn.Linear(32, 4)),
        }
    )


def build() -> nn.Module:
    return nn.ModuleDict({"online": _net(), "target": _net()})


@torch.no_grad()
def reference_init(model: Any) -> None:
    online = model["online"]
    nn.init.kaiming_uniform_(online["phi"].weight, a=math.sqrt(3))
    nn.init.xavier_uniform_(online["psi"][0].weight, gain=nn.init.calculate_gain("tanh"))
    nn.init.orthogonal_(online["head"][0].weight, gain=nn.init.calculate_gain("leaky_relu", 0.1))
    nn.init.orthogonal_(online["head"][2].weight, gain=0.01)
    for layer in online.modules():
        if isinstance(layer, nn.Linear):
            layer.bias.zero_()
    model["target"].load_state_dict(online.state_dict())
