"""Results of rule tests for the terminal, as JSON and as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from initrules.errors import printable
from initrules.report import github, junit
from initrules.ruletest.judging import Failure
from initrules.ruletest.running import CaseResult, Covered, FileResult
from initrules.source import Span

RESULT_VERSION = 1


def text(results: Sequence[FileResult], *, verbose: bool = False) -> str:
    """Failures with their because lines, uncovered rules, and a count; with ``verbose`` what passed too."""
    lines = [line for result in results for line in _file(result, verbose=verbose)]
    return "\n".join([*(printable(line) for line in lines), summary(results)])


def summary(results: Sequence[FileResult]) -> str:
    """How many cases passed, failed and could not run."""
    cases = [case for result in results for case in result.cases]
    passed = sum(1 for case in cases if case.passed)
    failed = sum(1 for case in cases if case.failures)
    broken = sum(1 for case in cases if case.problems) + sum(1 for one in results if one.problems)
    parts = [f"{passed} passed, {failed} failed"]
    if broken:
        parts.append(f"{broken} could not run")
    short = sum(1 for one in results if one.covered and not one.covered.passed)
    if short:
        parts.append(f"{short} below the coverage asked for")
    return ", ".join(parts)


def _file(result: FileResult, *, verbose: bool) -> Iterator[str]:
    if result.problems or verbose or not result.passed:
        yield f"{'✓' if result.passed else '✗'} {result.file}"
    for problem in result.problems:
        yield from (f"  {line}" for line in str(problem).split("\n"))
    for case in result.cases:
        if case.passed and verbose:
            yield f"  ✓ {_title(result, case)}"
        elif not case.passed:
            yield f"  ✗ {_title(result, case)}"
            yield from (f"    {line}" for line in _why(case))
    if result.covered and (verbose or not result.covered.passed):
        yield from (f"  {line}" for line in _coverage(result.covered))


def _title(result: FileResult, case: CaseResult) -> str:
    several = sum(1 for one in result.cases if one.case is case.case) > 1
    return f"{case.case.name} ({case.rules})" if several else case.case.name


def _why(case: CaseResult) -> Iterator[str]:
    for failure in case.failures:
        yield from _failure(failure)
    for problem in case.problems:
        yield from str(problem).split("\n")


def _failure(failure: Failure) -> Iterator[str]:
    yield f"{failure.span.place}: {failure.subject}: {failure.what}"
    yield f"  expected  {failure.expected}"
    yield f"  is        {failure.found}"
    for position, reason in enumerate(failure.because):
        yield f"  {'' if position else 'because':9} {reason}"


def _coverage(covered: Covered) -> Iterator[str]:
    deciding = covered.rules - len(covered.idle)
    asked = f", {covered.asked.least:g} % asked for at {covered.asked.span.place}" if covered.asked else ""
    yield f"coverage: {deciding} of {covered.rules} rules decide something ({covered.per_cent:.0f} %{asked})"
    for name, span in covered.idle:
        yield f"  {span.place}: '{name}' decides nothing in any case"


def as_json(results: Sequence[FileResult]) -> dict[str, Any]:
    """The results as versioned data, without times."""
    return {"initrules-test-result": RESULT_VERSION, "files": [_file_json(one) for one in results]}


def _file_json(result: FileResult) -> dict[str, Any]:
    found: dict[str, Any] = {"file": result.file, "passed": result.passed}
    found["cases"] = [
        {
            "name": case.case.name, "rules": case.rules, "place": case.case.span.place,
            "status": "passed" if case.passed else "failed" if case.failures else "error",
            "failures": [
                {"place": f.span.place, "subject": f.subject, "what": f.what, "expected": f.expected,
                 "found": f.found, "because": list(f.because)}
                for f in case.failures
            ],
            "problems": [str(one) for one in case.problems],
        }
        for case in result.cases
    ]  # fmt: skip
    found["problems"] = [str(one) for one in result.problems]
    if result.covered:
        found["coverage"] = {
            "rules": result.covered.rules,
            "per_cent": result.covered.per_cent,
            "idle": [{"rule": name, "place": span.place} for name, span in result.covered.idle],
        }
    return found


def as_junit(results: Sequence[FileResult]) -> str:
    """The results as JUnit XML: one suite for each file, one more case for the coverage asked for."""
    return junit.xml([junit.Suite(result.file, tuple(_outcomes(result))) for result in results], "initrules test")


def _outcomes(result: FileResult) -> Iterator[junit.Outcome]:
    if result.problems:
        told = "\n".join(map(str, result.problems))
        yield junit.Outcome("read the file", "error", result.problems[0].message, told, result.file, 1)
    for case in result.cases:
        kind = "failure" if case.failures else "error" if case.problems else ""
        first = _headline(case)
        span = case.case.span
        text_ = "\n".join(_why(case))
        yield junit.Outcome(_title(result, case), kind, first, text_, span.file, span.line, case.seconds)
    covered = result.covered
    if covered and covered.asked:
        told = "\n".join(_coverage(covered))
        kind = "" if covered.passed else "failure"
        yield junit.Outcome("coverage", kind, told.partition("\n")[0], told, result.file, covered.asked.span.line)


def _headline(case: CaseResult) -> str:
    if case.failures:
        first = case.failures[0]
        return f"{first.subject}: {first.what}: expected {first.expected}, is {first.found}"
    return case.problems[0].message if case.problems else ""


def as_github(results: Sequence[FileResult]) -> str:
    """An annotation for each failure at the line that asked for it, and the count."""
    return "\n".join([*(line for result in results for line in _annotations(result)), summary(results)])


def _annotations(result: FileResult) -> Iterator[str]:
    for problem in (*result.problems, *(one for case in result.cases for one in case.problems)):
        yield github.annotation("error", "initrules test", problem.message, problem.span or Span(result.file, 1, 1))
    for case in result.cases:
        for failure in case.failures:
            yield github.annotation(
                "error", f"initrules test {case.case.name}", "\n".join(_failure(failure)), failure.span
            )
    if result.covered and result.covered.asked and not result.covered.passed:
        yield github.annotation(
            "error", "initrules test coverage", "\n".join(_coverage(result.covered)), result.covered.asked.span
        )
