"""Which of several repeated blocks is decided otherwise than the rest: ``0.mlp ← differs from 1..31``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from initrules.decision import Row
from initrules.grouping import Group, numbers_text

_NUMBER = re.compile(r"(?<![^.])[0-9]+(?![^.])")  # a segment of its own: the number in w1 is part of its name

_Numbers = tuple[int, ...]


def exceptions(groups: Sequence[Group]) -> Mapping[str, str]:
    """For the pattern of each group that is an exception among its like, what it differs from.

    Alike are parameters of one shape whose names differ in the numbers of blocks only.
    """
    like: dict[Any, dict[int, list[Row]]] = {}
    for at, one in enumerate(groups):
        for row in one.rows:
            template = (*_NUMBER.split(row.path), row.parameter.shape, row.parameter.dtype)
            like.setdefault(template, {}).setdefault(at, []).append(row)
    found: dict[str, str] = {}
    for members in like.values():
        if len(members) > 1:
            for at, text in _odd(members).items():
                found.setdefault(groups[at].pattern, text)
    return found


def _odd(members: Mapping[int, Sequence[Row]]) -> Mapping[int, str]:
    """Among groups of parameters that differ in numbers only: those that do not get what most get."""
    looks: dict[Any, list[int]] = {}
    for at, rows in members.items():
        looks.setdefault(_look(rows[0]), []).append(at)
    sizes = {look: sum(len(members[at]) for at in some) for look, some in looks.items()}
    usual = max(sizes, key=lambda look: sizes[look])
    rest = [_numbers(row) for at in looks[usual] for row in members[at]]
    if sizes[usual] < 2 or sum(size == sizes[usual] for size in sizes.values()) > 1:
        return {}
    return {
        at: _difference([_numbers(row) for row in members[at]], rest)
        for look, some in looks.items()
        if look != usual
        for at in some
    }


def _look(row: Row) -> Any:
    return tuple((prop, one.rule, one.summary) for prop, one in sorted(row.decisions.items()))


def _numbers(row: Row) -> _Numbers:
    return tuple(int(text) for text in _NUMBER.findall(row.path))


def _difference(odd: Sequence[_Numbers], rest: Sequence[_Numbers]) -> str:
    """The numbers of the rest where one number tells them apart; else how many they are."""
    apart = [
        place for place in range(len(rest[0])) if {one[place] for one in odd}.isdisjoint({one[place] for one in rest})
    ]
    if len(apart) != 1:
        return f"{len(rest)} others"
    text = numbers_text(sorted({one[apart[0]] for one in rest}))
    return text[1:-1] if text.startswith("{") else text
