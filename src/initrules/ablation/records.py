"""What is kept of each run, in files: written whole or not at all, and used again only while nothing changed.

A run has two files, ``ARM/SEED.json`` with its result and ``ARM/SEED.curves`` with one line of JSON for each
call of ``log``, and beside them ``ARM/SEED.log`` with what it printed. The result is written last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from initrules import __version__, presets
from initrules.ablation.study import Arm, Study
from initrules.errors import ApplyError
from initrules.ruleset import RuleSet

VERSION = 1
Series = tuple[tuple[float, float | None], ...]  # (step, value); None where it was not finite


class Outcome(enum.StrEnum):
    """How a run ended; all but ``finished`` have no result."""

    RUNNING = "running"  # or it was killed, and the program that started it too
    FINISHED = "finished"
    RAISED = "raised"
    DIVERGED = "diverged"  # a metric is NaN or infinite
    INCOMPLETE = "incomplete"  # a metric is missing, or no number
    TIMED_OUT = "timed out"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Record:
    """One run. ``metrics``: by name, None where not finite; ``others``: what else it returned.

    ``starts``: how each parameter started; ``outputs``: the range of each output before the first step.
    ``code``: the user's files that it ran, with their digests. ``seconds``: wall clock.
    """

    arm: str
    seed: int
    digest: str
    outcome: Outcome
    message: str = ""
    seconds: float = field(default=0.0, compare=False)
    metrics: Mapping[str, float | None] = field(default_factory=dict, hash=False)
    others: Mapping[str, Any] = field(default_factory=dict, hash=False)
    starts: tuple[Mapping[str, Any], ...] = ()
    outputs: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict, hash=False)
    code: Mapping[str, str] = field(default_factory=dict, hash=False)
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self.outcome is Outcome.FINISHED


@dataclass(frozen=True, slots=True)
class Files:
    """Where the files of one run lie."""

    result: Path
    curves: Path
    log: Path

    @classmethod
    def of(cls, folder: Path, arm: str, seed: int) -> Files:
        """Those of an arm and a seed below the folder of a study."""
        base = folder / "runs" / arm
        return cls(base / f"{seed}.json", base / f"{seed}.curves", base / f"{seed}.log")


def save(record: Record, file: Path) -> None:
    """Write the result of a run, atomically."""
    data = {"initrules-run": VERSION, **dataclasses.asdict(record)}
    write(file, json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write(file: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and make its folder. Raises ``ApplyError``."""
    data = content.encode() if isinstance(content, str) else content
    temporary: str | None = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except OSError as error:
        raise ApplyError(f"'{file}' cannot be written: {error.strerror}", hint="Choose another place.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


def compact(data: Any) -> str:
    """Data as JSON with one line for each innermost list, for files that people compare."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[[^\[\]{}]*\]", lambda match: re.sub(r"\s+", " ", match[0]), text) + "\n"


def load(file: Path) -> Record | None:
    """The result of a run, or None when there is none that can be read."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data.pop("initrules-run") != VERSION:
            return None
        return Record(**{**data, "outcome": Outcome(data["outcome"]), "starts": tuple(data["starts"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def curves(file: Path) -> dict[str, Series]:
    """What a run logged, by name; a last line that was cut off is left out."""
    found: dict[str, list[tuple[float, float | None]]] = {}
    with contextlib.suppress(OSError), file.open(encoding="utf-8") as lines:
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                step, values = json.loads(line)
                for name, value in values.items():
                    found.setdefault(name, []).append((step, value))
    return {name: tuple(points) for name, points in found.items()}


def digest(study: Study, arm: Arm, seed: int, rules: RuleSet | None) -> str:
    """What the numbers of a run depend on, but for the code: that is only known once it has run."""
    parts = {
        "train": study.train,
        "metrics": [metric.name for metric in study.metrics],
        "arm": [arm.name, arm.variables, arm.options, arm.rules],
        "seed": seed,
        "rules": [_file_digest(file) for file in rules.files] if rules else [],
        "sources": [[name, _file_digest(path)] for name, path in sorted(_sources(arm, rules).items())],
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sources(arm: Arm, rules: RuleSet | None) -> dict[str, str]:
    """The files of the checkpoints of an arm's rules."""
    known = rules.sources.values() if rules else ()
    return {**{one.name: str(Path(one.span.file).parent / one.file) for one in known}, **arm.sources}


def _file_digest(file: str) -> str:
    if file.startswith(presets.PREFIX):
        return hashlib.sha256(presets.text(file.removeprefix(presets.PREFIX)).encode()).hexdigest()
    return code_digest(file)


def code_digest(file: str) -> str:
    """The digest of a file's content; empty where there is no such file."""
    try:
        with Path(file).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def reusable(record: Record, wanted: str, time_limit: float) -> bool:
    """Whether a run need not be made again: same arm, seed, rules and code, and no more time than it had.

    What died may have met a full memory, and is tried again; so is code that could not be imported.
    """
    if record.digest != wanted or record.outcome in {Outcome.RUNNING, Outcome.DIED} or not record.code:
        return False
    if record.outcome is Outcome.TIMED_OUT and record.seconds < time_limit:
        return False
    return all(code_digest(file) == known for file, known in record.code.items())
