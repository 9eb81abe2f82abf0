"""Does a plan meet an expectation? What was expected, what is so, and because of what.

Pure: a plan, an expectation and statistics of drawn values go in, failures come out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.actions.base import described, shown, summary
from initrules.binding import bind
from initrules.decision import Row, Tally
from initrules.errors import EvaluationError, Finding, nearest
from initrules.evaluation import Scope, evaluate
from initrules.expression import Expression
from initrules.grouping import group
from initrules.matcher import Matcher, Meeting
from initrules.pattern import Pattern
from initrules.planning import PlanData
from initrules.ruletest.cases import Expectation, Near, OfFinding, OfParameters, OfRule, Wanted
from initrules.scope import Scopes
from initrules.source import Span

TOLERANCE = 1e-6  # relative; what float32 cannot tell apart is not told apart here
STANDARD_ERRORS = 5
MOST = 5  # groups told for one key of an expectation


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the drawn entries of one parameter. The errors are those of the mean and the std, one σ."""

    mean: float
    std: float
    low: float
    high: float
    mean_error: float
    std_error: float


Draws = Callable[[Row, int], Statistics]


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that does not hold: where that was asked, for what, and why it is as it is."""

    span: Span
    subject: str
    what: str
    expected: str
    found: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Miss:
    """What one parameter does not meet."""

    row: Row
    key: str
    expected: str
    found: str
    because: tuple[str, ...]
    off: float | None = None  # how far a statistic is off; the farthest one speaks for all


class Judge:
    """Holds expectations against one plan. ``draw``: statistics of a parameter's value for a seed."""

    def __init__(self, plan: PlanData, findings: Sequence[Finding], draw: Draws) -> None:
        self.plan = plan
        self.findings = findings
        self.draw = draw
        self._scopes = Scopes(
            Matcher(plan.inventory), plan.rules.variables, as_torch=plan.rules.stream == "global"
        )  # fmt: skip

    def failures(self, expectation: Expectation) -> Iterator[Failure]:
        """Everything about an expectation that does not hold."""
        match expectation:
            case OfParameters():
                yield from self._parameters(expectation)
            case OfRule():
                yield from self._rule(expectation)
            case OfFinding():
                yield from finding_failures(expectation, self.findings)

    def _parameters(self, asked: OfParameters) -> Iterator[Failure]:
        rows = [row for row in self.plan.rows if _is_meant(row, asked)]
        subject = ", ".join(map(str, asked.patterns))
        if asked.count is not None and len(rows) != asked.count:
            yield Failure(asked.spans["count"], subject, "count", str(asked.count), str(len(rows)))
        if not rows and asked.count is None:
            names = [name.path for row in self.plan.rows[:20_000] for name in row.parameter.names]
            near = nearest(str(asked.patterns[0]), names)
            hint = (f"the nearest is '{near}'",) if near else ()
            yield Failure(asked.span, subject, "params", "a parameter of that name", "none", hint)
        misses = [miss for row in rows for miss in self._misses(asked, row)]
        for key in dict.fromkeys(miss.key for miss in misses):
            yield from _told(asked.spans.get(key, asked.span), [miss for miss in misses if miss.key == key])

    def _misses(self, asked: OfParameters, row: Row) -> Iterator[_Miss]:
        for prop, wanted in asked.wanted.items():
            yield from self._value(asked, row, prop, wanted)
        yield from _states(asked, row)
        yield from _rules(asked, row)
        try:
            yield from self._statistics(asked, row) if asked.drawn else ()
        except EvaluationError as error:
            because = (f"the expected value cannot be computed: {error.message}",)
            yield _Miss(row, _first_statistic(asked), "a number", "none", because)

    def _value(self, asked: OfParameters, row: Row, prop: str, wanted: Wanted) -> Iterator[_Miss]:
        key = prop if prop in {"set", "parametrize"} else "optimize"
        label = "" if key == prop else f"{prop} "
        decision = row.decisions.get(prop)
        try:
            actions = tuple(bind(call, self._scope(asked, row)) for call in wanted.calls)
        except EvaluationError as error:
            because = (f"the expected value cannot be computed: {error.message}",)
            yield _Miss(row, key, label + wanted.text, decision.summary if decision else f"{label}not decided", because)
            return
        if decision is not None and _same([_plain(a) for a in decision.actions], [_plain(a) for a in actions]):
            return
        expected, found = ", ".join(map(summary, actions)), decision.summary if decision else f"{label}not decided"
        if expected == found and decision is not None:  # they differ in digits that tables do not print
            expected, found = (str([_plain(one) for one in some]) for some in (actions, decision.actions))
        yield _Miss(row, key, expected, found, because_of(row, prop))

    def _scope(self, asked: OfParameters, row: Row) -> Scope:
        """What names mean for a parameter: what its rule bound, and what the expectation's pattern binds."""
        name = next((name for name in row.parameter.names if name.path == row.target.met), row.parameter.names[0])
        bound = dict(row.value.captures) if row.value else {}
        for pattern in asked.patterns:
            for one in row.parameter.names:
                bound |= pattern.match(one.path) or {}
        return self._scopes.of_parameter(row.parameter, name, Meeting(bound))[0]  # type: ignore[arg-type]

    def _statistics(self, asked: OfParameters, row: Row) -> Iterator[_Miss]:
        """For each statistic the first seed with which it is off."""
        because = because_of(row, "set")
        if row.value is None or row.parameter.lazy:
            yield _Miss(row, _first_statistic(asked), "a value to draw", "no rule that gives one", because)
            return
        draws = [self.draw(row, seed) for seed in range(asked.drawn.seeds)]
        for key, near in (("std", asked.drawn.std), ("mean", asked.drawn.mean)):
            for seed, drawn in enumerate(draws if near else ()):
                assert near is not None
                about, limit = self._limits(asked, row, near, getattr(drawn, f"{key}_error"), share=key == "std")
                found = getattr(drawn, key)
                if not abs(found - about) <= limit:
                    told = f"{shown(found)} with seed {seed}"
                    yield _Miss(row, key, f"{shown(about)} ± {shown(limit)}", told, because, abs(found - about))
                    break
        yield from self._range(asked, row, draws, because)

    def _range(
        self, asked: OfParameters, row: Row, draws: Sequence[Statistics], because: tuple[str, ...]
    ) -> Iterator[_Miss]:
        if asked.drawn.range is None:
            return
        low, high = (self._number(asked, row, end) for end in asked.drawn.range)
        slack = TOLERANCE * max(abs(low), abs(high))
        for seed, drawn in enumerate(draws):
            off = max(low - drawn.low, drawn.high - high)
            if not off <= slack:
                told = f"{shown(drawn.low)} to {shown(drawn.high)} with seed {seed}"
                yield _Miss(row, "range", f"{shown(low)} to {shown(high)}", told, because, off)
                return

    def _limits(self, asked: OfParameters, row: Row, near: Near, error: float, *, share: bool) -> tuple[float, float]:
        """What a statistic must be near, and how far it may be off, in units of the values."""
        about = self._number(asked, row, near.about)
        if near.within is None:
            return about, STANDARD_ERRORS * error + TOLERANCE * abs(about)
        return about, near.within * abs(about) if share else near.within

    def _number(self, asked: OfParameters, row: Row, expression: Expression) -> float:
        value = evaluate(expression, self._scope(asked, row))
        if isinstance(value, str | tuple):
            raise EvaluationError(f"'{expression}' is no number", expression.span)
        return float(value)

    def _rule(self, asked: OfRule) -> Iterator[Failure]:
        tally = next(one for one in self.plan.tallies if one.rule == asked.rule.text)
        counted = {"wins": tally.won, "claims": tally.claimed, "loses": tally.claimed - tally.won}
        for key, count in asked.counts.items():
            if counted[key] != count:
                yield Failure(
                    asked.spans[key], f"rule '{tally.rule}'", key, str(count), str(counted[key]), (_fate(tally),)
                )


def _fate(tally: Tally) -> str:
    """Who has what a rule claims, in one line."""
    rest = ", ".join(f"{count} to '{name}'" for name, count in tally.taken.items())
    return f"at {tally.span.place} it claims {tally.claimed} and wins {tally.won}" + (
        f"; it loses {rest}" if rest else ""
    )


def finding_failures(asked: OfFinding, findings: Sequence[Finding]) -> Iterator[Failure]:
    """Whether there is such a finding, or as many as asked for."""
    found = [one for one in findings if is_meant(one, asked)]
    wanted = "at least one" if asked.count is None else str(asked.count)
    if (asked.count is None and found) or len(found) == asked.count:
        return
    near = found or [one for one in findings if one.code in asked.codes] or list(findings)
    because = tuple(_told_finding(one) for one in near[:MOST])
    more = (f"and {len(near) - MOST} more findings",) if len(near) > MOST else ()
    yield Failure(asked.span, f"finding {asked.text}", "count", wanted, str(len(found)), (*because, *more))


def unexpected(findings: Sequence[Finding], asked: Sequence[OfFinding], span: Span) -> Iterator[Failure]:
    """Errors that no expectation speaks of: with them nothing could be applied."""
    for one in findings:
        if one.severity.value == "error" and not any(is_meant(one, expectation) for expectation in asked):
            hint = ("an error stops 'apply'; if it is meant, expect it: {finding: " + one.code + "}",)
            yield Failure(span, "findings", "errors", "none", _told_finding(one), hint)


def is_meant(finding: Finding, asked: OfFinding) -> bool:
    """Whether an expectation speaks of a finding."""
    return (
        ("*" in asked.codes or finding.code in asked.codes)
        and asked.severity in {None, finding.severity.value}
        and asked.rule in {None, finding.rule}
        and asked.says in finding.message
        and (
            not asked.patterns or any(p.match(path) is not None for p in asked.patterns for path in finding.parameters)
        )
    )


def _told_finding(finding: Finding) -> str:
    place = f" at {finding.span.place}" if finding.span else ""
    return f"{finding.severity.value} {finding.code}{place}: {finding.message}"


def _is_meant(row: Row, asked: OfParameters) -> bool:
    """By any of its names; a buffer that no rule decides only by its literal name."""
    patterns = asked.patterns
    if row.parameter.buffer and not row.decisions:
        patterns = tuple(one for one in patterns if one.literal)
    return _meets(row, patterns) and not _meets(row, asked.excluded)


def _meets(row: Row, patterns: Sequence[Pattern]) -> bool:
    return any(one.match(name.path) is not None for one in patterns for name in row.parameter.names)


def _states(asked: OfParameters, row: Row) -> Iterator[_Miss]:
    """Claimed by nobody, or kept by a rule."""
    told = "no rule" if row.value is None else row.value.summary
    because = because_of(row, "set")
    if asked.unclaimed is not None and asked.unclaimed != (row.value is None):
        yield _Miss(row, "unclaimed", "no rule" if asked.unclaimed else "a rule", told, because)
    kept = row.value is not None and not row.value.writes
    if asked.kept is not None and asked.kept != kept:
        yield _Miss(row, "kept", "kept by a rule" if asked.kept else "not kept by a rule", told, because)


def _first_statistic(asked: OfParameters) -> str:
    return next(key for key in ("std", "mean", "range") if getattr(asked.drawn, key))


def _rules(asked: OfParameters, row: Row) -> Iterator[_Miss]:
    """Who decides it and who loses, for the properties that the expectation names, or for its value."""
    props = [prop for prop in row.decisions if prop in (asked.wanted or {"set"})]
    decided = [row.decisions[prop] for prop in props]
    names = {node.text for node in asked.by}
    if names and not (decided and all(decision.rule in names for decision in decided)):
        winners = ", ".join(dict.fromkeys(decision.rule for decision in decided))
        wrong = next((prop for prop in props if row.decisions[prop].rule not in names), "set")
        losers = {loser.rule for decision in decided for loser in decision.losers}
        absent = tuple(f"'{name}' does not claim it" for name in sorted(names - losers - {d.rule for d in decided}))
        yield _Miss(row, "by", " or ".join(sorted(names)), winners or "no rule", (*because_of(row, wrong), *absent))
    for node in asked.over:
        if not any(loser.rule == node.text for decision in decided for loser in decision.losers):
            found = ", ".join(dict.fromkeys(one.rule for d in decided for one in d.losers)) or "no rule"
            absent = () if any(d.rule == node.text for d in decided) else (f"'{node.text}' does not claim it",)
            yield _Miss(row, "over", node.text, found, (*because_of(row, props[0] if props else "set"), *absent))


def because_of(row: Row, prop: str) -> tuple[str, ...]:
    """Who decides a property of a parameter, where, and over whom."""
    decision = row.decisions.get(prop)
    if decision is None:
        return ("it is frozen, and rules pass over it",) if row.parameter.frozen else ("no rule claims it",)
    lock = ", locked" if decision.lock else ""
    first = f"'{decision.rule}'{lock} decides it at {decision.span.place}: {decision.written}"
    return (first, *(f"over '{one.rule}' at {one.span.place}: {one.written}; {one.reason}" for one in decision.losers))


def _told(span: Span, misses: Sequence[_Miss]) -> Iterator[Failure]:
    """Misses of many parameters that say the same as one failure; of statistics the farthest is told."""
    alike: dict[tuple[str, str, tuple[str, ...]], list[_Miss]] = {}
    for miss in misses:
        alike.setdefault((miss.expected, miss.found if miss.off is None else "", miss.because), []).append(miss)
    found = [
        Failure(span, subject, some[0].key, some[0].expected, _is_so(some), some[0].because)
        for some in alike.values()
        for subject in _subjects(some)
    ]
    yield from found[:MOST]
    if len(found) > MOST:
        yield Failure(span, f"and {len(found) - MOST} more groups", misses[0].key, "as above", "not so")


def _subjects(misses: Sequence[_Miss]) -> list[str]:
    """The parameters as patterns: one for each failure, but all together where the farthest speaks for all."""
    groups = group([miss.row for miss in misses])
    named = [_named(one.pattern, len(one.rows)) for one in groups]
    if misses[0].off is None:
        return named
    more = f" and {len(named) - MOST} more groups" if len(named) > MOST else ""
    return [", ".join(named[:MOST]) + more]


def _is_so(misses: Sequence[_Miss]) -> str:
    farthest = max(misses, key=lambda miss: miss.off or 0.0)
    return farthest.found if len(misses) == 1 or farthest.off is None else f"{farthest.found} at {farthest.row.path}"


def _named(pattern: str, count: int) -> str:
    return f"{pattern} ×{count}" if count > 1 else pattern


_NUMBERS = {"zeros": 0, "ones": 1}  # the same value by two names


def _plain(action: Any) -> Any:
    if action.name in _NUMBERS:
        return {"constant": {"value": _NUMBERS[action.name]}}
    return {action.name: described(action)}


def _same(one: Any, other: Any) -> bool:
    """Equal up to rounding."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, bool) or isinstance(other, bool) or not isinstance(one, int | float):
        return bool(one == other)
    return isinstance(other, int | float) and math.isclose(one, other, rel_tol=TOLERANCE)
