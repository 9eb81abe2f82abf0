"""The budget: shared by all tests, pooled by rule, an error or a warning."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from initrules.actions.law import normal, uniform
from initrules.decision import Row
from initrules.errors import Severity
from initrules.samples import Sums
from initrules.statistical import Floor, Look, Measured
from initrules.testing import Tests
from support import isolated, planned


def rows(count: int = 3) -> Sequence[Row]:
    model = nn.Sequential(*(isolated(nn.Linear)(2, 2, bias=False) for _ in range(count)))
    return planned("rules: [{rule: r, select: '*', set: {weight: {normal: {std: 1}}}}]", model).rows


ROWS = rows()
NO_FLOOR = Floor(0, 0)


def measured(count: int, second: float, *, std: float = 1) -> Measured:
    return Measured(normal(0, std), Sums(count, 0.0, count * second, -1, 1), NO_FLOOR)


@pytest.mark.parametrize(("probability", "others", "severity"), [
    pytest.param(0.9e-6, 0, Severity.ERROR, id="beyond the budget"),
    pytest.param(1.1e-6, 0, Severity.WARNING, id="within it"),
    pytest.param(0.9e-6, 9, Severity.WARNING, id="within a tenth of it"),
    pytest.param(0.9e-7, 9, Severity.ERROR, id="beyond a tenth"),
    pytest.param(0.9e-2, 0, Severity.WARNING, id="suspicious"),
    pytest.param(0.9e-2, 9, None, id="not among ten"),
])  # fmt: skip
def test_the_budget_is_shared(probability: float, others: int, severity: Severity | None) -> None:
    tests = Tests()
    tests.add(ROWS[0], [Look("shape", probability, "is odd"), *(Look("mean", 1.0, "") for _ in range(others))])
    problems, count = tests.judge()
    assert count == others + 1
    assert [(one.severity, one.message, one.rule, one.probability) for one in problems] == (
        [] if severity is None else [(severity, "is odd", "r", probability)]
    )


def test_what_is_true_or_false_has_no_share() -> None:
    tests = Tests()
    tests.add(ROWS[0], [Look("range", 0.0, "is out"), Look("value", 1.0, ""), Look("mean", 0.9e-6, "is off")])
    problems, count = tests.judge()
    assert count == 1
    assert [(one.check, one.severity, one.probability) for one in problems] == [
        ("range", Severity.ERROR, None), ("mean", Severity.ERROR, 0.9e-6)
    ]  # fmt: skip


def test_a_rule_is_wrong_by_a_little_everywhere() -> None:
    tests = Tests()
    for row in ROWS:
        tests.add(row, [measured(10_000, 1.06, std=3)])
    problems, count = tests.judge()
    assert count == 8
    assert [(one.subject, one.severity, one.message) for one in problems if one.severity is Severity.ERROR] == [
        ("0.weight", Severity.ERROR,
         "and 2 others of the rule, pooled and in units of its std: has std 1.03 about its mean, the rule gives 1"),
    ]  # fmt: skip


def test_what_its_members_show_is_not_told_again() -> None:
    tests = Tests()
    for row in ROWS:
        tests.add(row, [measured(10_000, 2)])
    problems, _ = tests.judge()
    assert [(one.subject, one.check) for one in problems] == [(row.path, "spread") for row in ROWS]


def test_laws_of_different_shapes_are_not_pooled() -> None:
    tests = Tests()
    tests.add(ROWS[0], [measured(100, 1)])
    tests.add(ROWS[1], [Measured(uniform(-1, 1), Sums(100, 0.0, 100.0, -1, 1), NO_FLOOR)])
    assert tests.judge()[1] == 4


def test_floors_are_pooled_by_the_larger() -> None:
    for floor, found in ((Floor(0, 0.5), 0), (NO_FLOOR, 1)):
        tests = Tests()
        for row, own in zip(ROWS[:2], (floor, NO_FLOOR), strict=True):
            tests.add(row, [Measured(normal(0, 1), Sums(10, 0.0, 10 * 1.4, -1, 1), own)])
        for _ in range(200):
            tests.add(ROWS[2], [Measured(normal(0, 1), Sums(10, 0.0, 10 * 1.4, -1, 1), own)]) if found else None
        assert len([p for p in tests.judge()[0] if p.severity is Severity.ERROR]) == found


def test_too_few_values_even_together() -> None:
    tests = Tests()
    tests.add(ROWS[0], [measured(5, 99)])
    tests.add(ROWS[1], [measured(10, 99)])
    assert [(row.path, reason) for row, reason in tests.too_small()] == [
        ("0.weight", "15 values are too few for a test"), ("1.weight", "15 values are too few for a test"),
    ]  # fmt: skip
    assert tests.judge() == ([], 0)
    tests.add(ROWS[2], [measured(1, 99)])
    assert list(tests.too_small()) == []
    assert len(tests.judge()[0]) == 1
    assert torch.get_default_dtype() is torch.float32
