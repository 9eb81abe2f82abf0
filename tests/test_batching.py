"""Small parameters drawn together have the values that they have alone."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from initrules.batching import together, write_together_
from initrules.densities import cut_normal
from initrules.filling import Bell, Even, Fill, Flat, write_
from initrules.sections import whole
from initrules.streams import stream_key

LAWS = [
    Even(0.0),
    Even(2.5),
    Flat(-1.0, 1.0),
    Flat(0.0, 7.0),
    Bell(cut_normal(), 0.0, 0.02),
    Bell(cut_normal(), 3.0, 1.0),
    Bell(cut_normal(-2, 2), 0.0, 1.0, (-2.0, 2.0)),
    Bell(cut_normal(-2, 2), 1.0, 0.1, (0.8, 1.2)),
]


def fills(sizes: list[tuple[int, int]]) -> list[Fill]:
    found = []
    for position, (size, choice) in enumerate(sizes):
        law: Any = LAWS[choice]
        key = None if isinstance(law, Even) else stream_key(0, str(position))
        found.append(Fill(torch.full((size,), torch.nan), key, law, whole(size)))
    return found


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, len(LAWS) - 1)), min_size=1, max_size=40))
@settings(deadline=None)
def test_together_as_alone(sizes: list[tuple[int, int]]) -> None:
    alone, lots = fills(sizes), fills(sizes)
    for fill in alone:
        write_(fill)
    for lot in together(lots):
        write_together_(lot)
    for one, other in zip(alone, lots, strict=True):
        assert torch.equal(one.tensor, other.tensor)


def test_lots_hold_one_kind_of_law_and_a_bounded_number_of_elements() -> None:
    many = fills([(4096, 4)] * 200 + [(4096, 6)] * 3 + [(5, 0), (5, 1)])
    lots = list(together(many))
    assert sum(map(len, lots)) == 205
    assert all(sum(fill.tensor.numel() for fill in lot) <= 2**18 + 4096 for lot in lots)
    assert {len({type(fill.law) for fill in lot}) for lot in lots} == {1}


def test_shards_are_not_drawn_together() -> None:
    key = stream_key(0, "weight")
    whole_one = Fill(torch.empty(8), key, Flat(0, 1), whole(8))
    shard = Fill(torch.empty(4), key, Flat(0, 1), whole(8).part(4, 8))
    assert (whole_one.small, shard.small) == (True, False)
