"""All statistical tests of a model: collected, pooled by rule, and judged together under one budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from initrules import tails
from initrules.decision import Row
from initrules.errors import Severity
from initrules.statistical import Floor, Look, Measured, judged
from initrules.verdict import Problem

SUSPICION = 1e-2  # the chance that a correct model has a warning
_SOFT = frozenset({"spread", "mean", "shape"})  # checks that share the budget; the others are true or false


@dataclass(frozen=True, slots=True)
class _Found:
    row: Row
    look: Look
    others: tuple[str, ...] = ()


class Tests:
    """Takes what was seen of each parameter; ``problems`` judges all of it."""

    __test__ = False  # nothing for pytest

    def __init__(self) -> None:
        self._found: list[_Found] = []
        self._pools: dict[Any, list[tuple[Row, Measured]]] = {}

    def add(self, row: Row, seen: Sequence[Look | Measured]) -> None:
        """Note what was seen of a parameter."""
        for one in seen:
            if isinstance(one, Look):
                self._found.append(_Found(row, one))
                continue
            assert row.value is not None
            law = one.law
            shape = tuple(round(moment, 6) for moment in (law.skew, law.kurtosis, law.sixth))
            self._pools.setdefault((row.value.rule, row.value.span, shape), []).append((row, one))
            if one.sums.entries >= tails.LEAST:
                self._found.extend(_Found(row, look) for look in judged(one))

    def too_small(self) -> Iterator[tuple[Row, str]]:
        """Parameters of too few values, with those of the same rule too."""
        for members in self._pools.values():
            total = sum(measured.sums.entries for _, measured in members)
            for row, _ in members:
                if total < tails.LEAST:
                    yield row, f"{total} values are too few for a test"

    def _pooled(self) -> Iterator[_Found]:
        for members in self._pools.values():
            rows = [row for row, _ in members]
            together = [_standard(measured) for _, measured in members]
            pool = together[0]
            for one in together[1:]:
                floor = Floor(*map(max, zip(pool.floor, one.floor, strict=True)))
                pool = Measured(pool.law, pool.sums.plus(one.sums), floor)
            if len(members) > 1 and pool.sums.entries >= tails.LEAST:
                names = tuple(dict.fromkeys(row.path for row in rows))
                yield from (_Found(rows[0], look, names) for look in judged(pool))

    def judge(self) -> tuple[list[Problem], int]:
        """The problems, and how many tests share the budget."""
        pooled = list(self._pooled())
        every = [*self._found, *pooled]
        count = sum(1 for one in every if one.look.check in _SOFT)
        problems = [p for p in (_problem(one, max(1, count)) for one in self._found) if p is not None]
        told = {(problem.subject, problem.check, problem.severity) for problem in problems}
        for one in pooled:
            problem = _problem(one, max(1, count))
            if problem is not None and not any((name, problem.check, problem.severity) in told for name in one.others):
                problems.append(problem)
        return problems, count


def _standard(measured: Measured) -> Measured:
    """The same in units of the law's own mean and std."""
    return measured._replace(law=replace(measured.law, mean=0.0, std=1.0))


def _problem(found: _Found, count: int) -> Problem | None:
    look, decision = found.look, found.row.value
    assert decision is not None
    hard = look.check not in _SOFT
    share = 1 if hard else count
    if look.probability >= SUSPICION / share:
        return None
    severity = Severity.ERROR if look.probability < tails.BUDGET / share else Severity.WARNING
    message = look.message
    if found.others:
        message = f"and {len(found.others) - 1} others of the rule, pooled and in units of its std: {message}"
    return Problem(
        found.row.path, look.check, message, severity, decision.rule, decision.span,
        None if hard else look.probability,
    )  # fmt: skip
