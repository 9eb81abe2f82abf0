"""Asks selectors of an inventory: one question per module name, answered once.

"A module reachable by several paths is one target: a selector is asked once per name and meets the
target if it meets one of them." So a meeting belongs to a name; ``not`` and the parts of claims
that concern a whole target look at all of its names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from initrules.automaton import Captures, names_met
from initrules.inventory import Inventory, TypeName
from initrules.kinds import Kinds, apart
from initrules.pattern import Capture, Pattern, TypePattern, first_match
from initrules.selector import Pick, Selector


@dataclass(frozen=True, slots=True)
class Meeting:
    """One name that a selector meets: what it bound, and the name that met ``inside``."""

    captures: Mapping[str, Capture] = field(default_factory=dict)
    inside: int | None = None


_Meetings = dict[int, Meeting]
_NOTHING = Meeting()


class Hits(NamedTuple):
    """The names that each pattern over paths, and over last segments, meets, with what it binds."""

    paths: Mapping[Pattern, Mapping[int, Captures]]
    names: Mapping[Pattern, Mapping[int, Captures]]


class Matcher:
    """Answers for one inventory; answers are remembered, so equal selectors cost once.

    ``whole``: all of the model. ``inventory``: one name of each of its ``kinds``, which answers are about;
    by default each name is one. ``chosen``: what ``pick`` leaves in the whole model, by selector.
    """

    def __init__(
        self,
        whole: Inventory,
        kinds: Kinds | None = None,
        hits: Hits | None = None,
        chosen: Mapping[Selector, AbstractSet[int]] | None = None,
    ) -> None:
        self.whole = whole
        self.kinds = kinds or apart(whole.columns)
        self.inventory = kinds.inventory if kinds else whole
        self._hits = hits
        self._chosen = chosen or {}
        self._owned = self.inventory.owned()
        self._answers: dict[tuple[Selector, ...], _Meetings] = {}
        self._types: dict[tuple[TypePattern, ...], Mapping[int, Captures]] = {}
        self._of_types: dict[tuple[TypeName, ...], list[int]] = {}
        for position, name in enumerate(self.inventory.names):
            self._of_types.setdefault(self.inventory.modules[name.module].types, []).append(position)

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
        """How many modules of the whole model have a path that matches; a shared module counts once."""
        columns = self.whole.columns
        return len({columns.modules[name] for name in names_met(pattern, columns)})

    def modules(self, names: Iterable[int]) -> int:
        """How many modules these names lead to."""
        return self.kinds.modules(names)

    def spread(self, paths: Iterable[str]) -> Sequence[str]:
        """The canonical names of all parameters for which some stand, by name, in registration order."""
        find = self.inventory.columns.find
        return self.kinds.paths(position for position in map(find, paths) if position is not None)

    def alone(self, selector: Selector) -> Mapping[str, int]:
        """For each key that the selector has, how many modules it meets on its own."""
        every = self._every()
        return {key: self.modules(step(every)) for key, step in self._steps(selector)}

    def groups(self, selector: Selector) -> tuple[int, ...]:
        """How many names stand in each group that ``pick`` chooses from."""
        return tuple(len(members) for members in self._groups(self.unpicked(selector), selector).values())

    def _every(self) -> _Meetings:
        return dict.fromkeys(range(len(self.inventory.names)), Meeting())

    def _one(self, selector: Selector) -> Mapping[int, Meeting]:
        found = self.unpicked(selector)
        if selector.pick and selector in self._chosen:
            chosen, firsts = self._chosen[selector], self.kinds.firsts
            return {position: meeting for position, meeting in found.items() if firsts[position] in chosen}
        return self._picked(found, selector) if selector.pick else found

    def unpicked(self, selector: Selector) -> Mapping[int, Meeting]:
        """The names that meet all keys of a selector but ``pick``."""
        found: _Meetings | None = None
        for _, step in sorted(self._steps(selector), key=lambda one: one[0] not in {"path", "name"}):
            found = step(found)  # what leaves few comes first
        return self._every() if found is None else found

    def _steps(self, selector: Selector) -> Iterable[tuple[str, Callable[[_Meetings | None], _Meetings]]]:
        """What each key leaves of the names so far; None stands for all."""
        if selector.type:
            yield "type", lambda found: _kept(found, self._by_type(selector.type))
        if selector.path:
            yield "path", lambda found: _kept(found, self._by_text(selector.path, whole=True))
        if selector.name:
            yield "name", lambda found: _kept(found, self._by_text(selector.name, whole=False))
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

    def _by_type(self, patterns: tuple[TypePattern, ...]) -> Mapping[int, Captures]:
        if patterns not in self._types:
            found: dict[int, Captures] = {}
            for types, positions in self._of_types.items():
                captures = type_captures(types, patterns)
                if captures is not None:
                    found.update(dict.fromkeys(positions, captures))
            self._types[patterns] = found
        return self._types[patterns]

    def _by_text(self, patterns: tuple[Pattern, ...], *, whole: bool) -> Mapping[int, Captures]:
        """The names that any pattern meets, with what the first of them binds."""
        found: dict[int, Captures] = {}
        for pattern in reversed(patterns):
            found.update(self._hit(pattern, whole=whole))
        return found

    def meets(self, pattern: Pattern, *, whole: bool) -> bool:
        """Whether a pattern of some selector meets the path of any name, or its last segment."""
        return bool(self._hit(pattern, whole=whole))

    def _hit(self, pattern: Pattern, *, whole: bool) -> Mapping[int, Captures]:
        if self._hits is not None:
            return (self._hits.paths if whole else self._hits.names).get(pattern, {})
        texts = (name.path if whole else name.segment for name in self.inventory.names)
        matches = ((position, pattern.match(text)) for position, text in enumerate(texts))
        return {position: captures for position, captures in matches if captures is not None}

    def _related(
        self, found: _Meetings | None, selectors: tuple[Selector, ...], relative: Callable[[int], int | None]
    ) -> _Meetings:
        met = self.meetings(selectors)
        kept: _Meetings = {}
        for position, meeting in (self._every() if found is None else found).items():
            other = relative(position)
            if other is not None and other in met:
                kept[position] = _with(meeting, met[other].captures)
        return kept

    def _inside(self, found: _Meetings | None, selectors: tuple[Selector, ...]) -> _Meetings:
        met = self.meetings(selectors)
        kept: _Meetings = {}
        for position, meeting in (self._every() if found is None else found).items():
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

    def _not(self, found: _Meetings | None, selector: Selector) -> _Meetings:
        modules = {self.inventory.names[position].module for position in self.excluded(selector)}
        every = self._every() if found is None else found
        return {p: meeting for p, meeting in every.items() if self.inventory.names[p].module not in modules}

    def _groups(self, found: Mapping[int, Meeting], selector: Selector) -> Mapping[int | None, list[int]]:
        """The names that ``pick`` chooses among: per nearest ``inside``, else per direct parent."""
        groups: dict[int | None, list[int]] = {}
        for position in sorted(found):
            group = found[position].inside if selector.inside else self.inventory.names[position].parent
            groups.setdefault(group, []).append(position)
        return groups

    def _picked(self, found: Mapping[int, Meeting], selector: Selector) -> _Meetings:
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


def _kept(found: _Meetings | None, hits: Mapping[int, Captures]) -> _Meetings:
    """The meetings that are among the hits, with what these bind."""
    if found is None:
        return {position: _with(_NOTHING, captures) for position, captures in hits.items()}
    return {position: _with(meeting, hits[position]) for position, meeting in found.items() if position in hits}


def type_captures(types: tuple[TypeName, ...], patterns: tuple[TypePattern, ...]) -> dict[str, Capture] | None:
    """What the first matching type pattern binds, or None when a module of these types is of no such type."""
    for pattern in patterns:
        for kind in types[:1] if pattern.exact else types:
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
