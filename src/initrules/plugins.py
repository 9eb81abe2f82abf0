"""Actions that installed packages add, by entry points of the group ``initrules.actions``.

A rule file names such an action as it names any other. It cannot name a package or a Python
object: which actions there are is decided by what is installed, before any rule file is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from initrules.actions.base import Action
from initrules.actions.table import BUILTIN, Table, Tables
from initrules.errors import ActionError

GROUP = "initrules.actions"


def tables() -> Tables:
    """The built-in tables with the actions of installed packages. Raises ``ActionError``."""
    found = installed(entry_points(group=GROUP))
    return BUILTIN.plus(found) if found else BUILTIN


def installed(points: Iterable[EntryPoint]) -> Table:
    """The actions that entry points lead to, by name. Raises ``ActionError`` when one is none."""
    found: dict[str, type[Action]] = {}
    for point in sorted(points, key=lambda one: (one.name, one.value)):
        action = _loaded(point)
        if found.setdefault(point.name, action) is not action:
            raise ActionError(f"two packages bring an action '{point.name}', one is {point.value}", hint=_REMOVE)
    return found


def _loaded(point: EntryPoint) -> type[Action]:
    try:
        action = point.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise ActionError(
            f"the action '{point.name}' cannot be loaded from {point.value}: {reason}", hint=_REMOVE
        ) from error
    if not (isinstance(action, type) and issubclass(action, Action)):
        hint = "An action is a frozen dataclass derived from initrules.actions.base.Action."
        raise ActionError(f"the action '{point.name}' of {point.value} is no action", hint=hint)
    if action.name != point.name:
        hint = f"Give the entry point the name that the class has, '{action.name}'."
        raise ActionError(f"the action '{point.name}' of {point.value} has another name", hint=hint)
    return action


_REMOVE = "Repair the package that brings it, or uninstall it."
