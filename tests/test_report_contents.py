"""What an inventory holds: every tensor in one group, with the class that owns it."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from torch import nn

from initrules.report import contents_text
from initrules.survey import survey
from support import isolated


@isolated
def model() -> nn.Module:
    net = nn.ModuleDict(
        {"a": nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), "n": nn.BatchNorm1d(4), "c": nn.Conv1d(4, 4, 1)}
    )
    net["shared"] = nn.ModuleDict({"deep": net["c"]})
    net["n"].requires_grad_(requires_grad=False)
    nn.utils.parametrizations.weight_norm(net["c"])
    return net


def test_whole() -> None:
    assert contents_text(survey(model()), width=80) == (
        "parameter                   shape   dtype    in           note\n"
        "────────────────────────────────────────────────────────────────────────────────\n"
        "a.{0,1}.weight ×2           4×4     float32  Linear\n"
        "a.{0,1}.bias ×2             4       float32  Linear\n"
        "n.{weight,bias} ×2          4       float32  BatchNorm1d  frozen\n"
        "n.{running_mean,            4       float32  BatchNorm1d  buffer\n"
        "  running_var} ×2\n"
        "n.num_batches_tracked       scalar  int64    BatchNorm1d  buffer\n"
        "c.weight                    4×4×1   float32  Conv1d       wrapped in weight_norm\n"
        "~ also under shared.deep\n"
        "c.bias                      4       float32  Conv1d\n"
        "~ also under shared.deep\n"
        "8 parameters with 68 entries, 3 buffers\n"
        "7 modules: 2 ModuleDict, 2 Linear, 1 Sequential, 1 BatchNorm1d, 1 Conv1d"
    )


def test_parameters_of_different_classes_stand_apart() -> None:
    lines = contents_text(survey(nn.ModuleList([nn.Linear(2, 2, device="meta"), nn.Bilinear(2, 2, 2, device="meta")])))
    assert [line.split() for line in lines.splitlines() if "bias" in line] == [
        ["0.bias", "2", "float32", "Linear"],
        ["1.bias", "2", "float32", "Bilinear"],
    ]


@pytest.mark.parametrize("width", [10, 60, 90])
def test_no_line_is_wider_than_the_window(width: int) -> None:
    assert max(map(cell_len, contents_text(survey(model()), width=width).splitlines())) <= max(60, width)


def test_nothing_and_many_classes() -> None:
    assert contents_text(survey(nn.Identity())) == "0 parameters with 0 entries\n1 module: 1 Identity"
    kinds = [type(f"K{n}", (nn.Module,), {}) for n in range(15)]
    assert contents_text(survey(nn.ModuleList(kind() for kind in kinds))).endswith(" and 4 more classes")
