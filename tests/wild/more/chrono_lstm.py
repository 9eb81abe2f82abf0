"""Chrono initialisation of an LSTM (Tallec & Ollivier 2018, sec. 3): b_f = log U(1, T - 1), b_i = -b_f."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def build() -> nn.Module:
    return nn.ModuleDict({"rnn": nn.LSTM(8, 16, num_layers=2), "out": nn.Linear(16, 4)})


@torch.no_grad()
def reference_init(model: Any, horizon: int = 50) -> None:
    rnn = model["rnn"]
    hidden = 16
    for layer in range(2):
        for part in ("ih", "hh"):
            weight = getattr(rnn, f"weight_{part}_l{layer}")
            for gate in weight.chunk(4):
                nn.init.orthogonal_(gate) if part == "hh" else nn.init.xavier_uniform_(gate)
        bias = getattr(rnn, f"bias_ih_l{layer}")
        bias.zero_()
        times = torch.empty(hidden).uniform_(1, horizon - 1).log()
        bias[hidden : 2 * hidden] = times
        bias[:hidden] = -times
        getattr(rnn, f"bias_hh_l{layer}").zero_()
