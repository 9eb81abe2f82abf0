"""Globs and regular expressions over dotted names, matched in linear time.

A glob is anchored and its segments are split on ``.``::

    *          one segment, or part of one          [0-9] [!ab]   one character
    **         zero or more whole segments          {a,b} {0..11} alternatives, ranges
    ?          one character                        <layer>       digits, bound as a number

``re:`` begins a regular expression that must match the whole name; its named groups are bound too.
Both become RE2 expressions, so that no pattern can make the tool hang.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import re2

from initrules.errors import PatternSyntaxError
from initrules.source import Span

Capture: TypeAlias = "int | str"

MAX_PATTERN = 1000
MAX_RANGE = 10_000
MAX_BRACES = 20

_SPECIAL = frozenset("*?[]{}<>")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One compiled pattern; ``names`` are what it binds."""

    text: str
    regex: str = field(compare=False)
    names: tuple[str, ...] = field(compare=False)
    literal: bool = field(compare=False)
    span: Span = field(compare=False)
    starred: bool = field(default=False, compare=False)  # a lone '*' is one segment, and the root has none

    def match(self, name: str) -> dict[str, Capture] | None:
        """What the pattern binds when it matches the whole of ``name``, or None."""
        if self.literal:
            return {} if name == self.text else None
        found = _engine(self.regex).fullmatch(name)
        if found is None or (not name and self.starred):
            return None
        return {key: _bound(text) for key, text in found.groupdict().items() if text is not None}

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class TypePattern:
    """A class name: bare or qualified, sub-classes included unless ``exact``."""

    pattern: Pattern
    exact: bool
    qualified: bool

    def __str__(self) -> str:
        return ("=" if self.exact else "") + self.pattern.text


def path_pattern(text: str, span: Span) -> Pattern:
    """A pattern over a whole path. Raises ``PatternSyntaxError``."""
    if text.startswith("re:"):
        return _regex(text, span)
    regex, names = _Glob(text, span).translate()
    # Matched against "a.b.c" itself: the first segment has no dot before it.
    lone_star = "*" in text.replace("**", "")
    return Pattern(text, _undotted(regex), names, not _SPECIAL & set(text), span, starred=lone_star)


def name_pattern(text: str, span: Span) -> Pattern:
    """A pattern over one segment. Raises ``PatternSyntaxError``."""
    pattern = path_pattern(text, span)
    if not text.startswith("re:") and ("**" in text or "." in text.replace("..", "")):
        raise PatternSyntaxError(
            f"'{text}' has several segments, 'name' looks at the last one", span, f"Write 'path: \"{text}\"'."
        )
    return pattern


def type_pattern(text: str, span: Span) -> TypePattern:
    """A pattern over class names, ``=`` for exactly this class. Raises ``PatternSyntaxError``."""
    exact = text.startswith("=")
    body = text[1:].strip() if exact else text
    if not body:
        raise PatternSyntaxError("an empty class name", span, "Name a class, such as 'Linear'.")
    pattern = path_pattern(body, span.part(text, len(text) - len(body), len(body)))
    return TypePattern(pattern, exact, "." in body and not body.startswith("re:"))


def key_pattern(text: str, span: Span) -> Pattern:
    """A pattern over the local name of a parameter, the key of a block."""
    if not text:
        raise PatternSyntaxError("an empty key", span, "Name a parameter, such as 'weight', or '*' for all.")
    if text.startswith("re:") or ("." not in text.replace("..", "") and "**" not in text):
        return path_pattern(text, span)
    raise PatternSyntaxError(
        f"'{text}' is not the name of a parameter of one module",
        span,
        "A key names a parameter of the selected module itself; select the module that owns it.",
    )


def first_match(patterns: Iterable[Pattern], name: str) -> dict[str, Capture] | None:
    """What the first matching pattern binds, or None when none matches."""
    for pattern in patterns:
        found = pattern.match(name)
        if found is not None:
            return found
    return None


def _bound(text: str) -> Capture:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text


@functools.lru_cache(maxsize=4096)
def _engine(regex: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(regex, options)


def _regex(text: str, span: Span) -> Pattern:
    body = text.removeprefix("re:")
    _check_length(text, span)
    try:
        engine = _engine(body)
    except re2.error as error:
        detail = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        hint = "Correct it, or escape what stands for itself with a backslash."
        if re.search(r"\(\?<?[=!]|\\[1-9]", body):
            hint = "Look-around and back-references are left out, so that every pattern runs in linear time."
        raise PatternSyntaxError(f"not a regular expression: {detail}", span, hint) from None
    return Pattern(text, body, tuple(engine.groupindex), False, span)


def _check_length(text: str, span: Span) -> None:
    if len(text) > MAX_PATTERN:
        raise PatternSyntaxError(
            f"a pattern of {len(text):,} characters, {MAX_PATTERN:,} are allowed", span, "Split it into a list."
        )


def _undotted(regex: str) -> str:
    """Drop the dot before the first segment from an expression over ``.a.b.c``."""
    many = r"(?:\.[^.]+)*"
    if regex.startswith(r"\."):
        return regex.removeprefix(r"\.")
    if regex == many:
        return r"(?:[^.]+(?:\.[^.]+)*)?"
    if regex.startswith(many):
        rest = regex.removeprefix(many)
        return rf"(?:[^.]+\.)*{_undotted(rest)}" if rest.startswith(r"\.") else _undotted(rest)
    return regex


class _Glob:
    """Translates a glob into an expression over a path with a dot before every segment."""

    def __init__(self, text: str, span: Span) -> None:
        _check_length(text, span)
        self.text = text
        self.span = span
        self.names: list[str] = []
        self.depth = 0

    def translate(self) -> tuple[str, tuple[str, ...]]:
        if not self.text:
            return "", ()
        regex = self._stretch(0, len(self.text), starts_segment=True, top=True)
        return regex, tuple(self.names)

    def _fail(self, message: str, at: int, hint: str, width: int = 1) -> PatternSyntaxError:
        return PatternSyntaxError(f"{message} in '{self.text}'", self.span.part(self.text, at, width), hint)

    def _stretch(self, at: int, end: int, *, starts_segment: bool, top: bool) -> str:
        out: list[str] = []
        fresh = starts_segment
        while at < end:
            char = self.text[at]
            if char == ".":
                if fresh:
                    raise self._fail("an empty segment", at, "Write one dot between two segments.")
                fresh, at = True, at + 1
                continue
            if self.text.startswith("**", at):
                out.append(self._many(at, end, fresh))
                fresh, at = False, at + 2
                continue
            if fresh:
                out.append(r"\.")
            fresh = False
            piece, at = self._piece(at, end)
            out.append(piece)
        if fresh and (top or not starts_segment) and end > 0:
            raise self._fail("an empty segment", end - 1, "Leave out the last dot, or add '**' after it.")
        return "".join(out)

    def _many(self, at: int, end: int, fresh: bool) -> str:
        after = at + 2
        if fresh and (after == end or self.text[after] == "."):
            return r"(?:\.[^.]+)*"
        raise self._fail(
            "'**' beside other characters",
            at,
            "'**' stands for whole segments: 'a.**.b'. Write a list instead of braces around it.",
            2,
        )

    def _piece(self, at: int, end: int) -> tuple[str, int]:
        match self.text[at]:
            case "*":
                return "[^.]*", at + 1
            case "?":
                return "[^.]", at + 1
            case "[":
                return self._character_class(at, end)
            case "{":
                return self._alternatives(at, end)
            case "<":
                return self._capture(at, end)
            case "]" | "}" | ">" as stray:
                raise self._fail(f"a '{stray}' that closes nothing", at, "Remove it, or use 're:' and escape it.")
            case char:
                return re.escape(char), at + 1

    def _character_class(self, at: int, end: int) -> tuple[str, int]:
        body = at + 1
        negated = self.text[body : body + 1] in {"!", "^"}
        body += negated
        close = self.text.find("]", body + 1, end)
        if close < 0:
            raise self._fail("a '[' that is never closed", at, "Add the missing ']'.")
        ranges = _character_ranges(self.text[body:close])
        width = close - at + 1
        if any(low > high for low, high in ranges):
            raise self._fail("an impossible range", at, "Write it low to high: '[0-9]'.", width)
        if any(low == high == "." for low, high in ranges):
            raise self._fail("a '.' inside '[]'", at, "Write the dot outside: it parts two segments.", width)
        inner = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in _without_dot(ranges))
        return (f"[^.{inner}]" if negated else f"[{inner}]"), close + 1

    def _alternatives(self, at: int, end: int) -> tuple[str, int]:
        close = self._closing_brace(at, end)
        body = self.text[at + 1 : close]
        bounds = _RANGE.fullmatch(body)
        if bounds:
            return self._range(bounds, at, close), close + 1
        if ".." in body and not set("{},") & set(body):
            raise self._fail("an impossible range", at, "Write two numbers, low to high: '{0..11}'.", close - at + 1)
        if self.depth >= MAX_BRACES:
            raise self._fail(f"braces nested more than {MAX_BRACES} deep", at, "Use a list of patterns.")
        self.depth += 1
        cuts = [at, *self._commas(at, close), close]
        parts = [self._stretch(start + 1, stop, starts_segment=False, top=False) for start, stop in pairwise(cuts)]
        self.depth -= 1
        return f"(?:{'|'.join(parts)})", close + 1

    def _closing_brace(self, at: int, end: int) -> int:
        depth = 0
        for index in range(at, end):
            depth += {"{": 1, "}": -1}.get(self.text[index], 0)
            if depth == 0:
                return index
        raise self._fail("a '{' that is never closed", at, "Add the missing '}'.")

    def _commas(self, at: int, close: int) -> list[int]:
        depth, cuts = 0, []
        for index in range(at, close):
            depth += {"{": 1, "}": -1}.get(self.text[index], 0)
            if depth == 1 and self.text[index] == ",":
                cuts.append(index)
        return cuts

    def _range(self, bounds: re.Match[str], at: int, close: int) -> str:
        low, high = int(bounds[1][:20]), int(bounds[2][:20])
        if high < low or high - low > MAX_RANGE or max(len(bounds[1]), len(bounds[2])) > 9:
            hint = f"Write it low to high, at most {MAX_RANGE:,} numbers."
            raise self._fail("an impossible range", at, hint, close - at + 1)
        least = len(bounds[1]) if bounds[1].startswith("0") else 1
        return f"(?:{'|'.join(_numerals(low, high, least))})"

    def _capture(self, at: int, end: int) -> tuple[str, int]:
        close = self.text.find(">", at, end)
        name = self.text[at + 1 : close]
        if close < 0 or not _NAME.fullmatch(name):
            raise self._fail("a '<' that begins no name", at, "Write '<layer>' to bind a number.")
        if name in self.names:
            raise self._fail(f"'<{name}>' stands twice", at, "Give each number its own name.", close - at + 1)
        self.names.append(name)
        return f"(?P<{name}>[0-9]+)", close + 1


def _character_ranges(body: str) -> list[tuple[str, str]]:
    """The pairs (low, high) that ``a-cx`` spells: (a, c), (x, x)."""
    ranges, at = [], 0
    while at < len(body):
        pair = body[at + 1 : at + 2] == "-" and at + 2 < len(body)
        ranges.append((body[at], body[at + 2] if pair else body[at]))
        at += 3 if pair else 1
    return ranges


def _without_dot(ranges: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The same characters but the dot, which parts two segments and is in none."""
    for low, high in ranges:
        if low <= "." <= high:
            yield from ((a, b) for a, b in ((low, "-"), ("/", high)) if a <= b)
        else:
            yield low, high


def _numerals(low: int, high: int, least: int) -> Iterator[str]:
    """Expressions for the numbers from ``low`` to ``high``, written with ``least`` digits or more."""
    for digits in range(max(least, len(str(low))), max(least, len(str(high))) + 1):
        first = max(low, 10 ** (digits - 1) if digits > least else 0)
        last = min(high, 10**digits - 1)
        yield _digits(f"{first:0{digits}d}", f"{last:0{digits}d}")


def _digits(low: str, high: str) -> str:
    """An expression for the numbers between two of the same length."""
    if len(low) <= 1 or low == high:
        return low if low == high else f"[{low}-{high}]"
    if low[0] == high[0]:
        return low[0] + _digits(low[1:], high[1:])
    rest = len(low) - 1
    parts = [low[0] + _digits(low[1:], "9" * rest), high[0] + _digits("0" * rest, high[1:])]
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}][0-9]{{{rest}}}")
    return f"(?:{'|'.join(parts)})"
