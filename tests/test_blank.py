"""Blank parameters: what they are, what keeps them so, what ends it."""

from __future__ import annotations

import copy
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from initrules import blank as module
from initrules.blank import can_be_blank, has_blanks, is_blank, leave_blank_


def blank(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    tensor = torch.zeros(shape, dtype=dtype)
    leave_blank_(tensor)
    return tensor


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("shape", [(), (1,), (2,), (5,), (1, 1), (3, 4), (2, 3, 4)])
def test_blank_is_nan_in_three_places(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = blank(*shape, dtype=dtype)
    assert is_blank(tensor)
    assert 1 <= int(tensor.isnan().sum()) <= 3
    assert bool(tensor.sum().isnan())


def test_a_process_that_left_nothing_blank_has_no_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEFT", threading.Event())
    tensor = torch.full((3, 3), torch.nan)
    assert not has_blanks(tensor)
    blank(3)
    assert has_blanks(tensor)


def through_a_file(tensor: Tensor) -> Tensor:
    file = io.BytesIO()
    torch.save(tensor, file)
    file.seek(0)
    loaded: Tensor = torch.load(file)
    return loaded


@pytest.mark.parametrize(
    ("change", "whole", "any_left"),
    [
        pytest.param(torch.clone, True, True, id="a copy"),
        pytest.param(copy.deepcopy, True, True, id="a deep copy"),
        pytest.param(through_a_file, True, True, id="through a file"),
        pytest.param(Tensor.double, True, True, id="a longer mantissa"),
        pytest.param(Tensor.bfloat16, True, True, id="a shorter one"),
        pytest.param(lambda t: t[:2], False, True, id="a view of a part"),
        pytest.param(nn.Parameter, True, True, id="a parameter of the same memory"),
        pytest.param(lambda t: t.t(), True, True, id="a view of all"),
        pytest.param(Tensor.zero_, False, False, id="written"),
        pytest.param(lambda t: t.data.fill_(1), False, False, id="written through data"),
        pytest.param(lambda t: t.index_fill_(0, torch.tensor([0]), 0.0), False, True, id="a row is written"),
    ],
)
def test_what_keeps_it_blank(change: Callable[[Tensor], Tensor], whole: bool, any_left: bool) -> None:
    found = change(blank(5, 5))
    assert (is_blank(found), has_blanks(found)) == (whole, any_left)


class Own(nn.Parameter):
    """A sub-class, which may keep its numbers anywhere."""


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(torch.zeros(3, dtype=torch.int64), id="integers"),
        pytest.param(torch.zeros(3, device="meta"), id="meta"),
        pytest.param(torch.zeros(0), id="empty"),
        pytest.param(torch.eye(3).to_sparse(), id="sparse"),
        pytest.param(Own(torch.zeros(3)), id="sub-class"),
        pytest.param(nn.UninitializedParameter(), id="lazy"),
    ],
)
def test_what_cannot_be_blank(tensor: Any) -> None:
    assert (can_be_blank(tensor), is_blank(tensor), has_blanks(tensor)) == (False, False, False)
