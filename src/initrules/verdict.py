"""What ``verify`` found, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from initrules.errors import Severity
from initrules.report.verdict import verdict_json, verdict_text
from initrules.source import Span


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as the plan has it.

    ``subject``: the parameter or module; ``check``: what was looked at; ``message`` continues the subject's name.
    ``probability``: of a correct model looking at least so odd, where that was asked. An error is beyond the
    budget of one in a million models, a warning beyond that of one in a hundred.
    """

    subject: str
    check: str
    message: str
    severity: Severity = Severity.ERROR
    rule: str | None = None
    span: Span | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked, and every problem.

    ``parameters``: how many the plan has, buffers included; ``recomputed``: those whose values were computed again
    and compared; ``tested``: those whose distribution was tested; ``left``: those that the plan leaves as they are;
    ``untested``: the others with the reason why; ``tests``: how many probabilities share the budget; ``expected``:
    how many expectations were checked; ``skipped``: how many were not, for want of inputs; ``remark``: what nearly
    all problems have in common.
    """

    seed: int | None
    parameters: int
    recomputed: int
    tested: int
    left: int
    untested: tuple[tuple[str, str], ...]
    tests: int
    expected: int
    skipped: int
    problems: tuple[Problem, ...]
    remark: str | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may be chance."""
        return not any(problem.severity is Severity.ERROR for problem in self.problems)

    def of(self, subject: str) -> tuple[Problem, ...]:
        """The problems of one parameter or module."""
        return tuple(problem for problem in self.problems if problem.subject == subject)

    def to_dict(self) -> dict[str, Any]:
        """All of it as versioned, JSON-ready data."""
        return verdict_json(self)

    def __str__(self) -> str:
        return verdict_text(self)
