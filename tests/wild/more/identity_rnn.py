"""The identity RNN (Le et al. 2015, sec. 3): recurrent identity, zero biases, inputs N(0, 0.001²)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def build() -> nn.Module:
    return nn.ModuleDict({"rnn": nn.RNN(6, 12, num_layers=2, nonlinearity="relu"), "out": nn.Linear(12, 3)})


@torch.no_grad()
def reference_init(model: Any) -> None:
    for name, parameter in model["rnn"].named_parameters():
        if "weight_hh" in name:
            nn.init.eye_(parameter)
        elif "weight_ih" in name:
            parameter.normal_(0, 0.001)
        else:
            parameter.zero_()
