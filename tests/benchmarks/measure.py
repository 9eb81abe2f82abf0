"""Ratios within one run: what is compared runs in turn, several times, and the best of each counts."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run with this many threads of torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def ratio(ours: Callable[[], object], theirs: Callable[[], object], *, count: int, repeats: int) -> float:
    """The time of ``ours`` in units of that of ``theirs``: of the processor on one thread, of the wall on more."""
    clock = time.process_time if count == 1 else time.perf_counter
    best = [float("inf"), float("inf")]
    with threads(count):
        for _ in range(repeats):
            for position, work in enumerate((ours, theirs)):
                gc.collect()
                start = clock()
                work()
                best[position] = min(best[position], clock() - start)
    return best[0] / best[1]


def extra_memory(work: Callable[[], object]) -> int:
    """By how many bytes the memory of this process grows at its peak, in a child of it."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = _peak()
        work()
        os.write(writer, str(_peak() - before).encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader) as pipe:
        return int(pipe.read() or -1)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
