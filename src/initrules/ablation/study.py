"""Studies as typed, frozen data; every problem of a study file at once, with its place."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from initrules import plugins, ruleset, structure
from initrules.ablation.schema import STUDY_VERSION, VERSION_KEY, file_schema
from initrules.document import MAX_CHARACTERS, MappingNode, Node, Plain, ScalarNode, parse, plain
from initrules.errors import ModelError, NameClashError, Problems, RuleError, SchemaError, suggestion
from initrules.presets import PREFIX
from initrules.ruleset import RuleSet

DEFAULT_SEEDS = 10
DEFAULT_LIMIT = 3600.0


@dataclass(frozen=True, slots=True)
class Arm:
    """One thing that is compared. ``rules``: a file or ``preset:NAME``, or None for the model as built."""

    name: str
    rules: str | None = None
    variables: Mapping[str, Plain] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)
    options: Mapping[str, Plain] = field(default_factory=dict, hash=False)
    about: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that each run returns. ``failed``: what counts for a run that has none."""

    name: str
    higher_is_better: bool
    failed: float | None = None
    about: str = ""

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1: times this, higher is always better."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True, slots=True)
class Curve:
    """How the logged numbers whose names a glob meets are drawn."""

    glob: str
    log_scale: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """What is trained, with which rules, how often, and what is measured.

    ``train``: ``file.py:function`` or ``package.module:function``. ``time_limit``: seconds for one run.
    ``metrics``: the first is the main one. ``quick``: whether it is as its file's ``quick`` section says.
    Paths are relative to the current folder.
    """

    train: str
    arms: tuple[Arm, ...]
    metrics: tuple[Metric, ...]
    baseline: str
    seeds: tuple[int, ...] = tuple(range(DEFAULT_SEEDS))
    time_limit: float = DEFAULT_LIMIT
    curves: tuple[Curve, ...] = ()
    about: str = ""
    file: str = "study"
    quick: bool = False

    @property
    def label(self) -> str:
        """What tells it from other studies whose runs lie in the same place."""
        return f"{Path(self.file).absolute()}{' --quick' if self.quick else ''}"

    @property
    def others(self) -> tuple[Arm, ...]:
        """The arms that are compared with the baseline."""
        return tuple(arm for arm in self.arms if arm.name != self.baseline)

    def with_seeds(self, count: int) -> Study:
        """The same study with the seeds 0 to ``count`` - 1."""
        return replace(self, seeds=tuple(range(count)))


def load(path: str | os.PathLike[str], *, quick: bool = False) -> Study:
    """Read a study file; ``quick``: with what its ``quick`` section changes. Raises ``Problems``."""
    file = str(path)
    try:
        with Path(file).open(encoding="utf-8") as stream:
            text = stream.read(MAX_CHARACTERS + 1)
    except FileNotFoundError:
        raise ModelError(f"there is no file '{file}'", hint="Name a study file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"'{file}' cannot be read: {error}", hint="Name a study file, in UTF-8.") from None
    return read(text, file, quick=quick)


def read(text: str, file: str, *, quick: bool = False) -> Study:
    """Read a study from a string; paths in it are relative to ``file``. Raises ``Problems``."""
    root = parse(text, file, first=f"{VERSION_KEY}: {STUDY_VERSION}")
    problems: list[RuleError] = [problem for problem, _ in structure.departures(root, file_schema())]
    if problems:  # every value below has its type then
        raise Problems(problems)
    problems += _clashes(root, quick=quick)
    if problems:
        raise Problems(problems)
    given = _mapping(plain(root))
    changed = _mapping(given.get("quick")) if quick else {}
    options = {**_mapping(given.get("options")), **_mapping(changed.get("options"))}
    arms = tuple(_arm(name, _mapping(arm), options, file) for name, arm in given["arms"].items())
    limit = changed.get("time_limit", given.get("time_limit", DEFAULT_LIMIT))
    return Study(
        train=beside(file, given["train"]),
        arms=arms,
        metrics=tuple(_metric(name, metric) for name, metric in given["metrics"].items()),
        baseline=given.get("baseline", arms[0].name),
        seeds=_seeds(changed.get("seeds", given.get("seeds", DEFAULT_SEEDS))),
        time_limit=float(limit),
        curves=tuple(
            Curve(glob, curve.get("scale") == "log", curve.get("about", ""))
            for glob, curve in _mapping(given.get("curves")).items()
        ),
        about=given.get("about", ""),
        file=file,
        quick=quick,
    )


def rules_of(arm: Arm, allow: Sequence[str] = ()) -> RuleSet | None:
    """The rules of an arm with its variables, or None for the model as built. Raises ``Problems``."""
    if arm.rules is None:
        return None
    loaded = ruleset.load(arm.rules, allow=allow, tables=plugins.tables())
    return loaded.with_variables(arm.variables, origin=f"arm {arm.name}") if arm.variables else loaded


def _clashes(root: MappingNode, *, quick: bool) -> Iterator[RuleError]:
    """What no schema can say: names that are not there, seeds that are there twice."""
    arms, baseline = root.get("arms"), root.get("baseline")
    names = [key.text for key, _ in arms.entries] if isinstance(arms, MappingNode) else []
    if isinstance(baseline, ScalarNode) and baseline.text not in names:
        yield NameClashError(f"there is no arm '{baseline.text}'", baseline.span, suggestion(baseline.text, names))
    train = root.get("train")
    if isinstance(train, ScalarNode) and not re.fullmatch(r".+:[^:\s]+", train.text):
        hint = "Write 'file.py:function' or 'package.module:function'."
        yield SchemaError(f"'{train.text}' names no function", train.span, hint)
    if quick and root.get("quick") is None:
        hint = "Add 'quick: {seeds: 2}', for example."
        yield NameClashError("the study has no 'quick' section", root.span, hint)
    for section in (root, root.get("quick")):
        seeds = section.get("seeds") if isinstance(section, MappingNode) else None
        values = plain(seeds) if seeds is not None else None
        if isinstance(values, list) and len(set(map(str, values))) < len(values):
            assert seeds is not None
            yield SchemaError("a seed stands twice in 'seeds'", seeds.span, "Name each seed once.")
    metrics = root.get("metrics")
    for metric in (node for _, node in metrics.entries) if isinstance(metrics, MappingNode) else ():
        failed = metric.get("failed") if isinstance(metric, MappingNode) else None
        if failed is not None and not math.isfinite(float(str(plain(failed)))):
            yield SchemaError("'failed' must be finite", failed.span, "Give the worst value that a run can have.")
    for arm in (node for _, node in arms.entries) if isinstance(arms, MappingNode) else ():
        yield from _idle_keys(arm)


def _idle_keys(arm: Node) -> Iterator[RuleError]:
    """Keys that change rules, in an arm without rules."""
    if isinstance(arm, MappingNode) and arm.get("rules") is None:
        for key, _ in arm.entries:
            if key.text in {"vars", "sources"}:
                yield SchemaError(f"'{key.text}' in an arm without rules", key.span, "Add 'rules: FILE.yaml'.")


def _arm(name: str, given: Mapping[str, Any], options: Mapping[str, Plain], file: str) -> Arm:
    rules = given.get("rules")
    return Arm(
        name=name,
        rules=None if rules is None else beside(file, rules),
        variables=_mapping(given.get("vars")),
        sources={source: beside(file, path) for source, path in _mapping(given.get("sources")).items()},
        options={**options, **_mapping(given.get("options"))},
        about=given.get("about", ""),
    )


def _metric(name: str, given: Mapping[str, Any]) -> Metric:
    failed = given.get("failed")
    worst = None if failed is None else float(failed)
    return Metric(name, given["better"] == "higher", worst, given.get("about", ""))


def _seeds(given: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(range(given)) if isinstance(given, int) else tuple(given)


def _mapping(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def beside(file: str, name: str) -> str:
    """A name in a study file: relative to that file, unless it is a preset or a package's function."""
    where, colon, function = name.rpartition(":")
    if name.startswith(PREFIX) or (colon and not where.endswith(".py")):
        return name
    path = os.path.normpath(Path(file).parent / (where or name))
    return f"{path}{colon}{function}" if colon else path
