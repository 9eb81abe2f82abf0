"""All path patterns of a rule set in one automaton over path segments, walked once along the module tree.

A pattern is a row of items, one for each segment, and ``**`` for any number of them. A state says how far
each pattern has come: one bit for each item, so that a step over a segment is a few operations on whole
numbers, whatever the number of patterns. States are shared by all names that have come equally far, and
each pair of state and segment is computed once.
Source: Baeza-Yates & Gonnet 1992, "A new approach to text searching" (the bit-parallel step).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from initrules.inventory import Columns
from initrules.pattern import Capture, Pattern, path_pattern

_RANGE = re.compile(r"\{[0-9]+\.\.[0-9]+\}")

Captures = Mapping[str, Capture]
_Bound = tuple[tuple[int, tuple[tuple[str, Capture], ...]], ...]


def segments(pattern: Pattern) -> tuple[str, ...] | None:
    """The segments of a pattern that can be followed segment by segment, else None.

    A regular expression may cross dots anywhere, and so may alternatives.
    """
    text = pattern.text
    if text.startswith("re:") or not text:
        return None
    depth, bare, cuts = 0, _RANGE.sub(lambda found: "_" * len(found[0]), text), [-1]
    for at, char in enumerate(bare):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "." and depth:
            return None
        if char == ".":
            cuts.append(at)
    return tuple(text[start + 1 : stop] for start, stop in zip(cuts, [*cuts[1:], len(text)], strict=True))


def _binds_late(items: Sequence[str]) -> bool:
    """Whether a capture stands behind ``**``: which segment it binds only a look at the whole path tells."""
    captured = [at for at, one in enumerate(items) if "<" in one]
    return bool(captured) and "**" in items[: captured[-1]]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """How far each pattern has come: bits of items, and what captures have bound, by pattern.

    ``late``: patterns that meet the path, and bind what only the whole of it tells. ``verdict``: a number that
    is equal where the same patterns meet and bind the same, however far others have come.
    """

    reached: int
    bound: _Bound
    late: tuple[Pattern, ...]
    verdict: int
    steps: dict[str, State] = field(default_factory=dict)


class Automaton:
    """Patterns that can be followed segment by segment."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns: list[Pattern] = []
        self._firsts: list[int] = []  # the bit of each pattern's first item
        self._literal: dict[str, int] = {}
        self._globs: dict[str, tuple[Pattern, int]] = {}
        self._many = self._ends = self._captures = self._late = begin = 0
        self._pattern_at: dict[int, int] = {}  # by the bit of an item that binds, and of an end
        at = 0
        for pattern in dict.fromkeys(patterns):
            items = segments(pattern) or ()
            late = _binds_late(items)
            self._firsts.append(at)
            begin |= 1 << at
            for text in items:
                self._add(pattern, text, at, binds=not late)
                at += 1
            self._late |= late << at
            self._ends |= 1 << at
            self._pattern_at[at] = len(self._patterns)
            self._patterns.append(pattern)
            at += 1
        self._matches: dict[str, int] = {}
        self._states: dict[tuple[int, _Bound], State] = {}
        self._verdicts: dict[tuple[int, _Bound], int] = {}
        self.start = self._state(self._closed(begin), {})

    def _add(self, pattern: Pattern, text: str, at: int, *, binds: bool) -> None:
        if text == "**":
            self._many |= 1 << at
            return
        item = path_pattern(text, pattern.span)
        if item.literal:
            self._literal[text] = self._literal.get(text, 0) | 1 << at
            return
        known, bits = self._globs.get(text, (item, 0))
        self._globs[text] = (known, bits | 1 << at)
        if item.names and binds:
            self._captures |= 1 << at
            self._pattern_at[at] = len(self._patterns)

    def step(self, state: State, segment: str) -> State:
        """The state behind one more segment."""
        found = state.steps.get(segment)
        if found is None:
            found = state.steps[segment] = self._step(state, segment)
        return found

    def run(self, path: str) -> State:
        """The state behind all segments of a path."""
        state = self.start
        for segment in path.split(".") if path else ():
            state = self.step(state, segment)
        return state

    def _step(self, state: State, segment: str) -> State:
        passed = state.reached & self._matching(segment)
        reached = self._closed(passed << 1 | state.reached & self._many)
        bound = {pattern: pairs for pattern, pairs in state.bound if self._alive(pattern, reached)}
        for bit in _bits(passed & self._captures):
            pattern = self._pattern_at[bit]
            new = next(one for one, bits in self._globs.values() if bits >> bit & 1).match(segment) or {}
            bound[pattern] = (*bound.get(pattern, ()), *new.items())
        return self._state(reached, bound)

    def _state(self, reached: int, bound: Mapping[int, tuple[tuple[str, Capture], ...]]) -> State:
        pairs = tuple(sorted(bound.items()))
        if (reached, pairs) not in self._states:
            late = tuple(self._patterns[self._pattern_at[bit]] for bit in _bits(reached & self._late))
            ends = reached & self._ends
            met = {self._pattern_at[bit] for bit in _bits(ends)} if pairs else ()
            said = ends, tuple(pair for pair in pairs if pair[0] in met)
            verdict = self._verdicts.setdefault(said, len(self._verdicts))
            self._states[reached, pairs] = State(reached, pairs, late, verdict)
        return self._states[reached, pairs]

    def _matching(self, segment: str) -> int:
        """The items that a segment meets."""
        if segment not in self._matches:
            found = self._literal.get(segment, 0)
            for item, bits in self._globs.values():
                if item.match(segment) is not None:
                    found |= bits
            self._matches[segment] = found
        return self._matches[segment]

    def _closed(self, reached: int) -> int:
        """The same, and what stands behind each ``**`` that is reached: it may be no segment at all."""
        while True:
            more = reached | (reached & self._many) << 1
            if more == reached:
                return reached
            reached = more

    def _alive(self, pattern: int, reached: int) -> bool:
        first = self._firsts[pattern]
        end = self._firsts[pattern + 1] if pattern + 1 < len(self._firsts) else reached.bit_length() + 1
        return bool(reached >> first & (1 << max(end - first, 0)) - 1)

    def ends(self, state: State) -> bool:
        """Whether any pattern meets a path in this state."""
        return bool(state.reached & self._ends)

    def met(self, state: State) -> Iterable[tuple[Pattern, Captures]]:
        """The patterns but late ones that meet a path in this state, and what they bind."""
        bound = dict(state.bound)
        for bit in _bits(state.reached & self._ends & ~self._late):
            pattern = self._pattern_at[bit]
            yield self._patterns[pattern], dict(bound.get(pattern, ()))


def _bits(number: int) -> Iterable[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


def names_met(pattern: Pattern, columns: Columns) -> Iterable[int]:
    """The positions of the names that a pattern meets."""
    paths = columns.paths
    if not segments(pattern):
        return [name for name, path in enumerate(paths) if pattern.match(path) is not None]
    automaton = Automaton([pattern])
    states: list[State] = []
    found: list[int] = []
    for name, (path, parent) in enumerate(zip(paths, columns.parents, strict=True)):
        goes_on = parent >= 0 and name not in columns.bent
        state = automaton.step(states[parent], path.rpartition(".")[2]) if goes_on else automaton.run(path)
        states.append(state)
        if automaton.ends(state) if path else pattern.match("") is not None:
            found.append(name)
    return found
