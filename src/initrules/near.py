"""What comes nearest to a selector, a pattern or a key that meets nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from initrules.errors import PatternSyntaxError, nearest, suggestion
from initrules.inventory import Columns, Inventory, TypeName
from initrules.matcher import Matcher, type_captures
from initrules.pattern import Pattern, TypePattern, type_pattern
from initrules.selector import Selector
from initrules.source import Span

_LIMIT = 20_000  # names compared; more would make a typo slow to report


def way_to_meet(matcher: Matcher, selectors: tuple[Selector, ...]) -> str:
    """Which key is to blame, and what is nearest to it."""
    every = Matcher(matcher.whole)
    return next((hint for hint in (_blame(every, one) for one in selectors) if hint), "")


def _blame(matcher: Matcher, selector: Selector) -> str:
    alone = matcher.alone(selector)
    guilty = [key for key, count in alone.items() if count == 0]
    if not guilty:
        groups = matcher.groups(selector) if selector.pick else ()
        if groups:
            return f"'pick' leaves nothing: the other keys meet at most {max(groups)} in one place."
        met = ", ".join(f"'{key}' alone meets {count}" for key, count in alone.items())
        return f"Each key meets something, together they meet nothing: {met}."
    key = guilty[0]
    if key == "type":
        return _near_type(matcher, selector)
    if key in {"path", "name"}:
        return _near_text(matcher, selector.path if key == "path" else selector.name, whole=key == "path")
    if key == "not":
        return "'not' excludes every module."
    nested = getattr(selector, key)
    inner = way_to_meet(matcher, nested)
    if any(matcher.meetings((one,)) for one in nested):
        return f"'{key}' meets modules, but none stands there."
    return f"'{key}' meets nothing. {inner}".strip()


def _near_type(matcher: Matcher, selector: Selector) -> str:
    wanted = selector.type[0]
    known = class_names(matcher.inventory)
    if wanted.pattern.text == "Module":
        return "Every module is a Module: leave 'type' out."
    if wanted.exact and wanted.pattern.text in known:
        return f"Only sub-classes of '{wanted.pattern}' are here: leave out the '='."
    if any(name.path == wanted.pattern.text for name in matcher.inventory.names):
        return f"'{wanted}' is a path, not a class: write {{path: {wanted}}}."
    return suggestion(wanted.pattern.text.rpartition(".")[2], known)


def _near_text(matcher: Matcher, patterns: tuple[Pattern, ...], *, whole: bool) -> str:
    names = matcher.inventory.names[:_LIMIT]
    wanted = patterns[0].text
    if _fits_a_type(matcher.inventory, patterns[0]):
        shown = f'"{wanted}"' if wanted[0] in "*?[{" else wanted
        return f"'{wanted}' fits a class, not a {'path' if whole else 'name'}: write {{type: {shown}}}."
    known = {name.path if whole else name.segment for name in names}
    parameters = {name.path for parameter in matcher.inventory.parameters[:_LIMIT] for name in parameter.names}
    if whole and any(patterns[0].match(path) is not None for path in parameters):
        return "It matches parameters; a path names modules, and the keys of 'set' name parameters."
    if whole and "." not in wanted and any(patterns[0].match(name.segment) is not None for name in names):
        return f"A path is anchored at the root: write '**.{wanted}'."
    near = nearest(wanted, known - {""}, cutoff=0.5)
    if near:
        return f"Nearest: '{near}'."
    return ""


def class_names(inventory: Inventory) -> frozenset[str]:
    """The bare names of all classes in a model."""
    return frozenset(kind.name for types in _all_types(inventory) for kind in types)


def _all_types(inventory: Inventory) -> Iterable[tuple[TypeName, ...]]:
    """The classes of each make of modules, with those above them."""
    return dict.fromkeys(make.module.types for make in inventory.columns.makes)


def _fits_a_type(inventory: Inventory, pattern: Pattern) -> bool:
    try:
        kind = type_pattern(pattern.text, pattern.span)
    except PatternSyntaxError:
        return False
    return any(type_captures(types, (kind,)) is not None for types in _all_types(inventory))


class Stray(NamedTuple):
    """One alternative of a selector that meets nothing, and a name that is one edit away."""

    text: str
    span: Span
    near: str | None


def strays(matcher: Matcher, selectors: Iterable[Selector]) -> Iterator[Stray]:
    """Every alternative, nested ones too, that meets nothing in this model."""
    for one in selectors:
        for pattern, whole in (*((p, True) for p in one.path), *((p, False) for p in one.name)):
            if not matcher.meets(pattern, whole=whole):
                texts = _texts(matcher.whole.columns, whole=whole) if pattern.literal else ()
                yield Stray(pattern.text, pattern.span, one_edit_away(pattern.text, texts))
        yield from _stray_types(matcher.inventory, one.type)
        for nested in (one.parent, one.inside, one.next, one.excluded):
            yield from strays(matcher, nested)


@functools.lru_cache(maxsize=4)
def _texts(columns: Columns, *, whole: bool) -> AbstractSet[str]:
    return frozenset(columns.paths if whole else (path.rpartition(".")[2] for path in columns.paths))


def _stray_types(inventory: Inventory, patterns: Iterable[TypePattern]) -> Iterator[Stray]:
    for kind in patterns:
        if all(type_captures(types, (kind,)) is None for types in _all_types(inventory)):
            near = one_edit_away(kind.pattern.text, class_names(inventory)) if kind.pattern.literal else None
            yield Stray(str(kind), kind.pattern.span, near)


def one_edit_away(word: str, choices: Iterable[str]) -> str | None:
    """A choice that differs by one character: changed, added, left out, or swapped with the next.

    The number of a layer is no misspelt name: ``w2`` is not near ``2``.
    """
    named = (choice for choice in sorted(choices) if not choice.isdigit())
    return next((choice for choice in named if _one_edit(word, choice)), None)


@functools.lru_cache(maxsize=65_536)
def _one_edit(one: str, other: str) -> bool:
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, changed = one[start:], other[start:]
    swapped = rest[1::-1] + rest[2:] == changed and len(rest) > 1
    return swapped or changed in {rest[1:], changed[:1] + rest, changed[:1] + rest[1:]}
