"""What nearly all problems of a model have in common: the plan was never applied to it, or with another seed."""

from __future__ import annotations

from collections.abc import Sequence

from initrules.actions import chain
from initrules.decision import Row
from initrules.report.verdict import is_of_values
from initrules.verdict import Problem

_NEARLY = 0.9  # of what is drawn; constants are often right by chance, as those of norms
_FEW = 3  # problems that are read in one look


def remark(
    checked: Sequence[Row], problems: Sequence[Problem], fitting: frozenset[str], seed: int | None
) -> str | None:
    """One sentence with the way out, or None where the problems do not have that in common.

    ``checked``: whose values could be looked at; ``fitting``: of these, what differs from the values of ``seed`` and
    looks as the rules have it.
    """
    decided = {row.path: row for row in checked}
    wrong = {problem.subject for problem in problems if is_of_values(problem)} & decided.keys()
    drawn = {path for path, row in decided.items() if row.value is not None and not chain.is_fixed(row.value.actions)}
    asked = drawn or decided.keys()
    if len(wrong) <= _FEW or len(wrong & asked) < _NEARLY * len(asked):
        return None
    if len(wrong & fitting) >= _NEARLY * len(wrong):
        return (
            f"another seed drew this model: {len(wrong & fitting):,} of {len(drawn):,} drawn parameters fit their "
            f"rules, and are not what seed {seed} gives\n  Name the seed of 'apply', or none: then they are tested."
        )
    return (
        f"the plan was not applied to this model, or the model was changed afterwards: {len(wrong):,} of "
        f"{len(decided):,} parameters that can be checked are not as it has them\n"
        "  Apply it (plan.apply_(), 'verify --apply'), or look at what 'apply' wrote ('verify --weights FILE')."
    )
