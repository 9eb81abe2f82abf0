"""What a plan made of a model, for experiment trackers: rows as plain dictionaries, and TensorBoard."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from initrules import report
from initrules.api import Plan
from initrules.decision import Row
from initrules.errors import ApplyError
from initrules.grouping import Group, group
from initrules.integrations.measures import Measures, effective_rank, measured
from initrules.places import Place, places_of
from initrules.report.text import shape_text, value_text
from initrules.sharding import is_sharded
from initrules.writer import Record


class Writer(Protocol):
    """What is asked of TensorBoard's ``SummaryWriter``."""

    def add_text(self, tag: str, text_string: str, global_step: int | None = None) -> None: ...
    def add_scalar(self, tag: str, scalar_value: float, global_step: int | None = None) -> None: ...
    def add_hparams(self, hparam_dict: Any, metric_dict: Any, *, run_name: str | None = None) -> None: ...
    def add_histogram_raw(self, tag: str, **raw: Any) -> None: ...


SCALARS = ("mean", "std", "norm", "effective_rank")


def plan_rows(plan: Plan, model: Any = None) -> list[dict[str, Any]]:
    """One dictionary for each group of parameters that are decided alike, with measures of their values now.

    ``model``: the one to measure, by default the one that was planned. ``norm`` is the mean of the
    tensors' Frobenius norms, ``effective_rank`` that of the first tensor as a matrix (None where it is none,
    or one that takes longer than seconds), ``non_finite`` a count that the other measures leave out.
    Raises ``ApplyError`` for tensors that have no values here.
    """
    return [_row(one, measures) for one, measures in _measured(plan, model)]


def log_plan(
    writer: Writer, plan: Plan, model: Any = None, *, record: Record | None = None, step: int | None = 0
) -> None:
    """Write a plan and what it made of ``model`` to TensorBoard.

    Each group has a histogram ``init/RULE/GROUP`` and the scalars ``init/RULE/GROUP/mean``, ``std``,
    ``norm``, ``effective_rank``; ``init/rules`` and ``init/plan`` are texts. The rules' name, their
    variables, the fingerprint and, with the ``record`` of ``apply_``, the seed are hyperparameters.
    ``model``: as for ``plan_rows``.
    """
    groups = _measured(plan, model)
    writer.add_text("init/rules", _fenced(_rules_text(plan)), step)
    writer.add_text("init/plan", _fenced(report.plan_text(plan.data)), step)
    writer.add_hparams(_hyperparameters(plan, record), {}, run_name=".")  # beside the other events
    for one, measures in groups:
        tag = _tag(one)
        row = _row(one, measures)
        if measures.counts:
            writer.add_histogram_raw(tag, **measures.raw(), global_step=step)
        for name in SCALARS:
            if row[name] is not None:
                writer.add_scalar(f"{tag}/{name}", row[name], step)


def _measured(plan: Plan, model: Any) -> list[tuple[Group, Measures]]:
    """The groups of all parameters, and of buffers that a rule writes, with their measures."""
    places = places_of(plan.model if model is None else model)
    rows = [row for row in plan.rows if row.value is not None or not row.parameter.buffer]
    found = []
    with torch.no_grad():
        for one in group(rows):
            values = [_value(row, places[row.path]) for row in one.rows]
            found.append((one, measured(values, effective_rank(values[0]))))
    return found


def _value(row: Row, place: Place) -> torch.Tensor:
    """The value as the module uses it."""
    stored = place.tensor()
    way_out = "Log the plan once it is applied."
    if torch.nn.parameter.is_lazy(stored) or stored.is_meta:
        raise ApplyError(f"'{row.path}' has no value yet", hint=way_out)
    if is_sharded(stored):
        raise ApplyError(f"'{row.path}' is sharded: no rank has all of it", hint="Log the plan before sharding.")
    found: torch.Tensor = place.chain() if place.parametrized else stored
    return found.detach()


def _tag(one: Group) -> str:
    return f"init/{_rule(one.first)}/{one.pattern}"


def _rule(row: Row) -> str:
    return row.value.rule if row.value is not None else "no rule"


def _row(one: Group, measures: Measures) -> dict[str, Any]:
    row = one.first
    return {
        "tag": _tag(one),
        "rule": _rule(row),
        "group": one.pattern,
        "starts_as": value_text(row),
        "tensors": len(one.rows),
        "shape": shape_text(row),
        "dtype": row.parameter.dtype,
        "entries": measures.entries,
        "expected_std": None if row.moments is None else float(row.moments.std),
        "mean": measures.mean,
        "std": measures.std,
        "min": measures.low,
        "max": measures.high,
        "norm": measures.norm,
        "effective_rank": measures.effective_rank,
        "non_finite": measures.non_finite,
    }


def _hyperparameters(plan: Plan, record: Record | None) -> dict[str, Any]:
    variables = report.as_json(plan.data)["variables"]
    found: dict[str, Any] = {"init/rules": plan.data.rules.files[-1], "init/fingerprint": plan.data.fingerprint()}
    found |= {f"init/{name}": _hyperparameter(value) for name, value in variables.items()}
    return found if record is None else {**found, "init/seed": record.seed}


def _hyperparameter(value: Any) -> float | str:
    """A number where the variable is one, so that TensorBoard can draw it as an axis; else as it is written."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


def _rules_text(plan: Plan) -> str:
    rules = plan.data.rules
    lines = [f"files: {', '.join(rules.files)}", *([rules.about] if rules.about else [])]
    return "\n".join([*lines, *(f"{rule.name}: {rule.why}" if rule.why else rule.name for rule in rules.rules)])


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```"
