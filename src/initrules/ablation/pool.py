"""Makes runs in processes of their own, several at a time; one that takes too long, or dies, is recorded as such.

On Linux the processes are forked from one server that has imported torch and nothing else, so that a run
begins in a clean process without importing torch again; elsewhere they are spawned.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

from initrules.ablation import records, worker
from initrules.ablation.records import Outcome, Record
from initrules.ablation.worker import Job
from initrules.errors import ApplyError

ENVIRONMENT: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
_PRELOADED = ["initrules.ablation.training", "torch._dynamo"]  # which the first optimizer imports
_GRACE = 5.0  # seconds that a killed process has to be gone


def cores() -> int:
    """How many runs this machine can make at a time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class _Running:
    job: Job
    process: Any
    began: float


def run_all(jobs: Iterable[Job], *, workers: int, time_limit: float, on_done: Callable[[Record], None]) -> None:
    """Make every run, ``workers`` at a time, and tell of each record as it comes; units: seconds.

    When it is interrupted the runs under way are stopped, and leave no record. Raises ``ApplyError`` where nothing
    can be written.
    """
    waiting, running = deque(jobs), list[_Running]()
    with _environment(), _stopped(running):
        context = _context()
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_started(context, waiting.popleft()))
            first = min(one.began for one in running) + time_limit
            wait([one.process.sentinel for one in running], timeout=max(0.0, first - time.monotonic()))
            for one in list(running):
                seconds = time.monotonic() - one.began
                if one.process.exitcode is None and seconds < time_limit:
                    continue
                late = one.process.exitcode is None
                _stop(one)
                running.remove(one)
                on_done(_ended(one, seconds, late=late))


@contextlib.contextmanager
def _stopped(running: list[_Running]) -> Iterator[None]:
    """Stop what still runs when the work ends, however it ends."""
    try:
        yield
    finally:
        for one in running:
            _stop(one)


def _context() -> Any:
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _started(context: Any, job: Job) -> _Running:
    _clear(job)
    process = context.Process(target=worker.run, args=(job,), name=f"{job.arm.name} {job.seed}")
    with _without_main():
        process.start()
    return _Running(job, process, time.monotonic())


def _clear(job: Job) -> None:
    """Make the folder of a run, and leave no result there of a run that is made again. Raises ``ApplyError``."""
    file = job.files.result
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
    except OSError as error:
        hint = "Choose another folder with --output."
        raise ApplyError(f"'{file}' cannot be written: {error.strerror}", hint=hint) from error


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Let a new process leave the caller's script alone, which it would import first: a run needs none of it."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def _stop(one: _Running) -> None:
    """Kill a process and all it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(one.process.pid, signal.SIGKILL)
    if one.process.exitcode is None:
        one.process.kill()
    one.process.join(_GRACE)


def _ended(one: _Running, seconds: float, *, late: bool) -> Record:
    """The record of a run that is over: its own, or what is known of one that wrote none."""
    job = one.job
    found = records.load(job.files.result)
    if found is not None and found.digest == job.digest and found.outcome is not Outcome.RUNNING:
        return found
    known = found if found is not None and found.digest == job.digest else job.record(Outcome.DIED)
    if late:
        made = replace(known, outcome=Outcome.TIMED_OUT, message=f"stopped after {seconds:.0f} s", seconds=seconds)
    else:
        made = replace(known, outcome=Outcome.DIED, message=_death(one.process.exitcode), seconds=seconds)
    records.save(made, job.files.result)
    return made


def _death(code: int) -> str:
    if code >= 0:
        return f"the process left with exit code {code} and without a result"
    with contextlib.suppress(ValueError):
        return f"the process was killed by {signal.Signals(-code).name}"
    return f"the process was killed by signal {-code}"


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """What processes started now inherit: one thread, and one order of sets in every process."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
