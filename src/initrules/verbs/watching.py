"""Show plans again each time a rule file or a checkpoint is saved: ``plan --watch``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click
from rich.console import Console

from initrules.errors import RuleError, printable
from initrules.verbs.building import FINE, complain

_PAUSE = 0.05  # seconds between two looks at the files

_Stamps = dict[str, tuple[int, int, int] | None]


def watch(names: Sequence[str], render: Callable[[set[str]], object]) -> int:
    """Call ``render`` now and after each change of a file that it adds to the set that it gets, until Ctrl-C.

    A file that cannot be read is complained about, and looked at again when it changes. The model
    is not built again: ``render`` keeps it.
    """
    files = set(names)
    try:
        while True:
            seen = _stamps(files)  # before they are read, so that no change in between is missed
            files = _rendered(names, render, files)
            click.echo(f"watching {', '.join(map(printable, sorted(files)))}; Ctrl-C ends it", err=True)
            _wait(files, _stamps(files) | {file: seen[file] for file in files & seen.keys()})
    except KeyboardInterrupt:
        return FINE


def _rendered(names: Sequence[str], render: Callable[[set[str]], object], before: Iterable[str]) -> set[str]:
    """Every file that matters now: after an error those from before and those that it names."""
    console = Console()
    if console.is_terminal:
        console.clear()
    read = set(names)
    try:
        render(read)
    except RuleError as error:
        complain(error)
        return {*before, *read, *(problem.span.file for problem in error.problems if problem.span)}
    return read


def _wait(files: Iterable[str], seen: _Stamps) -> None:
    """Until something has changed, and then has stayed as it is for a moment: a file may be half written."""
    now = _stamps(files)
    while now == seen:
        time.sleep(_PAUSE)
        now = _stamps(files)
    while now != seen:
        time.sleep(_PAUSE)
        seen, now = now, _stamps(files)


def _stamps(files: Iterable[str]) -> _Stamps:
    return {file: _stamp(Path(file)) for file in files}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What changes with each save; None for what is not there, as a preset."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
