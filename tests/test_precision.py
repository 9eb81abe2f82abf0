"""What a dtype can hold, held against torch itself."""

from __future__ import annotations

import pytest
import torch

from initrules import precision

_INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64]
_FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]
_COMPLEX = [torch.complex64, torch.complex128]


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@pytest.mark.parametrize("dtype", _INTEGERS, ids=_name)
def test_integers(dtype: torch.dtype) -> None:
    limits = torch.iinfo(dtype)
    assert precision.integer_limits(_name(dtype)) == (limits.min, limits.max)
    assert precision.largest(_name(dtype)) is None
    assert not precision.is_floating(_name(dtype))


@pytest.mark.parametrize("dtype", [*_FLOATS, *_COMPLEX], ids=_name)
def test_floats(dtype: torch.dtype) -> None:
    assert precision.largest(_name(dtype)) == torch.finfo(dtype).max
    assert precision.integer_limits(_name(dtype)) is None
    assert precision.is_floating(_name(dtype))


def test_truth_holds_0_and_1() -> None:
    assert precision.integer_limits("bool") == (0, 1)
    assert not precision.is_floating("bool")
