"""Work on all cores: blocks and whole parameters on a pool of threads, with the same result on any number."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from initrules.batching import together, write_together_
from initrules.filling import Fill, blocks, write_


class Lanes:
    """Takes work in the order in which it may begin, and waits for all of it in ``finish``.

    Small fills are put off until then, and drawn together.
    """

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool
        self._small: list[Fill] = []
        self._running: list[Future[None]] = []

    def fill(self, fill: Fill) -> None:
        """Write a fill by ``finish`` at the latest."""
        if fill.small:
            self.put_off(fill)
            return
        for block in blocks(fill):
            self.call(write_, block)

    def put_off(self, fill: Fill) -> None:
        """Write a small fill in ``finish``."""
        self._small.append(fill)

    def call(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run something by ``finish`` at the latest."""
        if self._pool is None:
            work(*arguments)
        else:
            self._running.append(self._pool.submit(torch.no_grad()(work), *arguments))  # grad mode is each thread's own

    def finish(self) -> None:
        """Wait until everything is written; raises the first error after all the rest has ended."""
        small, self._small = self._small, []
        for lot in together(small):
            self.call(write_together_, lot)
        running, self._running = self._running, []
        errors = [future.exception() for future in running]
        for error in errors:
            if error is not None:
                raise error


@contextlib.contextmanager
def lanes(threads: int) -> Iterator[Lanes]:
    """Lanes on a number of threads; meanwhile torch's own operations run on one thread each.

    ``torch.set_num_threads`` in a thread of the pool would change the caller's setting for good, so it
    is called here, before the first of them, and put back after the last.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if threads == 1:
            yield Lanes(None)
        else:
            with ThreadPoolExecutor(threads, thread_name_prefix="initrules") as pool:
                yield Lanes(pool)
    finally:
        torch.set_num_threads(before)
