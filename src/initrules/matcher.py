"""Asks selectors of an inventory: one question per module name, answered once.

"A module reachable by several paths is one target: a selector is asked once per name and meets the
target if it meets one of them." So a meeting belongs to a name; ``not`` and the parts of claims
that concern a whole target look at all of its names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from initrules.inventory import Inventory, Module, TypeName
from initrules.pattern import Capture, Pattern, TypePattern, first_match
from initrules.selector import Pick, Selector


@dataclass(frozen=True, slots=True)
class Meeting:
    """One name that a selector meets: what it bound, and the name that met ``inside``."""

    captures: Mapping[str, Capture] = field(default_factory=dict)
    inside: int | None = None


_Meetings = dict[int, Meeting]


class Matcher:
    """Answers for one inventory; answers are remembered, so equal selectors cost once."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._owned = inventory.owned()
        self._answers: dict[tuple[Selector, ...], _Meetings] = {}
        self._types: dict[tuple[TypePattern, ...], dict[int, Mapping[str, Capture] | None]] = {}

    def meetings(self, selectors: tuple[Selector, ...]) -> Mapping[int, Meeting]:
        """The module names that meet any of these selectors, in registration order."""
        if selectors not in self._answers:
            found: _Meetings = {}
            for selector in selectors:
                for position, meeting in self._one(selector).items():
                    found.setdefault(position, meeting)
            self._answers[selectors] = dict(sorted(found.items()))
        return self._answers[selectors]

    def excluded(self, selector: Selector) -> frozenset[int]:
        """The module names that ``not`` of this selector meets."""
        return frozenset(self.meetings(selector.excluded)) if selector.excluded else frozenset()

    def owned(self, name: int) -> tuple[tuple[str, int], ...]:
        """The parameters of the module under this name: local name and position of each."""
        return self._owned.get(name, ())

    def count(self, pattern: Pattern) -> int:
        """How many modules have a path that matches; a shared module counts once."""
        names = self.inventory.names
        return len({name.module for name in names if pattern.match(name.path) is not None})

    def modules(self, names: Iterable[int]) -> int:
        """How many modules these names lead to."""
        return len({self.inventory.names[name].module for name in names})

    def alone(self, selector: Selector) -> Mapping[str, int]:
        """For each key that the selector has, how many modules it meets on its own."""
        every = dict.fromkeys(range(len(self.inventory.names)), Meeting())
        return {key: self.modules(step(every)) for key, step in self._steps(selector)}

    def groups(self, selector: Selector) -> tuple[int, ...]:
        """How many names stand in each group that ``pick`` chooses from."""
        return tuple(len(members) for members in self._groups(self._unpicked(selector), selector).values())

    def _one(self, selector: Selector) -> _Meetings:
        found = self._unpicked(selector)
        return self._picked(found, selector) if selector.pick else found

    def _unpicked(self, selector: Selector) -> _Meetings:
        found = dict.fromkeys(range(len(self.inventory.names)), Meeting())
        for _, step in self._steps(selector):
            found = step(found)
        return found

    def _steps(self, selector: Selector) -> Iterable[tuple[str, Callable[[_Meetings], _Meetings]]]:
        if selector.type:
            yield "type", lambda found: self._by_type(found, selector.type)
        if selector.path:
            yield "path", lambda found: self._by_text(found, selector.path, lambda i: self.inventory.names[i].path)
        if selector.name:
            yield "name", lambda found: self._by_text(found, selector.name, lambda i: self.inventory.names[i].segment)
        if selector.parent:
            yield (
                "parent",
                lambda found: self._related(found, selector.parent, lambda i: self.inventory.names[i].parent),
            )
        if selector.next:
            yield "next", lambda found: self._related(found, selector.next, lambda i: self.inventory.names[i].next)
        if selector.inside:
            yield "inside", lambda found: self._inside(found, selector.inside)
        if selector.excluded:
            yield "not", lambda found: self._not(found, selector)

    def _by_type(self, found: _Meetings, patterns: tuple[TypePattern, ...]) -> _Meetings:
        known = self._types.setdefault(patterns, {})
        kept: _Meetings = {}
        for position, meeting in found.items():
            module = self.inventory.names[position].module
            if module not in known:
                known[module] = type_captures(self.inventory.modules[module], patterns)
            captures = known[module]
            if captures is not None:
                kept[position] = _with(meeting, captures)
        return kept

    def _by_text(self, found: _Meetings, patterns: tuple[Pattern, ...], text: Callable[[int], str]) -> _Meetings:
        kept: _Meetings = {}
        for position, meeting in found.items():
            captures = first_match(patterns, text(position))
            if captures is not None:
                kept[position] = _with(meeting, captures)
        return kept

    def _related(
        self, found: _Meetings, selectors: tuple[Selector, ...], relative: Callable[[int], int | None]
    ) -> _Meetings:
        met = self.meetings(selectors)
        kept: _Meetings = {}
        for position, meeting in found.items():
            other = relative(position)
            if other is not None and other in met:
                kept[position] = _with(meeting, met[other].captures)
        return kept

    def _inside(self, found: _Meetings, selectors: tuple[Selector, ...]) -> _Meetings:
        met = self.meetings(selectors)
        kept: _Meetings = {}
        for position, meeting in found.items():
            nearest = self.nearest(position, met)
            if nearest is not None:
                kept[position] = Meeting(_with(meeting, met[nearest].captures).captures, nearest)
        return kept

    def nearest(self, position: int, met: Mapping[int, Meeting]) -> int | None:
        """The name itself or its nearest ancestor that is among ``met``."""
        at: int | None = position
        while at is not None and at not in met:
            at = self.inventory.names[at].parent
        return at

    def _not(self, found: _Meetings, selector: Selector) -> _Meetings:
        modules = {self.inventory.names[position].module for position in self.excluded(selector)}
        return {p: meeting for p, meeting in found.items() if self.inventory.names[p].module not in modules}

    def _groups(self, found: _Meetings, selector: Selector) -> Mapping[int | None, list[int]]:
        """The names that ``pick`` chooses among: per nearest ``inside``, else per direct parent."""
        groups: dict[int | None, list[int]] = {}
        for position in sorted(found):
            group = found[position].inside if selector.inside else self.inventory.names[position].parent
            groups.setdefault(group, []).append(position)
        return groups

    def _picked(self, found: _Meetings, selector: Selector) -> _Meetings:
        groups = self._groups(found, selector)
        kept = {position for members in groups.values() for pick in selector.pick for position in picked(members, pick)}
        return {position: found[position] for position in sorted(kept)}


def picked(members: list[int], pick: Pick) -> list[int]:
    """The members that one pick names; a number out of range names none."""
    match pick:
        case "first":
            return members[:1]
        case "last":
            return members[-1:]
        case "all-but-first":
            return members[1:]
        case "all-but-last":
            return members[:-1]
        case int(index) if -len(members) <= index < len(members):
            return [members[index]]
        case _:
            return []


def type_captures(module: Module, patterns: tuple[TypePattern, ...]) -> dict[str, Capture] | None:
    """What the first matching type pattern binds, or None when the module is of no such type."""
    for pattern in patterns:
        for kind in module.types[:1] if pattern.exact else module.types:
            found = first_match((pattern.pattern,), kind.name) if not pattern.qualified else _qualified(pattern, kind)
            if found is not None:
                return found
    return None


def _qualified(pattern: TypePattern, kind: TypeName) -> dict[str, Capture] | None:
    for name in kind.qualified:
        found = pattern.pattern.match(name)
        if found is not None:
            return found
    return None


def _with(meeting: Meeting, captures: Mapping[str, Capture]) -> Meeting:
    return Meeting({**meeting.captures, **captures}, meeting.inside) if captures else meeting
