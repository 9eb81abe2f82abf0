"""Statistics of several tensors together, against torch's own on all entries at once."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from initrules.integrations import measures
from initrules.integrations.measures import BINS, effective_rank, measured


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [7, 1 << 18])
def test_measures_are_those_of_all_entries(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_BLOCK", block)
    tensors = [normal(5, 7), normal(4, 3, 2, seed=1) + 2, normal(3, seed=2).t()]
    every = torch.cat([tensor.reshape(-1) for tensor in tensors]).double()
    found = measured(tensors)
    assert (found.entries, found.non_finite) == (62, 0)
    assert found.mean == pytest.approx(every.mean().item())
    assert found.std == pytest.approx(every.std(correction=0).item())
    assert (found.low, found.high) == (every.min().item(), every.max().item())
    assert found.norm == pytest.approx(sum(tensor.norm().item() for tensor in tensors) / 3)
    assert found.counts == tuple(torch.histc(every, BINS).int().tolist())
    raw = found.raw()
    assert (raw["num"], sum(raw["bucket_counts"]), len(raw["bucket_limits"])) == (62, 62, BINS)
    assert raw["bucket_limits"][-1] == raw["max"]
    assert raw["sum_squares"] == pytest.approx(every.square().sum().item())


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        pytest.param(torch.zeros(3), (3, 0, 0.0, 0.0, (3,)), id="one value has one bin"),
        pytest.param(torch.tensor([1.0, math.nan, 3.0]), (3, 1, 2.0, 1.0, (1, *[0] * 62, 1)), id="nan is counted"),
        pytest.param(torch.tensor([math.inf, -math.inf]), (2, 2, None, None, ()), id="nothing is finite"),
        pytest.param(torch.zeros(0), (0, 0, None, None, ()), id="nothing"),
        pytest.param(torch.tensor([3 + 4j]), (1, 0, 5.0, 0.0, (1,)), id="complex, by absolute value"),
        pytest.param(torch.tensor([1, 2], dtype=torch.int64), (2, 0, 1.5, 0.5, (1, *[0] * 62, 1)), id="integers"),
        pytest.param(torch.tensor([1e38, 1e38]), (2, 0, 1e38, 0.0, (2,)), id="squares beyond float32"),
    ],
)
def test_corner(tensor: torch.Tensor, expected: tuple[Any, ...]) -> None:
    found = measured([tensor])
    mean, std = (None if one is None else pytest.approx(one, rel=1e-6, abs=1e-9) for one in expected[2:4])
    assert (found.entries, found.non_finite, found.mean, found.std, found.counts) == (
        *expected[:2],
        mean,
        std,
        expected[4],
    )


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        pytest.param(torch.eye(5), 5.0, id="all directions alike"),
        pytest.param(torch.ones(4, 9), 1.0, id="one direction"),
        pytest.param(
            torch.diag(torch.tensor([3.0, 1.0])), math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4)), id="two"
        ),
        pytest.param(torch.eye(6).reshape(6, 2, 3), 6.0, id="a kernel is a matrix of its outputs"),
        pytest.param(torch.zeros(3, 3), 0.0, id="zeros"),
        pytest.param(torch.zeros(3), None, id="no matrix"),
        pytest.param(torch.zeros(0, 3), None, id="empty"),
        pytest.param(torch.full((2, 2), math.nan), None, id="nan"),
        pytest.param(torch.zeros(1, 1).expand(1 << 12, 1 << 12), None, id="too much work"),
        pytest.param(1j * torch.eye(3), 3.0, id="complex"),
    ],
)
def test_effective_rank(tensor: torch.Tensor, expected: float | None) -> None:
    assert effective_rank(tensor) == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_effective_rank_is_that_of_the_singular_values() -> None:
    tensor = normal(40, 17)
    values = torch.linalg.svdvals(tensor.double())
    shares = values / values.sum()
    assert effective_rank(tensor) == pytest.approx(float((-(shares * shares.log()).sum()).exp()))
    assert effective_rank(tensor.T) == pytest.approx(effective_rank(tensor))
