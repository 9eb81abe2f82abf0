"""Machine code draws the bits that numpy draws."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import initrules
import support
from initrules import filling, writer
from initrules.densities import cut_normal
from initrules.filling import BLOCK, Bell, Fill, Flat, blocks, write_
from initrules.sections import Section, grid, whole
from initrules.streams import stream_key

LAWS: list[Flat | Bell] = [
    Flat(-1.0, 3.0),
    Flat(0.1, 0.1),
    Bell(cut_normal(), 0.5, 2.0),
    Bell(cut_normal(-2, 2), 0.0, 1.0, (-2.0, 2.0)),
    Bell(cut_normal(3, 40), 0.0, 0.02, (0.06, 0.8)),
]


@pytest.fixture(autouse=True)
def _not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling._CODE, "kernels", None)


def drawn(tensor: Tensor, law: Flat | Bell, section: Section, name: str = "weight") -> Tensor:
    for block in blocks(Fill(tensor, stream_key(0, name), law, section)):
        write_(block)
    return tensor


def both(tensor: Tensor, law: Flat | Bell, section: Section, name: str = "weight") -> tuple[Tensor, Tensor]:
    """What numpy draws, and what machine code draws."""
    filling._CODE.kernels = None
    plain = drawn(torch.full_like(tensor, torch.nan), law, section, name)
    assert filling.compile_drawing()
    return plain, drawn(torch.full_like(tensor, torch.nan), law, section, name)


@given(
    law=st.sampled_from(LAWS),
    name=st.text(max_size=3),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    cuts=st.tuples(*[st.integers(0, 60)] * 4),
)
@settings(deadline=None)
def test_any_box(law: Flat | Bell, name: str, size: tuple[int, int], cuts: tuple[int, ...]) -> None:
    (top, bottom), (left, right) = (
        sorted(min(cut, most) for cut in pair) for pair, most in zip((cuts[:2], cuts[2:]), size, strict=True)
    )
    section = grid(size, [np.arange(top, bottom), np.arange(left, right)])
    plain, compiled = both(torch.empty(bottom - top, right - left), law, section, name)
    assert torch.equal(plain, compiled)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
def test_many_blocks_in_any_precision(law: Flat | Bell, dtype: torch.dtype) -> None:
    tensor = torch.empty(BLOCK + 77_777, dtype=dtype)
    plain, compiled = both(tensor, law, whole(len(tensor)))
    assert torch.equal(plain, compiled)


def test_elements_far_into_a_stream() -> None:
    section = Section(np.array([2**40 + 1, 2**52, 7]), 1001)
    plain, compiled = both(torch.empty(3003), LAWS[2], section)
    assert torch.equal(plain, compiled)


def test_scattered_elements() -> None:
    section = Section(np.random.default_rng(0).integers(0, 2**30, 5000), 1)
    for law in LAWS:
        plain, compiled = both(torch.empty(5000), law, section)
        assert torch.equal(plain, compiled)


@support.isolated
def three() -> nn.Module:
    return nn.Sequential(nn.Embedding(3000, 301), nn.Linear(301, 2000), nn.Linear(2000, 7))


def test_a_whole_model_on_two_threads() -> None:
    model = three()
    rules = initrules.from_text(
        "initrules: 1\nrules:\n"
        "  - {rule: drawn, select: '**', set: {weight: {trunc_normal: {std: 0.02}}, bias: {uniform: {bound: 1}}}}\n"
        "  - {rule: matrix, select: '2', set: {weight: orthogonal}}\n"
    )
    plan = initrules.plan(model, rules)
    plan.apply_()
    before = [parameter.clone() for parameter in model.parameters()]
    assert initrules.compile_drawing()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    plan.apply_()
    torch.set_num_threads(threads)
    assert all(map(torch.equal, before, model.parameters()))


def test_without_numba_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "initrules.kernels", None)  # as an import that fails
    assert not filling.compile_drawing()
    assert filling._CODE.kernels is None


def test_a_numba_that_cannot_work_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an installation that cannot be written, for a user without a home."""

    def compiled(*_: object, **__: object) -> Any:
        raise RuntimeError("cannot cache function 'halves_': no locator available for file 'kernels.py'")

    monkeypatch.delitem(sys.modules, "initrules.kernels", raising=False)
    monkeypatch.setattr("numba.njit", compiled)
    assert not filling.compile_drawing()
    assert filling._CODE.kernels is None


def test_a_long_application_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_WAVE", 1000)
    model = three()
    initrules.apply_(
        model,
        initrules.from_text("initrules: 1\nrules: [{rule: all, select: '**', set: {'*': {uniform: {bound: 1}}}}]\n"),
    )
    assert filling._CODE.kernels is not None
