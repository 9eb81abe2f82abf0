"""Worlds of one to four processes: every shard is that of the value drawn whole, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from initrules.actions.table import BUILTIN
from initrules.sections import grid
from ranks import world
from reference import ROOT
from sharded import VALUES, every_layout, fully_sharded_from_meta, replicas, two_dimensions


def test_there_is_a_layer_for_every_action() -> None:
    assert VALUES.keys() == BUILTIN.actions.keys()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_action_in_every_layout(size: int) -> None:
    """Rows, columns, replicas, two dimensions; 10 rows and 2 rows on 4 ranks leave uneven and empty shards."""
    assert world(size, every_layout) == [[]] * size


def test_fsdp2_from_the_meta_device_with_a_tie_and_a_training_step() -> None:
    assert world(2, fully_sharded_from_meta) == [[]] * 2


def test_tensor_parallel_below_fsdp2_and_hybrid_sharding() -> None:
    assert world(4, two_dimensions) == [[]] * 4


def test_replicas_of_ddp_are_drawn_alike_or_not_at_all() -> None:
    message = (
        "the seed is not the same on all ranks: 0 on rank 0; 1 on rank 1\n"
        "  Give every rank the same rule files, variables and seed; nothing was written."
    )
    assert world(2, replicas) == [[message]] * 2


def test_the_example_trains_alike_on_any_number_of_ranks(tmp_path: Path) -> None:
    found: list[list[str]] = []
    for ranks in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "examples/fsdp.py"]
        done = subprocess.run(
            [*command, str(tmp_path / str(ranks))], cwd=ROOT, capture_output=True, text=True, timeout=300,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True,
        )  # fmt: skip
        found.append(done.stdout.splitlines())
    assert found[0][0] == "15 parameters written on 1 ranks"
    assert found[1] == ["15 parameters written on 2 ranks", found[0][1], "checkpoint in 2 files"]


@pytest.mark.parametrize(
    ("shape", "indices"),
    [
        pytest.param((4, 6), [range(4), range(6)], id="all"),
        pytest.param((4, 6), [range(1, 3), range(6)], id="rows"),
        pytest.param((4, 6), [range(4), range(2, 5)], id="columns"),
        pytest.param((4, 6), [range(1, 3), range(2, 5)], id="a box"),
        pytest.param((3, 4, 5), [range(3), range(1, 2), range(5)], id="in the middle"),
        pytest.param((3, 4, 5), [[0, 2], range(4), [1, 2, 4]], id="with gaps"),
        pytest.param((4, 6), [range(4, 4), range(6)], id="nothing"),
        pytest.param((), [], id="a number"),
    ],
)
def test_grid(shape: tuple[int, ...], indices: list[list[int]]) -> None:
    lists = [np.array(list(index), np.int64) for index in indices]
    expected = torch.arange(int(np.prod(shape))).reshape(shape).numpy()[np.ix_(*lists)].reshape(-1)
    found = grid(shape, lists)
    assert found.numbers(np.arange(len(expected))).tolist() == expected.tolist()
