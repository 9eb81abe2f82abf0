"""The rule files that ship with the package, reachable as ``preset:NAME``."""

from __future__ import annotations

from pathlib import Path

from initrules.errors import ExtendsError, suggestion
from initrules.source import Span

PREFIX = "preset:"


def folder() -> Path:
    """Where the shipped rule files lie: in the wheel, or in a source tree."""
    installed = Path(__file__).parent / "presets"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "rules"


def names() -> tuple[str, ...]:
    """The names of all shipped rule files, sorted."""
    root = folder()
    return tuple(sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml")))


def text(name: str, span: Span | None = None) -> str:
    """The text of one shipped rule file. Raises ``ExtendsError`` for an unknown name."""
    known = names()
    if name not in known:
        raise ExtendsError(f"unknown preset '{name}'", span, suggestion(name, known))
    return (folder() / f"{name}.yaml").read_text(encoding="utf-8")
