"""A model reduced to what a rule set can tell apart.

Two names are of one kind when they have come equally far in every pattern, their modules are of one make,
and so are those above them. A rule decides all members of a kind alike, so that the matcher and the cascade
look at one name of each: at a dozen instead of eighty thousand in a mixture of equal experts. What depends
on more than that splits kinds: regular expressions over the whole path, ``next``, ``pick``, and values that
read a name. Names of a module or of a tensor that has several are of a kind of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from initrules.automaton import Automaton, Captures, State, segments
from initrules.calls import Call, nested
from initrules.inventory import Columns, Inventory
from initrules.kinds import Kinds
from initrules.matcher import Hits, Matcher, picked
from initrules.naming import names_in, names_used
from initrules.pattern import Pattern
from initrules.rules import Rule, Variable
from initrules.selector import Selector


def reduced(inventory: Inventory, rules: Sequence[Rule], variables: Mapping[str, Variable]) -> Matcher:
    """A matcher that looks at one name of each kind."""
    selectors = [one for rule in rules for selector in rule.select for one in _nested(selector)]
    walk = _Walk(inventory.columns, selectors)
    kinds = walk.kinds
    for _ in range(_sideways(rules, variables)):
        kinds = kinds.split(partial(_kind_of_next, kinds))
    chosen: dict[Selector, frozenset[int]] = {}
    for selector in selectors:  # inner ones first
        if selector.pick and selector not in chosen:
            chosen[selector] = _chosen(Matcher(inventory, kinds, walk.hits(kinds), chosen), selector)
            kinds = kinds.split(chosen[selector].__contains__)
    matcher = Matcher(inventory, kinds, walk.hits(kinds), chosen)
    naming = [rule for rule in rules if any(_reads_names(call, variables) for call in _calls(rule))]
    if not naming:
        return matcher
    met = {kind for rule in naming for kind in matcher.meetings(rule.select)}
    kinds = kinds.split(lambda name: name if kinds.of[name] in met else -1)
    return Matcher(inventory, kinds, walk.hits(kinds), chosen)


def _kind_of_next(kinds: Kinds, name: int) -> int:
    following = kinds.columns.nexts[name]
    return -1 if following < 0 else kinds.of[following]


def _chosen(matcher: Matcher, selector: Selector) -> frozenset[int]:
    """The names that ``pick`` leaves, by their positions in the whole model."""
    kinds = matcher.kinds
    parents = kinds.columns.parents
    groups: dict[int, list[int]] = {}
    met = matcher.unpicked(selector)
    for name in sorted(name for kind in met for name in kinds.members[kind]):
        group, inside = parents[name], met[kinds.of[name]].inside
        if selector.inside:
            group = name
            while kinds.of[group] != inside:
                group = parents[group]
        groups.setdefault(group, []).append(name)
    return frozenset(name for members in groups.values() for pick in selector.pick for name in picked(members, pick))


def _nested(selector: Selector) -> Iterator[Selector]:
    """The selectors in a selector, inner ones first, and itself."""
    for inner in (*selector.parent, *selector.inside, *selector.next, *selector.excluded):
        yield from _nested(inner)
    yield selector


def _sideways(rules: Sequence[Rule], variables: Mapping[str, Variable]) -> int:
    """How many siblings on a selector looks, or a value."""
    selectors = [selector for rule in rules for selector in rule.select]
    read = {name for rule in rules for name in names_used(_calls(rule), variables)}
    asked = {name for one in selectors for condition in one.where for name in names_in(condition, variables)}
    return max(map(_reach, selectors), default=0) or ("next" in read | asked)


def _reach(selector: Selector) -> int:
    inner = (*selector.parent, *selector.inside, *selector.excluded)
    return max([*map(_reach, inner), *(_reach(one) + 1 for one in selector.next)], default=0)


def _calls(rule: Rule) -> Iterator[Call]:
    for declaration in rule.declarations:
        yield from nested(declaration.calls)


def _reads_names(call: Call, variables: Mapping[str, Variable]) -> bool:
    """Whether a value may depend on the name of its parameter: what is copied, loaded, or not ours."""
    if call.action.name == "formula":
        return not names_used([call], variables).isdisjoint(("module", "parts"))
    return call.action.name in {"copy", "load"} or not call.action.__module__.startswith("initrules.")


class _Spot(NamedTuple):
    """Where a walk stands: the kind of a name, how far the patterns have come, and what is known of names below."""

    kind: int
    state: State
    below: dict[tuple[str, int], _Spot]


class _Walk:
    """Takes every name through the patterns of all selectors."""

    def __init__(self, columns: Columns, selectors: Sequence[Selector]) -> None:
        self.columns = columns
        self._paths = [*dict.fromkeys(pattern for one in selectors for pattern in one.path)]
        self._automaton = Automaton(pattern for pattern in self._paths if segments(pattern))
        self._whole = [p for p in self._paths if not segments(p) and not p.literal]
        names = dict.fromkeys(pattern for one in selectors for pattern in one.name)
        self._literal_names = {pattern.text: pattern for pattern in names if pattern.literal}
        self._globs = [pattern for pattern in names if not pattern.literal]
        self._of_segment: dict[str, tuple[tuple[Pattern, Captures], ...]] = {}
        self._states: list[State] = []
        self._of: list[int] = []
        self.kinds = self._kinds()

    def _kinds(self) -> Kinds:
        """The kinds of all names as far as patterns and makes go."""
        columns = self.columns
        makes = [columns.made[module] for module in columns.modules]
        for name in columns.alone:
            makes[name] = -1 - name
        known: dict[Hashable, int] = {}
        shared: dict[tuple[int, int], _Spot] = {}
        spots: list[_Spot] = []
        of, firsts, straight = list[int](), list[int](), not columns.bent
        for name, (path, parent, make) in enumerate(zip(columns.paths, columns.parents, makes, strict=True)):
            segment = path.rpartition(".")[2]
            above = spots[parent] if parent >= 0 else None
            goes_on = above is not None and (straight or name not in columns.bent)
            spot = above.below.get((segment, make)) if above and goes_on else None
            if spot is None:
                state = self._automaton.step(above.state, segment) if above and goes_on else self._automaton.run(path)
                own = tuple(self._own(state, path)) if self._whole or state.late else ()
                key = (above.kind if above else -1, state.verdict, self._named(segment), make, own)
                kind = known.setdefault(key, len(firsts))
                if kind == len(firsts):
                    firsts.append(name)
                    self._states.append(state)
                spot = shared.setdefault((kind, id(state)), _Spot(kind, state, {}))
                if above and goes_on and not self._whole and not state.late:
                    above.below[segment, make] = spot
            spots.append(spot)
            of.append(spot.kind)
        self._of = of
        return Kinds(columns, of, firsts)

    def _own(self, state: State, path: str) -> Iterator[Hashable]:
        """What only a look at the whole path tells."""
        for pattern in (*self._whole, *state.late):
            found = pattern.match(path)
            yield None if found is None else tuple(found.items())

    def _named(self, segment: str) -> Hashable:
        """What the patterns over names make of a last segment."""
        return tuple((pattern.text, *captures.items()) for pattern, captures in self._names(segment))

    def _names(self, segment: str) -> tuple[tuple[Pattern, Captures], ...]:
        if segment not in self._of_segment:
            literal = self._literal_names.get(segment)
            found: list[tuple[Pattern, Captures]] = [(literal, {})] if literal else []
            for pattern in self._globs:
                captures = pattern.match(segment)
                if captures is not None:
                    found.append((pattern, captures))
            self._of_segment[segment] = tuple(found)
        return self._of_segment[segment]

    def hits(self, kinds: Kinds) -> Hits:
        """The kinds that each pattern meets, with what it binds."""
        paths: dict[Pattern, dict[int, Captures]] = {}
        names: dict[Pattern, dict[int, Captures]] = {}
        for kind, name in enumerate(kinds.firsts):
            path = self.columns.paths[name]
            for pattern, captures in self._met(self._states[self._of[name]], path):
                paths.setdefault(pattern, {})[kind] = captures
            for pattern, captures in self._names(path.rpartition(".")[2]):
                names.setdefault(pattern, {})[kind] = captures
        return Hits(paths, names)

    def _met(self, state: State, path: str) -> Iterator[tuple[Pattern, Captures]]:
        asked: Sequence[Pattern] = (*self._whole, *state.late)
        if not path:
            asked = self._paths  # the root has no segment
        else:
            yield from self._automaton.met(state)
        for pattern in asked:
            captures = pattern.match(path)
            if captures is not None:
                yield pattern, captures
