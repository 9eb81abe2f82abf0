"""Runs functions in worlds of several processes that talk over gloo, and brings back what they return."""

from __future__ import annotations

import datetime as dt
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing

LIMIT = dt.timedelta(seconds=60)


def world(size: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What ``work(rank, size, *arguments)`` gives on each rank; ``work`` stands at the top of a module.

    A rank that raises gives its exception as text. None: it ended without an answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        ranks = [context.Process(target=_rank, args=(rank, size, folder, work, arguments)) for rank in range(size)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(LIMIT.total_seconds() * 2)
            if process.is_alive():
                process.kill()
        files = [Path(folder) / f"{rank}.pickle" for rank in range(size)]
        return [pickle.loads(file.read_bytes()) if file.exists() else None for file in files]


def _rank(rank: int, size: int, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size, timeout=LIMIT)
    try:
        answer = work(rank, size, *arguments)
    except Exception as error:  # noqa: BLE001  # the test looks at it
        answer = f"{type(error).__name__}: {error}"
    (Path(folder) / f"{rank}.pickle").write_bytes(pickle.dumps(answer))
    dist.destroy_process_group()
