"""Findings about parameters: one for each problem, however many parameters have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from initrules.errors import Finding, Severity
from initrules.source import Span

SHOWN = 5

# From the names of some parameters to those of all for which they stand.
Spread: TypeAlias = Callable[[Iterable[str]], Sequence[str]]


def listed(paths: Sequence[str]) -> str:
    """A few names in quotes, and how many more there are."""
    shown = ", ".join(f"'{path}'" for path in paths[:SHOWN])
    return shown if len(paths) <= SHOWN else f"{shown} and {len(paths) - SHOWN} more"


class Gathered:
    """Collects problems of single parameters; those that say the same become one finding."""

    def __init__(self) -> None:
        self._found: dict[tuple[Finding, str], dict[str, None]] = {}

    def add(self, problem: Finding, path: str, after: str = "") -> None:
        """Note that ``path`` has this problem; its message is continued by the names and ``after``."""
        self._found.setdefault((problem, after), {})[path] = None

    def findings(self, spread: Spread = tuple) -> tuple[Finding, ...]:
        """One finding for each problem, with all parameters that have it, or for which one stands that has it."""
        every = [(one, after, spread(paths)) for (one, after), paths in self._found.items()]
        return tuple(
            Finding(
                one.code, one.severity, f"{one.message} {listed(paths)}{after}", one.span, one.hint, one.rule, paths
            )
            for one, after, paths in every
        )


def error(code: str, message: str, span: Span | None, hint: str | None, rule: str) -> Finding:
    """An error about some parameter of a rule."""
    return Finding(code, Severity.ERROR, message, span, hint, rule)
