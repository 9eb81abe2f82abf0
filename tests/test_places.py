"""Moving a model: what was one tensor stays one."""

from __future__ import annotations

import torch
from torch import nn

from initrules.places import move_
from support import isolated


class Shared(nn.Module):
    """Two modules may hold one buffer."""

    table: torch.Tensor

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table)


def test_everything_is_moved_and_a_shared_buffer_stays_one() -> None:
    table = torch.zeros(3)
    one, other = Shared(table), Shared(table)
    layer = isolated(nn.Linear)(3, 3)
    move_({"a": nn.Sequential(one, layer), "b": other, "c": None}, torch.device("meta"))
    assert (layer.weight.is_meta, layer.bias.is_meta, one.table.is_meta) == (True, True, True)
    assert one.table is other.table


def test_what_is_there_stays_the_same_object() -> None:
    model = isolated(nn.BatchNorm1d)(3)
    before = model.state_dict(keep_vars=True)
    move_(model, torch.device("cpu"))
    assert all(before[name] is tensor for name, tensor in model.state_dict(keep_vars=True).items())
