"""What the callbacks of several frameworks share: planning a model and writing the plan at the right moment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from initrules import api
from initrules.api import Plan
from initrules.errors import ApplyError
from initrules.ruleset import RuleSet
from initrules.writer import Record

Rules = str | os.PathLike[str] | RuleSet


def started(
    model: Any, rules: Rules, *, seed: int, variables: Mapping[str, object] | None, too_late: str | None = None
) -> tuple[Plan, Record]:
    """Plan a model and write the plan.

    ``too_late``: the way out where an optimizer has the parameters already, so that none may be
    parametrized any more: it would train a tensor that the model no longer has.
    """
    plan = api.plan(model, rules, vars=variables)
    if too_late is not None:
        for row in plan.rows:
            wrap = row.decisions.get("parametrize")
            if wrap is not None and wrap.writes:
                raise ApplyError(f"'{row.path}' would be parametrized, but its optimizer is made", wrap.span, too_late)
    return plan, plan.apply_(seed=seed)
