"""What comes nearest to a selector that meets nothing."""

from __future__ import annotations

from initrules.errors import nearest, suggestion
from initrules.matcher import Matcher
from initrules.pattern import Pattern
from initrules.selector import Selector

_LIMIT = 20_000  # names compared; more would make a typo slow to report


def way_to_meet(matcher: Matcher, selectors: tuple[Selector, ...]) -> str:
    """Which key is to blame, and what is nearest to it."""
    return next((hint for hint in (_blame(matcher, one) for one in selectors) if hint), "")


def _blame(matcher: Matcher, selector: Selector) -> str:
    alone = matcher.without(selector)
    guilty = [key for key, count in alone.items() if count == 0]
    if not guilty:
        met = ", ".join(f"'{key}' alone meets {count}" for key, count in alone.items())
        return f"Each key meets something, together they meet nothing: {met}."
    key = guilty[0]
    if key == "type":
        return _near_type(matcher, selector)
    if key in {"path", "name"}:
        return _near_text(matcher, selector.path if key == "path" else selector.name, whole=key == "path")
    nested = getattr(selector, key)
    inner = way_to_meet(matcher, nested)
    if all(matcher.meetings((one,)) for one in nested):
        return f"'{key}' meets modules, but none stands there."
    return f"'{key}' meets nothing. {inner}".strip()


def _near_type(matcher: Matcher, selector: Selector) -> str:
    wanted = selector.type[0]
    known = {kind.name for module in matcher.inventory.modules for kind in module.types}
    if wanted.pattern.text == "Module":
        return "Every module is a Module: leave 'type' out."
    if wanted.exact and wanted.pattern.text in known:
        return f"Only sub-classes of '{wanted.pattern}' are here: leave out the '='."
    return suggestion(wanted.pattern.text.rpartition(".")[2], known)


def _near_text(matcher: Matcher, patterns: tuple[Pattern, ...], *, whole: bool) -> str:
    names = matcher.inventory.names[:_LIMIT]
    wanted = patterns[0].text
    types = {kind.name for module in matcher.inventory.modules for kind in module.types}
    if wanted in types:
        return f"'{wanted}' is a class here: write {{type: {wanted}}}."
    known = {name.path if whole else name.segment for name in names}
    parameters = {name.path for parameter in matcher.inventory.parameters[:_LIMIT] for name in parameter.names}
    if whole and any(patterns[0].match(path) is not None for path in parameters):
        return "It matches parameters; a path names modules, and the keys of 'set' name parameters."
    near = nearest(wanted, known - {""}, cutoff=0.5)
    if near:
        return f"Nearest: '{near}'."
    if whole and "." not in wanted and any(name.segment == wanted for name in names):
        return f"A path is anchored at the root: write '**.{wanted}'."
    return ""
