"""What names in expressions mean for one parameter of one model."""

from __future__ import annotations

from collections.abc import Mapping

from initrules import fans
from initrules.errors import EvaluationError
from initrules.evaluation import NOT_OBSERVED, Catalog, Missing, Scope, evaluate
from initrules.expression import FACTS, Expression, Value
from initrules.fans import Target
from initrules.inventory import Inventory, Parameter, ParameterName
from initrules.matcher import Matcher, Meeting
from initrules.pattern import path_pattern
from initrules.rules import Variable
from initrules.source import Span

_NOWHERE = Span("count", 1, 1)
_UNKNOWN: Value | Missing = Missing("the shape of a lazy parameter is not known yet")


class Scopes:
    """Makes scopes; values of the whole model are computed once."""

    def __init__(
        self,
        matcher: Matcher,
        variables: Mapping[str, Variable],
        catalogs: Mapping[str, Catalog] | None = None,
        *,
        as_torch: bool = False,
    ) -> None:
        self.inventory: Inventory = matcher.inventory
        self._matcher = matcher
        self._variables = variables
        self._as_torch = as_torch
        self._catalogs = catalogs or {}
        self._counts: dict[str, int] = {}
        self._root = self.inventory.module_of(0).attributes if self.inventory.names else {}

    def of_model(self) -> Scope:
        """Variables, counts and the root: what holds for every parameter."""
        return Scope(variables=self._variables, objects={"root": self._root}, count=self._count)

    def of_parameter(self, parameter: Parameter, name: ParameterName, meeting: Meeting) -> tuple[Scope, Target]:
        """What names mean for a parameter under the name by which a rule met it, and its target."""
        target = self.target(parameter, name)
        facts = dict.fromkeys(FACTS, _UNKNOWN) if parameter.lazy else _facts(target)
        facts["auto"] = _observed_gain(self.inventory.module_of(name.owner).attributes)
        scope = Scope(
            variables=self._variables,
            values={**facts, **meeting.captures},
            objects=self._objects(name, meeting),
            count=self._count,
            shape=None if parameter.lazy else target.shape,
            path=name.path,
            owner=self.inventory.names[name.owner].path,
            siblings=self._siblings(name.owner),
            find=self._find,
            catalogs=self._catalogs,
        )
        return scope, target

    def target(self, parameter: Parameter, name: ParameterName) -> Target:
        """What actions may know about a parameter under one of its names.

        A padding row stays zero whichever name is asked.
        """
        rows = (fans.padding_row(self.inventory.module_of(one.owner), one.local) for one in parameter.names)
        padding = next((row for row in rows if row is not None), None)
        owner = self.inventory.module_of(name.owner)
        return fans.target(parameter, owner, name.local, met=name.path, padding=padding, as_torch=self._as_torch)

    def _siblings(self, owner: int) -> Mapping[str, str]:
        parameters = self.inventory.parameters
        return {local: parameters[position].path for local, position in self._matcher.owned(owner)}

    def _find(self, path: str) -> tuple[str, tuple[int, ...]] | None:
        """The canonical name and the shape of a parameter, by any of its names."""
        whole = self._matcher.whole
        position = whole.columns.find(path)
        if position is None:
            return None
        return whole.parameters[position].path, whole.parameters[position].shape

    def _objects(self, name: ParameterName, meeting: Meeting) -> Mapping[str, Mapping[str, Value] | Missing]:
        owner = self.inventory.names[name.owner]
        return {
            "module": self.inventory.modules[owner.module].attributes,
            "parent": self._attributes(owner.parent, "the root has no parent"),
            "next": self._attributes(owner.next, "the module is the last of its parent"),
            "inside": self._attributes(meeting.inside, "the selector has no 'inside'"),
            "root": self._root,
        }

    def _attributes(self, position: int | None, reason: str) -> Mapping[str, Value] | Missing:
        return Missing(reason) if position is None else self.inventory.module_of(position).attributes

    def _count(self, pattern: str) -> int:
        if pattern not in self._counts:
            self._counts[pattern] = self._matcher.count(path_pattern(pattern, _NOWHERE))
        return self._counts[pattern]


def _facts(target: Target) -> dict[str, Value | Missing]:
    found = target.fans()
    fan_in, fan_out = (found, found) if isinstance(found, Missing) else found
    return {"numel": target.numel, "ndim": len(target.shape), "fan_in": fan_in, "fan_out": fan_out}


def _observed_gain(attributes: Mapping[str, Value]) -> Value | Missing:
    """The gain that suits what follows a module, as ``observing`` recorded it."""
    if "observed.refused" in attributes:
        return Missing(str(attributes["observed.refused"]))
    return attributes.get("observed.gain", NOT_OBSERVED)


def truth(condition: Expression, scope: Scope) -> bool:
    """Whether a condition holds; numbers but 0 are true. Raises ``EvaluationError``."""
    value = evaluate(condition, scope)
    if isinstance(value, str | tuple):
        kind = "a list" if isinstance(value, tuple) else f"the text '{value}'"
        raise EvaluationError(
            f"'{condition}' is {kind}, neither true nor false", condition.span, "Compare it: ==, != or in."
        )
    return bool(value)
