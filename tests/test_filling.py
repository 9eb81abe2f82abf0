"""Elements are the same however they are drawn: whole, in blocks, in shards, in any memory order."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from initrules.densities import cut_normal
from initrules.filling import BLOCK, Bell, Even, Fill, Flat, blocks, write_
from initrules.sections import grid, whole
from initrules.streams import stream_key

KEY = stream_key(0, "layer.weight")
LAWS = [
    pytest.param(Flat(-1.0, 3.0), id="uniform"),
    pytest.param(Bell(cut_normal(), 0.5, 2.0), id="normal"),
    pytest.param(Bell(cut_normal(-2, 2), 0.0, 1.0, (-2.0, 2.0)), id="cut"),
]
ANY_LAW = st.sampled_from([law.values[0] for law in LAWS])


def drawn(law: Flat | Bell, *size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return into(torch.empty(size, dtype=dtype), law)


def into(tensor: Tensor, law: Flat | Bell) -> Tensor:
    for block in blocks(Fill(tensor, KEY, law, whole(tensor.numel()))):
        write_(block)
    return tensor


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("size", [(3, BLOCK // 2 + 5), (BLOCK // 100, 301), (2 * BLOCK + 1,), (5, 7, 31, 311)])
def test_blocks_give_what_one_piece_gives(law: Flat | Bell, size: tuple[int, ...]) -> None:
    found = drawn(law, *size).reshape(-1)
    for begin in (0, 1, 1000, len(found) - 5001):
        piece = torch.empty(5001)
        write_(Fill(piece, KEY, law, grid((len(found),), [np.arange(begin, begin + 5001)])))
        assert torch.equal(piece, found[begin : begin + 5001])


@given(law=ANY_LAW, rows=st.integers(1, 40), columns=st.integers(1, 40), data=st.data(), wide=st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_box_is_the_slice(law: Flat | Bell, rows: int, columns: int, data: st.DataObject, wide: bool) -> None:
    dtype = torch.float64 if wide else torch.float32
    found = drawn(law, rows, columns, dtype=dtype)
    top, bottom = sorted(data.draw(st.tuples(st.integers(0, rows), st.integers(0, rows))))
    left, right = sorted(data.draw(st.tuples(st.integers(0, columns), st.integers(0, columns))))
    shard = torch.empty(bottom - top, right - left, dtype=dtype)
    section = grid((rows, columns), [np.arange(top, bottom), np.arange(left, right)])
    for block in blocks(Fill(shard, KEY, law, section)):
        write_(block)
    assert torch.equal(shard, found[top:bottom, left:right])


@pytest.mark.parametrize("law", LAWS)
def test_column_shards_of_large_matrices(law: Flat | Bell) -> None:
    rows, columns = 2000, 1001
    found = drawn(law, rows, columns)
    for left, right in ((0, 500), (500, 1001), (1000, 1001), (250, 251)):
        shard = torch.empty(rows, right - left)
        for block in blocks(Fill(shard, KEY, law, grid((rows, columns), [np.arange(rows), np.arange(left, right)]))):
            write_(block)
        assert torch.equal(shard, found[:, left:right])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_memory_order_and_precision_do_not_count(law: Flat | Bell, dtype: torch.dtype) -> None:
    expected = drawn(law, 1000, 3, 101).to(dtype)
    turned = torch.empty(101, 3, 1000, dtype=dtype).permute(2, 1, 0)
    spread = torch.empty(1000, 3, 202, dtype=dtype)[..., ::2]
    for tensor in (torch.empty(1000, 3, 101, dtype=dtype), turned, spread):
        assert torch.equal(into(tensor, law).float(), expected.float())


def test_a_value_in_double_precision_has_all_its_digits() -> None:
    found = drawn(Flat(0.0, 1.0), 10_000, dtype=torch.float64)
    assert not torch.equal(found, found.float().double())
    assert len(set(found.tolist())) == 10_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_values_over_many_elements(dtype: torch.dtype) -> None:
    """Moments to the sixth, tails, and the distribution function, of 4 million values."""
    found = drawn(Bell(cut_normal(), 0.0, 1.0), 1 << 22, dtype=dtype).double().numpy()
    count = len(found)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (5, 0, 945), (6, 15, 10170)):
        assert abs((found**power).mean() - moment) < 4.5 * math.sqrt(spread / count), power
    assert stats.kstest(found, stats.norm.cdf).pvalue > 1e-4
    for edge in (3.0, 4.0, 4.5, 5.0):
        expected = count * 2 * stats.norm.sf(edge)
        low, high = stats.poisson.ppf([1e-5, 1 - 1e-5], expected)
        assert low <= int((np.abs(found) > edge).sum()) <= high, edge
    assert np.isfinite(found).all()
    assert (found != 0).all()


def test_neighbouring_elements_are_independent() -> None:
    found = drawn(Bell(cut_normal(), 0.0, 1.0), 1 << 20).numpy()
    for lag in (1, 2, 3, 768):
        cells = np.histogram2d(stats.norm.cdf(found[:-lag]), stats.norm.cdf(found[lag:]), bins=16)[0]
        assert stats.chisquare(cells.reshape(-1)).pvalue > 1e-4, lag


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool, torch.int64, torch.complex64, torch.float8_e5m2])
def test_constants(dtype: torch.dtype) -> None:
    tensor = torch.empty(3, 4, dtype=dtype)
    write_(Fill(tensor, None, Even(1), whole(12)))
    assert torch.equal(tensor, torch.ones(3, 4, dtype=dtype))


def test_frozen_values() -> None:
    """A change of these is a change of every user's weights, and goes under Numerics in the changelog."""
    assert drawn(Flat(0.0, 1.0), 4).tolist() == FROZEN_UNIFORM
    assert drawn(Bell(cut_normal(), 0.0, 1.0), 4).tolist() == FROZEN_NORMAL


FROZEN_UNIFORM = [0.5710880756378174, 0.4970323145389557, 0.7196764349937439, 0.14786076545715332]
FROZEN_NORMAL = [-1.4466452598571777, 2.5335521697998047, -0.7600499987602234, 0.3922165036201477]
