"""The variables of a plan: as written, what they come to, where they came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from initrules.actions.base import shown
from initrules.errors import EvaluationError
from initrules.evaluation import Scope, evaluate
from initrules.matcher import Matcher
from initrules.planning import PlanData
from initrules.rules import Variable
from initrules.scope import Scopes
from initrules.source import Span


class Told(NamedTuple):
    """One variable. ``value`` is empty where it is as written, or depends on the parameter."""

    name: str
    written: str
    value: str
    origin: str


def variables(plan: PlanData) -> Iterator[Told]:
    """Every variable of a plan's rules, in their order; those of a saved plan as they were written."""
    scope = None if plan.saved else Scopes(Matcher(plan.inventory), plan.rules.variables).of_model()
    for name, value in plan.rules.variables.items():
        text, found = written(value), evaluated(value, scope) if scope else None
        yield Told(name, text, "" if found in {None, text} else str(found), origin(value, plan.rules.files))


def written(value: Variable) -> str:
    """A variable as the file has it."""
    return f"[{', '.join(part.text for part in value)}]" if isinstance(value, tuple) else value.text


def evaluated(value: Variable, scope: Scope) -> str | None:
    """What a variable comes to, or None where it has no value here."""
    try:
        if isinstance(value, tuple):
            return f"[{', '.join(shown(evaluate(part, scope)) for part in value)}]"
        return shown(evaluate(value, scope))
    except EvaluationError:
        return None


def origin(value: Variable, files: tuple[str, ...]) -> str:
    """Where a variable came from: a place in a rule file, or the option that gave it."""
    span: Span | None = (value[0].span if value else None) if isinstance(value, tuple) else value.span
    if span is None:
        return ""
    return span.place if span.file in files else span.file
