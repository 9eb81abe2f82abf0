"""Runs a study: what is finished is kept, the rest is made, and all of it is summed up and written down."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from initrules.ablation import pool, records, tables
from initrules.ablation.page import page
from initrules.ablation.records import Files, Record
from initrules.ablation.study import Study, load, rules_of
from initrules.ablation.summary import Results
from initrules.ablation.worker import Job
from initrules.errors import ApplyError, ModelError, Problems, RuleError

Told = Callable[[Record], None]


def ablate(
    study: Study | str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    quick: bool = False,
    jobs: int | None = None,
    retry: bool = False,
    allow: Sequence[str] = (),
    on_run: Told | None = None,
) -> Results:
    """Train every arm of a study with every seed, and compare the arms.

    ``study``: a study file, or a ``Study``; ``quick``: as the file's ``quick`` section says. ``output``: a folder,
    by default the study's name with ``-results`` in the current folder; finished runs that lie there are used
    again while arm, seed, rules and code are the same, and ``retry`` makes those again that have no result.
    ``jobs``: how many runs at a time, by default one per core. ``allow``: folders that rule files may read
    besides their own. ``on_run`` is told of each run as it ends. Raises ``RuleError`` before the first run for
    everything that can be known then.
    """
    made = study if isinstance(study, Study) else load(study, quick=quick)
    folder = Path(output) if output is not None else default_folder(made)
    asked = prepared(made, folder, allow)
    if jobs is not None and jobs < 1:
        raise ModelError(f"{jobs} runs at a time are too few", hint="Give at least 1.")
    kept = {key: found for key, job in asked.items() if (found := _kept(job, made.time_limit, retry=retry))}
    with _alone_in(folder, made.label):
        missing = [job for key, job in asked.items() if key not in kept]
        for record in kept.values():
            (on_run or _nothing)(record)
        fresh = dict(kept)

        def done(record: Record) -> None:
            fresh[record.arm, record.seed] = record
            (on_run or _nothing)(record)

        pool.run_all(missing, workers=jobs or pool.cores(), time_limit=made.time_limit, on_done=done)
        results = Results(made, tuple(fresh[arm.name, seed] for arm in made.arms for seed in made.seeds), folder)
        write(results)
    return results


def default_folder(study: Study) -> Path:
    """Where the files of a study go when nothing else is said."""
    return Path(f"{Path(study.file).stem}{'-quick' if study.quick else ''}-results")


def prepared(study: Study, folder: Path, allow: Sequence[str]) -> dict[tuple[str, int], Job]:
    """Every run of a study, seeds first, so that an unfinished study has pairs. Raises ``Problems``."""
    loaded, problems = {}, list[RuleError]()
    code = study.train.rpartition(":")[0]
    if code.endswith(".py") and not Path(code).is_file():
        problems.append(ModelError(f"there is no file '{code}'", hint="'train' names it, relative to the study."))
    for arm in study.arms:
        try:
            loaded[arm.name] = rules_of(arm, allow)
        except RuleError as error:
            problems += error.problems
    if problems:
        raise Problems(problems)
    names = tuple(metric.name for metric in study.metrics)
    return {
        (arm.name, seed): Job(
            study.train, arm, seed, names, records.digest(study, arm, seed, loaded[arm.name]),
            Files.of(folder, arm.name, seed), tuple(map(str, allow)),
        )
        for seed in study.seeds for arm in study.arms
    }  # fmt: skip


def _kept(job: Job, time_limit: float, *, retry: bool) -> Record | None:
    found = records.load(job.files.result)
    if found is None or not records.reusable(found, job.digest, time_limit) or (retry and not found.finished):
        return None
    return found


@contextlib.contextmanager
def _alone_in(folder: Path, label: str) -> Iterator[None]:
    """Keep a second program, and another study, from making runs in the same place. Raises ``ApplyError``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        hint = "Choose another folder with --output."
        raise ApplyError(f"'{folder}' cannot be written to: {error.strerror}", hint=hint) from error
    with lock:
        _lock(lock, folder)
        lock.seek(0)
        known = lock.read() or label
        if known != label:
            hint = "Choose another folder with --output, or remove this one."
            raise ApplyError(f"'{folder}' holds the runs of another study, '{known}'", hint=hint)
        lock.truncate(0)
        lock.write(label)
        lock.flush()
        yield


def _lock(lock: TextIO, folder: Path) -> None:
    try:
        import fcntl  # noqa: PLC0415  # not on Windows
    except ImportError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        hint = "Wait for it, or choose another folder with --output."
        raise ApplyError(f"another study is at work in '{folder}'", hint=hint) from None


def write(results: Results) -> None:
    """Write the tables beside the runs."""
    data = json.dumps(tables.as_json(results), indent=1, ensure_ascii=False, allow_nan=False)
    records.write(results.folder / "results.json", data + "\n")
    records.write(results.folder / "runs.csv", tables.runs_csv(results))
    records.write(results.folder / "index.html", page(results))
    records.write(results.folder / "summary.csv", tables.summary_csv(results))


def _nothing(_: Record) -> None:
    """Tell nobody."""
