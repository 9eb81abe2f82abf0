"""One run, in a process of its own: seeds, the user's function, and the record of how it ended."""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import platform
import random
import signal
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from initrules import __version__
from initrules.ablation.records import Files, Outcome, Record, code_digest, save
from initrules.ablation.study import Arm

FLUSH_SECONDS = 1.0  # how much of its curves a run that is killed may lose
THREAD_SECONDS = 5.0  # that threads have to end after their run


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is to be made."""

    train: str
    arm: Arm
    seed: int
    metrics: tuple[str, ...]
    digest: str
    files: Files
    allow: tuple[str, ...] = ()

    def record(self, outcome: Outcome, message: str = "", seconds: float = 0.0) -> Record:
        """A record without results."""
        return Record(self.arm.name, self.seed, self.digest, outcome, message, seconds)


def run(job: Job) -> None:
    """Make a run and write its record; the target of a new process."""
    _end_with_parent()
    began = time.perf_counter()
    job.files.log.parent.mkdir(parents=True, exist_ok=True)
    with _printing_to(job.files.log):
        with job.files.curves.open("w", encoding="utf-8") as lines:
            found = _recorded(job, lines)
        save(replace(found, seconds=time.perf_counter() - began), job.files.result)
        _leave()


def _leave() -> None:
    """End the process although threads that training has left behind still run; they have some seconds to end."""
    end = time.monotonic() + THREAD_SECONDS
    left = [one for one in threading.enumerate() if one is not threading.current_thread() and not one.daemon]
    for thread in left:
        thread.join(max(0.0, end - time.monotonic()))
    alive = [thread.name for thread in left if thread.is_alive()]
    if alive:
        print(f"stopped with threads that still ran: {', '.join(alive)}", flush=True)  # noqa: T201  # into the log
        os._exit(0)


def _end_with_parent() -> None:
    """Lead a group of processes, and leave with it when the process that started this one is gone."""
    if hasattr(os, "setsid"):
        os.setsid()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: Any) -> None:
    parent.join()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


@contextlib.contextmanager
def _printing_to(file: Path) -> Iterator[None]:
    """Send what is printed to a file, also by C code and child processes."""
    with file.open("w", encoding="utf-8", buffering=1, errors="backslashreplace") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield


def _recorded(job: Job, lines: TextIO) -> Record:
    from initrules.ablation.training import Initialise, Log  # noqa: PLC0415  # torch
    from initrules.errors import RuleError  # noqa: PLC0415
    from initrules.factory import function  # noqa: PLC0415

    _seed_all(job.seed)
    log = Log(_keeper(lines))
    found = job.record(Outcome.RAISED)
    starts: list[dict[str, Any]] = []
    try:
        train = function(job.train)
        found = replace(found, code=users_code(), versions=_versions())
        save(replace(found, outcome=Outcome.RUNNING), job.files.result)  # what is known if it is killed
        _seed_all(job.seed)  # whatever importing has drawn
        initialise = Initialise(job.arm, job.seed, starts.append, allow=job.allow)
        found = judged(found, job.metrics, train(initialise, job.seed, log, **job.arm.options))
    except BaseException as error:  # noqa: BLE001  # a run that leaves is a run that failed
        traceback.print_exc()
        said = str(error) if isinstance(error, RuleError) else f"{type(error).__name__}: {error}"
        found = replace(found, outcome=Outcome.RAISED, message=said)
    code = users_code() if found.code else {}  # it may have imported more
    return replace(found, starts=tuple(starts), outputs=log.first_outputs, code=code)


def _keeper(lines: TextIO) -> Callable[[float, Mapping[str, float | None]], None]:
    """Writes each logged line, and to the disk at least every second."""
    flushed = time.monotonic()

    def keep(step: float, values: Mapping[str, float | None]) -> None:
        nonlocal flushed
        lines.write(json.dumps([step, values], allow_nan=False) + "\n")
        if time.monotonic() - flushed > FLUSH_SECONDS:
            lines.flush()
            flushed = time.monotonic()

    return keep


def judged(run: Record, wanted: Sequence[str], returned: Any) -> Record:
    """The record of a run by what its function returned."""
    if not isinstance(returned, Mapping):
        kind = "None" if returned is None else f"a {type(returned).__name__}"
        return replace(run, outcome=Outcome.INCOMPLETE, message=f"train returned {kind}, not a dict")
    numbers = {str(name): _number(value) for name, value in returned.items()}
    known = {name: value for name, value in numbers.items() if value is not None}
    kept = replace(
        run,
        outcome=Outcome.FINISHED,
        metrics={name: _finite(known[name]) for name in wanted if name in known},
        others={name: _finite(value) for name, value in known.items() if name not in wanted},
    )
    lacking = [f"metric '{name}' is {'no number' if name in numbers else 'missing'}"
               for name in wanted if name not in known]  # fmt: skip
    if lacking:
        return replace(kept, outcome=Outcome.INCOMPLETE, message=", ".join(lacking))
    wild = [f"metric '{name}' is {known[name]}" for name in wanted if not math.isfinite(known[name])]
    return replace(kept, outcome=Outcome.DIVERGED, message=", ".join(wild)) if wild else kept


def _number(value: Any) -> float | None:
    """A number, or a tensor or array with one entry; None for anything else."""
    try:
        return float(value.item()) if hasattr(value, "item") else float(value) if not isinstance(value, str) else None
    except (TypeError, ValueError, RuntimeError):
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _seed_all(seed: int) -> None:
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # the generator that training may use without saying so
    random.seed(seed)


def users_code() -> dict[str, str]:
    """The files of all modules that are neither Python's, installed, nor ours, with their digests."""
    folders = [sysconfig.get_paths()[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    others = [Path(folder).resolve() for folder in folders] + [Path(__file__).resolve().parents[1]]
    found = {}
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        file = Path(name).resolve() if isinstance(name, str) and name.endswith(".py") else None
        if file is None or module.__name__ == "__mp_main__" or {"site-packages", "dist-packages"} & {*file.parts}:
            continue
        if not any(file.is_relative_to(one) for one in others):
            found[str(file)] = code_digest(str(file))
    return {file: digest for file, digest in sorted(found.items()) if digest}  # some modules only claim a file


def _versions() -> dict[str, str]:
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    return {"initrules": __version__, "python": platform.python_version(), "torch": torch.__version__,
            "numpy": np.__version__}  # fmt: skip
