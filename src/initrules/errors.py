"""What can be wrong, where, and the way out.

A ``Finding`` is data: reports print it and ``Plan`` carries it. A ``RuleError`` is a finding that
stops the work; its class says what went wrong. Messages are lower case without a full stop, names
stand in quotes; a hint is a sentence.
"""

from __future__ import annotations

import difflib
import enum
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from initrules.source import Span

_EXCERPT_WIDTH = 100
_MESSAGE_WIDTH = 700


class Severity(enum.StrEnum):
    """How much a finding matters: only an error stops ``apply``."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for an error, 1 for a warning, 2 for information: sorts the worst first."""
        return ("error", "warning", "info").index(self.value)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing about a rule file or a plan, with its place and the way out."""

    code: str
    severity: Severity
    message: str
    span: Span | None = None
    hint: str | None = None
    rule: str | None = None
    parameters: Sequence[str] = ()

    def __str__(self) -> str:
        return describe(self.message, self.span, self.hint)


class RuleError(Exception):
    """Something that no plan can be made from; the fields hold the facts."""

    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, span: Span | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.span = span
        self.hint = hint

    def __str__(self) -> str:
        return describe(self.message, self.span, self.hint)

    @property
    def problems(self) -> tuple[RuleError, ...]:
        """The single problems in this error: itself, unless it gathers several."""
        return (self,)

    def finding(self) -> Finding:
        """The same facts as data, at severity error."""
        return Finding(self.code, Severity.ERROR, self.message, self.span, self.hint)


class DocumentSyntaxError(RuleError):
    """Text that is not YAML, or uses a part of YAML that rule files leave out."""

    code = "syntax"


class SchemaError(RuleError):
    """A key, type or choice that the format does not have."""

    code = "schema"


class PatternSyntaxError(RuleError):
    """A glob or regular expression that cannot be read."""

    code = "pattern"


class SelectorSyntaxError(RuleError):
    """A selector whose keys do not fit together."""

    code = "selector"


class ExpressionError(RuleError):
    """An expression that cannot be read, or names something that does not exist."""

    code = "expression"


class EvaluationError(ExpressionError):
    """An expression that has no finite value for this parameter."""

    code = "evaluation"


class ActionError(RuleError):
    """An action that does not exist, or arguments it cannot take."""

    code = "action"


class ExtendsError(RuleError):
    """A file that cannot be extended: missing, outside the folder tree, or a circle."""

    code = "extends"


class NameClashError(RuleError):
    """A name that is used twice, or that is not there to be removed or unlocked."""

    code = "name"


class SourceError(RuleError):
    """A checkpoint that is missing, unreadable, unsafe, or not allowed to be read."""

    code = "source"


class ModelError(RuleError):
    """A model that cannot be built or read."""

    code = "model"


class ApplyError(RuleError):
    """A write that was refused before it began, or did not arrive."""

    code = "apply"


class Problems(RuleError):  # noqa: N818  # it gathers errors
    """Every problem found, at once."""

    def __init__(self, problems: Iterable[RuleError]) -> None:
        self._problems = tuple(p for group in problems for p in group.problems)
        super().__init__(f"{len(self.problems)} problems")

    @property
    def problems(self) -> tuple[RuleError, ...]:
        """The problems in the order in which they stand in the files, each once."""
        once = {(p.message, p.span, p.hint): p for p in self._problems}
        return tuple(sorted(once.values(), key=_place_order))

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def _place_order(problem: RuleError) -> tuple[bool, str, int, int]:
    span = problem.span
    return (False, span.file, span.line, span.column) if span else (True, "", 0, 0)


def describe(message: str, span: Span | None, hint: str | None) -> str:
    """Put a problem into lines: place and message, the source line with a mark, the way out."""
    said = _bounded(printable(message))
    lines = [said] if span is None else [f"{printable(span.place)}: {said}", *_excerpt(span)]
    if hint:
        lines.append(f"  {_bounded(printable(hint))}")
    return "\n".join(lines)


def _bounded(text: str) -> str:
    return text if len(text) <= _MESSAGE_WIDTH else f"{text[: _MESSAGE_WIDTH - 100]} … {text[-97:]}"


def _excerpt(span: Span) -> list[str]:
    text = span.line_text
    if not text.strip():
        return []
    start = len(text) - len(text.lstrip())
    if span.column - 1 - start > _EXCERPT_WIDTH - 20:
        start = max(start, span.column - 21)
    shown = text[start : start + _EXCERPT_WIDTH].rstrip()
    offset = max(0, span.column - 1 - start)
    before, marked = printable(shown[:offset]), printable(shown[offset : offset + max(1, span.width)])
    return [f"    {printable(shown)}", f"    {' ' * _cells(before)}{'^' * max(1, _cells(marked))}"]


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def printable(text: str) -> str:
    """Escape what does not print, line breaks too, so that a name from a file cannot drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def nearest(word: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The choice that ``word`` most likely meant, or None."""
    pool = sorted(set(choices))
    by_lower = {choice.lower(): choice for choice in pool}
    found = difflib.get_close_matches(word.lower()[:200], by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def suggestion(word: str, choices: Sequence[str] | Iterable[str]) -> str:
    """The hint for an unknown word: the nearest choice, or all of them when there are few."""
    pool = sorted(set(choices))
    near = nearest(word, pool)
    if near is not None:
        return f"Did you mean '{near}'?"
    if not pool:
        return "There is nothing to choose from here."
    shown = ", ".join(f"'{choice}'" for choice in pool[:20])
    more = f" and {len(pool) - 20} more" if len(pool) > 20 else ""
    return f"Choose one of {shown}{more}." if len(pool) > 1 else f"The only choice is {shown}."
