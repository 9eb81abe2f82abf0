"""Findings about values: parameters that nobody claims, and values that do harm.

Each finding has a stable code, a place and a way out; see ``docs/findings.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from initrules.decision import Row
from initrules.errors import Finding, Severity
from initrules.findings import Gathered, Spread, error, listed
from initrules.inventory import Inventory


def value_findings(
    inventory: Inventory, rows: Sequence[Row], *, unmatched: str, spread: Spread = tuple
) -> Iterator[Finding]:
    """Findings about values: parameters nobody claims, and values that do harm.

    ``spread``: from the names of some rows to those of all parameters for which they stand.
    """
    yield from _unclaimed(rows, spread, strict=unmatched == "error")
    problems = Gathered()
    for row in rows:
        _norm_of_zero(row, problems)
        _second_parametrization(row, problems)
        yield from _tied_parametrization(inventory, row)
        _empty_cut(row, problems)
    yield from problems.findings(spread)
    yield from _state_dict_keys(rows, spread)


def _state_dict_keys(rows: Sequence[Row], spread: Spread) -> Iterator[Finding]:
    """Wrapping a weight renames it in the state dict: checkpoints of the bare model do not fit any more."""
    wrapped = [(row, d) for row in rows if (d := row.decisions.get("parametrize")) and d.writes]
    if not wrapped:
        return
    (row, decision), *_ = wrapped
    one = f"'{row.path}' becomes '{decision.actions[0].state_dict_keys(row.path)[0]}'"
    paths = spread(row.path for row, _ in wrapped)
    message = f"the state-dict keys of {_many(len(paths), 'weight')} change: {one}"
    yield Finding("state-dict-keys", Severity.INFO, message, decision.span, None, decision.rule, paths)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _unclaimed(rows: Sequence[Row], spread: Spread, *, strict: bool) -> Iterator[Finding]:
    paths = spread(
        row.path for row in rows if row.value is None and not row.parameter.buffer and not row.parameter.frozen
    )
    if not paths:
        return
    message = f"{len(paths)} parameter{'s' * (len(paths) != 1)} without a rule: {listed(paths)}"
    hint = "Add a rule, or an entry of 'defaults'; 'keep' leaves a value on purpose."
    severity = Severity.ERROR if strict else Severity.INFO
    yield Finding("unclaimed", severity, message, None, hint, None, paths)


def _norm_of_zero(row: Row, problems: Gathered) -> None:
    """A weight that is divided by its own norm must not be zero."""
    value = row.value
    if value is None or row.moments != (0.0, 0.0):
        return
    decision = row.decisions.get("parametrize")
    wraps = [action.name for action in decision.actions if getattr(action, "nan_on_zero", False)] if decision else []
    blamed = decision if decision and wraps else value
    wraps += [name for name in row.parameter.parametrized if name in {"spectral_norm", "weight_norm"}]
    if wraps:
        hint = "Leave the last layer out of the rule that wraps it, or give it a small value."
        place = f" (set at {value.span.place})" if blamed is decision else ""
        after = f" by its norm, and its value is zero{place}: the result is NaN"
        problems.add(error("norm-of-zero", f"{wraps[0]} divides", blamed.span, hint, blamed.rule), row.path, after)


def _second_parametrization(row: Row, problems: Gathered) -> None:
    decision = row.decisions.get("parametrize")
    if decision and decision.writes and row.parameter.parametrized:
        wraps = ", ".join(row.parameter.parametrized)
        hint = "Wrap it once: in the model, or by a rule."
        message = f"{decision.actions[0].name} comes on top of {wraps}, which is already around"
        problems.add(error("second-parametrization", message, decision.span, hint, decision.rule), row.path)


def _tied_parametrization(inventory: Inventory, row: Row) -> Iterator[Finding]:
    """A weight is wrapped in one module: other modules that hold the same tensor would not see it."""
    decision = row.decisions.get("parametrize")
    names = inventory.names
    holders = {(names[name.owner].module, name.local): name.path for name in row.parameter.names}
    if decision and decision.writes and len(holders) > 1:
        first, second, *_ = holders.values()
        yield Finding(
            "tied-parametrization",
            Severity.ERROR,
            f"'{first}' is tied to '{second}', and {decision.actions[0].name} would wrap one of them only",
            decision.span,
            "Leave it out of the rule, or untie the two.",
            decision.rule,
            (row.path,),
        )


def _empty_cut(row: Row, problems: Gathered) -> None:
    """A cut at tens of σ cuts nothing: most likely absolute bounds were meant as σ."""
    if row.value is None:
        return
    for action in row.value.actions:
        if action.name != "trunc_normal" or (action.low is None and action.high is None):
            continue
        if action.problem(row.target):  # an error already
            continue
        reach = max(abs(side - action.mean) for side in action.limits) / action.spread
        if 10 < reach < float("inf"):
            hint = "'low' and 'high' are absolute; 'cut' counts in σ."
            found = Finding("empty-cut", Severity.WARNING, "trunc_normal cuts", row.value.span, hint, row.value.rule)
            problems.add(found, row.path, f" at {reach:.3g} σ, which cuts nothing")
