"""Ranks that mean different things, or do not answer, are found before anything is written."""

from __future__ import annotations

import re

import pytest

from ranks import world
from sharded import apply_in_world, one_rank_dies

HINT = "\n  Give every rank the same rule files, variables and seed; nothing was written."


@pytest.mark.parametrize(
    ("seeds", "stds", "expected"),
    [
        pytest.param((0, 0), (1, 1), "written", id="all the same"),
        pytest.param(
            (0, 7), (1, 1), f"the seed is not the same on all ranks: 0 on rank 0; 7 on rank 1{HINT}", id="seeds"
        ),
        pytest.param(
            (0, 0, 0, 0), (1, 1, 1, 2),
            f"the plan is not the same on all ranks: HASH on ranks 0, 1, 2; HASH on rank 3{HINT}",
            id="rules, on a rank that lies in another row of the mesh",
        ),
        pytest.param(
            (0, 0), (1, 1e39), ("rank 1 cannot write", "Choose smaller values"), id="trouble on one rank stops all"
        ),
    ],
)  # fmt: skip
def test_ranks_agree_or_nothing_is_written(
    seeds: tuple[int, ...], stds: tuple[float, ...], expected: str | tuple[str, ...]
) -> None:
    for answer, untouched in world(len(seeds), apply_in_world, seeds, stds):
        found = re.sub(r"[0-9a-f]{32}", "HASH", answer)
        if isinstance(expected, tuple):
            assert any(part in found for part in expected), found
        else:
            assert found == expected
        assert untouched == (expected != "written")


def test_a_rank_that_ends_does_not_leave_the_others_hanging() -> None:
    *answers, dead = world(3, one_rank_dies)
    assert dead is None
    for message, seconds in answers:
        assert message.startswith("not every rank answered: ")
        assert message.endswith("\n  A rank has ended, or does not apply the plan; nothing was written on this one.")
        assert seconds < 30
