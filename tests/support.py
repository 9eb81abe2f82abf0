"""Small helpers that many tests share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch

from initrules import planning, ruleset
from initrules.planning import PlanData
from initrules.survey import survey

P = ParamSpec("P")
R = TypeVar("R")


@contextlib.contextmanager
def isolation(seed: int = 0) -> Iterator[None]:
    """Run with torch's global generator seeded, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def isolated(build: Callable[P, R]) -> Callable[P, R]:
    """A model factory that leaves torch's global random state alone."""

    @functools.wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> R:
        with isolation():
            return build(*args, **kwargs)

    return built


def planned(rules: str, model: Any, **variables: object) -> PlanData:
    """Plan ``model`` by the body of a rule file; the line ``initrules: 1`` is added."""
    loaded = ruleset.from_text(f"initrules: 1\n{rules}", "rules.yaml")
    if variables:
        loaded = loaded.with_variables(variables)
    return planning.make(loaded, survey(model))


def planned_files(folder: Path, model: Any, **files: str) -> PlanData:
    """Plan by the last of these files, each given by its body as ``name="..."``, written to ``name.yaml``."""
    for name, body in files.items():
        (folder / f"{name}.yaml").write_text(f"initrules: 1\n{body}", encoding="utf-8")
    return planning.make(ruleset.load(folder / f"{[*files][-1]}.yaml"), survey(model))


def winners(plan: PlanData, prop: str = "set") -> dict[str, str]:
    """For each parameter that anyone decides: the rule that wins it."""
    return {row.path: row.decisions[prop].rule for row in plan.rows if prop in row.decisions}


def messages(plan: PlanData, code: str) -> list[str]:
    """The whole texts of the findings with this code."""
    return [str(finding) for finding in plan.findings if finding.code == code]


def place(body: str, word: str) -> str:
    """Where the first occurrence of ``word`` in the body given to ``planned`` stands."""
    before = f"initrules: 1\n{body}"[: f"initrules: 1\n{body}".index(word)]
    return f"rules.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
