"""Sequences whose items are made when they are asked for."""

from __future__ import annotations

import copy
import pickle

import pytest

from initrules.lazy import Lazy


def squares(length: int = 5) -> tuple[Lazy[int], list[int]]:
    made: list[int] = []

    def make(index: int) -> int:
        made.append(index)
        return index * index

    return Lazy(length, make), made


def test_items_are_made_once_and_only_those_that_are_asked_for() -> None:
    lazy, made = squares()
    assert (lazy[2], lazy[-1], lazy[2], lazy[1:3], len(lazy)) == (4, 16, 4, (1, 4), 5)
    assert made == [2, 4, 1]


def test_it_is_a_tuple_in_all_but_name() -> None:
    lazy, _ = squares()
    same = (0, 1, 4, 9, 16)
    assert (tuple(lazy), repr(lazy), hash(lazy)) == (same, repr(same), hash(same))
    assert lazy == same
    assert lazy == squares()[0]
    assert lazy != squares(4)[0]
    assert lazy != [*same]
    assert pickle.loads(pickle.dumps(lazy)) == copy.deepcopy(lazy) == same


@pytest.mark.parametrize("index", [5, -6])
def test_out_of_range(index: int) -> None:
    with pytest.raises(IndexError):
        squares()[0][index]
