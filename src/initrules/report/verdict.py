"""What ``verify`` found, as text and as JSON-ready data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from initrules.errors import Severity, printable

if TYPE_CHECKING:
    from initrules.verdict import Problem, Verification

VERDICT_VERSION = 1
MOST = 40  # problems that are shown; JSON has all
MOST_UNTESTED = 5
MOST_ALIKE = 3  # of those that a remark sums up
_OF_VALUES = frozenset({"value", "spread", "mean", "shape", "range", "orthogonality", "unchanged"})


def verdict_text(verdict: Verification) -> str:
    """One line for each problem, with its place; then what was checked and what could not be."""
    alike = [problem for problem in verdict.problems if verdict.remark and is_of_values(problem)]
    others = [problem for problem in verdict.problems if not (verdict.remark and is_of_values(problem))]
    lines = [f"error {verdict.remark}"] if verdict.remark else []
    lines += [*_listed(alike, MOST_ALIKE, "more like these"), *_listed(others, MOST, "more problems")]
    return "\n".join([*lines, *_untested(verdict), _summary(verdict)])


def is_of_values(problem: Problem) -> bool:
    """Whether it is an error about values that a rule gives."""
    return problem.severity is Severity.ERROR and problem.check in _OF_VALUES


def _listed(problems: Sequence[Problem], most: int, rest: str) -> Iterator[str]:
    yield from map(_line, problems[:most])
    if len(problems) > most:
        yield f"and {len(problems) - most} {rest}; --format json has all"


def _line(problem: Problem) -> str:
    place = f"{problem.span.place}: " if problem.span is not None else ""
    said = f"{place}'{problem.subject}' {problem.message}{_chance(problem.probability)} [{problem.check}]"
    return f"{problem.severity.value} {printable(said)}"


def _chance(probability: float | None) -> str:
    if probability is None:
        return ""
    return f" (p = {probability:.1g})" if probability > _LEAST else f" (p < {_LEAST:g})"


_LEAST = 1e-99  # what is less likely than this is not worth its digits


def _untested(verdict: Verification) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for path, reason in verdict.untested:
        reasons.setdefault(reason, []).append(path)
    for reason, paths in list(reasons.items())[:MOST_UNTESTED]:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield printable(f"not testable: '{paths[0]}'{more}: {reason}")
    if len(reasons) > MOST_UNTESTED:
        yield f"not testable: others, for {len(reasons) - MOST_UNTESTED} more reasons; --format json has all"


def _summary(verdict: Verification) -> str:
    looked = [f"{verdict.recomputed} recomputed" + (f" with seed {verdict.seed}" if verdict.seed is not None else "")]
    shared = f" ({_counted(verdict.tests, 'test')})" if verdict.tests else ""
    looked += [f"{verdict.tested} tested{shared}"] if verdict.tested else []
    looked += [f"{len(verdict.untested)} not testable"] if verdict.untested else []
    looked += [f"{verdict.left} left as found"] if verdict.left else []
    parts = [f"{', '.join(looked)} of {_counted(verdict.parameters, 'tensor')}"]
    parts += [f"{_counted(verdict.expected, 'expectation')} checked"] if verdict.expected else []
    if verdict.skipped:
        parts.append(f"{_counted(verdict.skipped, 'expectation')} not checked for want of inputs")
    errors = sum(1 for problem in verdict.problems if problem.severity is Severity.ERROR)
    warnings = len(verdict.problems) - errors
    return f"{'; '.join(parts)}: {_counted(errors, 'error')}, {_counted(warnings, 'warning')}"


def _counted(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'s' * (number != 1)}"


def verdict_json(verdict: Verification) -> dict[str, Any]:
    """All of it, in a stable order."""
    return {
        "initrules-verification": VERDICT_VERSION,
        "ok": verdict.ok,
        "seed": verdict.seed,
        "tensors": verdict.parameters,
        "recomputed": verdict.recomputed,
        "tested": verdict.tested,
        "left": verdict.left,
        "untested": dict(verdict.untested),
        "tests": verdict.tests,
        "expectations": verdict.expected,
        "expectations_skipped": verdict.skipped,
        "remark": verdict.remark,
        "problems": [_problem(problem) for problem in verdict.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    found: dict[str, Any] = {
        "subject": problem.subject, "check": problem.check, "severity": problem.severity.value,
        "message": problem.message, "rule": problem.rule, "place": problem.span.place if problem.span else None,
        "probability": problem.probability,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value is not None}
