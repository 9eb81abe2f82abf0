"""The cases of this folder: reference initialisers, rule files for them, and what compares the two."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import initrules
from initrules import ruleset
from initrules.ruleset import RuleSet

HERE = Path(__file__).parent
REFERENCE = HERE / "reference"
MORE = HERE / "more"


def imported(path: Path) -> Any:
    """A file of this folder as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(folder: Path) -> list[str]:
    """The cases of a folder: each is a Python file with ``build`` and ``reference_init``."""
    return sorted(path.stem for path in folder.glob("*_*.py"))


def rules_of(path: Path) -> RuleSet:
    """A rule file of this folder; an overlay may read the file above it."""
    return ruleset.load(path, allow=[HERE])


def initialiser(rules: RuleSet) -> Callable[[Any, int], None]:
    """What ``compare`` takes as a candidate."""

    def init(model: Any, seed: int) -> None:
        initrules.apply_(model, rules, seed=seed)

    return init
