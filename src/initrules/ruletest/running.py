"""Finds test files, runs their cases, counts which rules decided anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from initrules import lints, planning, plugins, recording, ruleset
from initrules.document import MAX_CHARACTERS, ScalarNode
from initrules.errors import Finding, ModelError, NameClashError, Problems, RuleError, suggestion
from initrules.expression import FACTS, OBJECTS, Expression, unknown_names
from initrules.inventory import Inventory
from initrules.planning import PlanData
from initrules.presets import PREFIX
from initrules.rules import Rule
from initrules.ruleset import RuleSet
from initrules.ruletest.cases import (
    Case,
    Coverage,
    Expectation,
    OfFinding,
    OfParameters,
    OfRule,
    Subject,
    TestFile,
    read,
)
from initrules.ruletest.judging import Draws, Failure, Judge, finding_failures, unexpected
from initrules.ruletest.schema import SUFFIXES
from initrules.source import Span


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case with one rule file: what failed, or why it could not run."""

    case: Case
    rules: str
    failures: tuple[Failure, ...] = ()
    problems: tuple[RuleError, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        return not self.failures and not self.problems


@dataclass(frozen=True, slots=True)
class Covered:
    """Which rules decided something in some case: the names of those that did not, with their places."""

    rules: int
    idle: tuple[tuple[str, Span], ...]
    asked: Coverage | None = None

    @property
    def per_cent(self) -> float:
        """0 to 100; 100 where there are no rules."""
        return 100.0 if not self.rules else 100.0 * (self.rules - len(self.idle)) / self.rules

    @property
    def passed(self) -> bool:
        """Whether it is as much as was asked for."""
        return self.asked is None or self.per_cent >= self.asked.least


@dataclass(frozen=True, slots=True)
class FileResult:
    """One test file: its cases, or why it cannot be read."""

    file: str
    cases: tuple[CaseResult, ...] = ()
    covered: Covered | None = None
    problems: tuple[RuleError, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every case passed and enough rules were needed."""
        return not self.broken and all(one.passed for one in self.cases) and (not self.covered or self.covered.passed)

    @property
    def broken(self) -> bool:
        """Whether something could not run."""
        return bool(self.problems) or any(one.problems for one in self.cases)


def discover(names: Sequence[str]) -> list[str]:
    """The test files among and below these files and folders, sorted. Raises ``Problems``."""
    found: list[str] = []
    problems: list[RuleError] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            below = [one.as_posix() for one in path.rglob("*") if one.name.endswith(SUFFIXES)]
            if not below:
                hint = f"They are called NAME{SUFFIXES[0]}."
                problems.append(ModelError(f"there is no test file below '{name}'", hint=hint))
            found += sorted(below)
        elif path.is_file():
            found.append(name)
        else:
            problems.append(ModelError(f"there is no file '{name}'", hint="Name a test file, or a folder with some."))
    if problems:
        raise Problems(problems)
    return list(dict.fromkeys(found))


class Runner:
    """Runs test files. ``allow``: folders that rule files may read besides their own; ``chosen``: which cases."""

    def __init__(self, allow: Sequence[str] = (), chosen: Callable[[str], bool] = lambda _: True) -> None:
        self._allow = allow
        self._chosen = chosen
        self._tables = plugins.tables()
        self._inventories: dict[Any, Inventory] = {}

    def run(self, file: str) -> FileResult:
        """Every chosen case of one file."""
        try:
            with Path(file).open(encoding="utf-8") as stream:
                test = read(stream.read(MAX_CHARACTERS + 1), file, self._tables)
        except RuleError as error:
            return FileResult(file, problems=error.problems)
        except (OSError, UnicodeDecodeError) as error:
            return FileResult(file, problems=(ModelError(f"'{file}' cannot be read: {error}"),))
        seen: dict[tuple[str, int, str], tuple[Rule, bool]] = {}
        cases = tuple(
            self._case(test, case, rules, seen)
            for case in test.cases if self._chosen(case.name)
            for rules in case.subject.rules
        )  # fmt: skip
        all_chosen = all(self._chosen(case.name) for case in test.cases)
        return FileResult(file, cases, _covered(seen, test.coverage) if all_chosen else None)

    def _case(
        self, test: TestFile, case: Case, rules: ScalarNode, seen: dict[tuple[str, int, str], tuple[Rule, bool]]
    ) -> CaseResult:
        began = time.perf_counter()
        name = beside(test.file, rules.text)
        try:
            failures = tuple(self._judged(test, case, name, seen))
        except RuleError as error:
            return CaseResult(case, name, problems=_placed(error, rules), seconds=time.perf_counter() - began)
        return CaseResult(case, name, failures, seconds=time.perf_counter() - began)

    def _judged(
        self, test: TestFile, case: Case, name: str, seen: dict[tuple[str, int, str], tuple[Rule, bool]]
    ) -> Iterator[Failure]:
        asked = [one for one in case.expect if isinstance(one, OfFinding)]
        try:
            rules = ruleset.load(name, allow=self._allow, tables=self._tables)
            rules = rules.with_variables(case.subject.variables, origin=test.file) if case.subject.variables else rules
        except RuleError as error:
            found = [one.finding() for one in error.problems]
            if not any(True for one in asked if not any(finding_failures(one, found))):
                raise
            yield from (failure for one in asked for failure in finding_failures(one, found))
            yield from unexpected(found, asked, case.span)
            return
        _check_names(case, rules)
        plan, draws = self._planned(test, case, rules)
        _note(plan, seen)
        findings: list[Finding] = [*lints.file_findings(rules), *plan.findings]
        judge = Judge(plan, findings, draws)
        yield from (failure for one in case.expect for failure in judge.failures(one))
        yield from unexpected(findings, asked, case.span)

    def _planned(self, test: TestFile, case: Case, rules: RuleSet) -> tuple[PlanData, Draws]:
        subject = case.subject
        inventory = self._inventory(test.file, subject, run=rules.reads_observed)
        given = {source: beside(test.file, path) for source, path in subject.sources.items()}
        sources: Any = None
        if rules.sources or given:
            from initrules.sources import read as open_sources  # noqa: PLC0415  # torch

            sources = open_sources(rules, given)
        plan = planning.make(rules, inventory, sources.catalogs if sources else {})
        scratch: list[Any] = []

        def draws(row: Any, seed: int) -> Any:
            if not scratch:
                from initrules.ruletest.drawing import Scratch  # noqa: PLC0415  # torch
                from initrules.sources import NO_SOURCES  # noqa: PLC0415

                model = (lambda: self._model(test.file, subject, "cpu")) if subject.model else None
                scratch.append(Scratch(plan, sources or NO_SOURCES, model))
            return scratch[0].statistics(row, seed)

        return plan, draws

    def _inventory(self, file: str, subject: Subject, *, run: bool) -> Inventory:
        """What the case plans: each file and each model with equal arguments is read once.

        ``run``: with what a run on the example inputs beside the factory shows.
        """
        node = subject.inventory or subject.model
        assert node is not None  # the reader has seen to it
        key = (beside(file, node.text), repr(sorted(subject.arguments.items())), run)
        if key not in self._inventories:
            try:
                self._inventories[key] = self._surveyed(file, subject, run=run)
            except RuleError as error:
                raise Problems([type(error)(error.message, node.span, error.hint)]) from error
        return self._inventories[key]

    def _surveyed(self, file: str, subject: Subject, *, run: bool) -> Inventory:
        if subject.inventory is not None:
            return recording.read(beside(file, subject.inventory.text))
        from initrules.factory import example_inputs  # noqa: PLC0415  # torch
        from initrules.observing import survey_with  # noqa: PLC0415

        assert subject.model is not None
        model = self._model(file, subject, "meta")
        return survey_with(model, example_inputs(None, beside(file, subject.model.text)) if run else None)

    def _model(self, file: str, subject: Subject, device: str) -> Any:
        from initrules.factory import build  # noqa: PLC0415  # torch
        from initrules.resetting import seeded_globally  # noqa: PLC0415

        assert subject.model is not None
        with seeded_globally(0):  # what rules keep is the same in every run
            return build(beside(file, subject.model.text), subject.arguments, device=device)


def beside(file: str, name: str) -> str:
    """A name in a test file: relative to that file, unless it is a preset or a package's factory."""
    where, colon, factory = name.rpartition(":")
    if name.startswith(PREFIX) or (colon and not where.endswith(".py")):
        return name
    path = Path(file).parent / (where or name)
    return f"{_short(path)}{colon}{factory}" if colon else _short(path)


def _short(path: Path) -> str:
    """The path without ``..`` in its middle."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in {"..", "/"}:
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts).as_posix() if parts else "."


def _placed(error: RuleError, rules: ScalarNode) -> tuple[RuleError, ...]:
    """Problems without a place stand where the case names its rules."""
    return tuple(
        one if one.span is not None else type(one)(one.message, rules.span, one.hint) for one in error.problems
    )


def _check_names(case: Case, rules: RuleSet) -> None:
    """Expectations that name a rule or a variable that there is not."""
    problems: list[RuleError] = []
    names = [rule.name for rule in rules.rules]
    for node in _rule_names(case.expect):
        if node.text not in names:
            hint = suggestion(node.text, names)
            problems.append(NameClashError(f"there is no rule '{node.text}' in {rules.files[-1]}", node.span, hint))
    captures = {name for rule in rules.rules for name in rule.captures}
    known = {*rules.variables, *captures, *FACTS, *OBJECTS}
    for one in case.expect:
        bound = {name for pattern in one.patterns for name in pattern.names} if isinstance(one, OfParameters) else set()
        for part, extra in _expressions(one):
            problems += unknown_names(part, {*known, *bound, *extra})
    if problems:
        raise Problems(problems)


def _rule_names(expect: Iterable[Expectation]) -> Iterator[ScalarNode]:
    for one in expect:
        if isinstance(one, OfRule):
            yield one.rule
        elif isinstance(one, OfParameters):
            yield from (*one.by, *one.over)


def _expressions(one: Expectation) -> Iterator[tuple[Expression, Sequence[str]]]:
    if isinstance(one, OfParameters):
        for wanted in one.wanted.values():
            yield from (part for call in wanted.calls for part in call.expressions())
        yield from ((near.about, ()) for near in (one.drawn.std, one.drawn.mean) if near)
        yield from ((end, ()) for end in one.drawn.range or ())


def _note(plan: PlanData, seen: dict[tuple[str, int, str], tuple[Rule, bool]]) -> None:
    won = {tally.rule for tally in plan.tallies if tally.won}
    for rule in plan.rules.rules:
        key = (rule.span.file, rule.span.line, rule.name)
        seen[key] = (rule, rule.name in won or seen.get(key, (rule, False))[1])


def _covered(seen: Mapping[tuple[str, int, str], tuple[Rule, bool]], asked: Coverage | None) -> Covered:
    idle = tuple((rule.name, rule.span) for rule, decides in seen.values() if not decides)
    return Covered(len(seen), idle, asked)
