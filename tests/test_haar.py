"""Orthogonal matrices from drawn reflections; their distribution is tested in test_draw.py."""

from __future__ import annotations

import pytest
import torch

from initrules.haar import orthogonal


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
@pytest.mark.parametrize(("few", "many"), [(1, 1), (1, 5), (4, 4), (3, 8), (64, 65)])
@pytest.mark.parametrize("gain", [1.0, 0.01, -2.0])
def test_rows_are_orthonormal_times_the_gain(few: int, many: int, gain: float, dtype: torch.dtype) -> None:
    normal = torch.randn(few, many, dtype=dtype, generator=torch.Generator().manual_seed(few))
    found = orthogonal(normal, gain)
    assert found.dtype == dtype
    error = (found @ found.mH / gain**2 - torch.eye(few)).abs().max().item()
    assert error < 40 * torch.finfo(dtype).eps


def test_it_is_what_the_decomposition_of_its_reflections_gives() -> None:
    """With one row the matrix is the direction itself: reflected onto the axis and back, up to sign."""
    normal = torch.tensor([[3.0, 0.0, 4.0]], dtype=torch.float64)
    found = orthogonal(normal.clone(), 1.0)
    assert torch.allclose(found.abs(), normal.abs() / 5)
