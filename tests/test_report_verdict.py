"""What is said of a verification, in text and as data."""

from __future__ import annotations

from dataclasses import replace

from initrules.errors import Severity
from initrules.report.verdict import verdict_json, verdict_text
from initrules.source import Span
from initrules.verdict import Problem, Verification

WRONG = Problem(
    "fc.weight", "spread", "has std 2, the rule gives 1", Severity.ERROR, "r", Span("r.yaml", 3, 7, 1, "x"), 3.2e-9
)
ODD = Problem("fc.bias", "mean", "has mean 1, the rule gives 0", Severity.WARNING, probability=1e-120)
VERDICT = Verification(
    seed=None, parameters=9, recomputed=2, tested=3, left=1, tests=12, expected=0, skipped=0, problems=(WRONG, ODD),
    untested=(("a", "too few"), ("b", "too few"), ("c\n", "other")),
)  # fmt: skip
FINE = Verification(3, 4, 4, 0, 0, (), 0, 1, 0, ())


def test_text() -> None:
    assert verdict_text(VERDICT).split("\n") == [
        "error r.yaml:3:7: 'fc.weight' has std 2, the rule gives 1 (p = 3e-09) [spread]",
        "warning 'fc.bias' has mean 1, the rule gives 0 (p < 1e-99) [mean]",
        "not testable: 'a' and 1 more: too few",
        "not testable: 'c\\n': other",
        "2 recomputed, 3 tested (12 tests), 3 not testable, 1 left as found of 9 tensors: 1 error, 1 warning",
    ]
    assert str(FINE) == "4 recomputed with seed 3 of 4 tensors; 1 expectation checked: no errors, no warnings"
    skipped = replace(FINE, expected=0, skipped=2, parameters=1)
    assert verdict_text(skipped) == (
        "4 recomputed with seed 3 of 1 tensor; 2 expectations not checked for want of inputs: no errors, no warnings"
    )


def test_long_lists_are_cut_and_counted() -> None:
    many = replace(FINE, problems=(WRONG,) * 43, untested=tuple((f"p{n}", f"reason {n}") for n in range(7)))
    lines = verdict_text(many).split("\n")
    assert len(lines) == 40 + 1 + 5 + 1 + 1
    assert lines[40] == "and 3 more problems; --format json has all"
    assert lines[46] == "not testable: others, for 2 more reasons; --format json has all"


def test_what_a_remark_sums_up_is_cut_short() -> None:
    """Other problems are all told; a warning about a value is none of those that are alike."""
    tie = Problem("b", "tie", "is no longer one tensor with 'a'")
    found = replace(FINE, problems=(WRONG, tie, WRONG, WRONG, WRONG, ODD), remark="it was not applied\n  Apply it.")
    line = "error r.yaml:3:7: 'fc.weight' has std 2, the rule gives 1 (p = 3e-09) [spread]"
    assert verdict_text(found).split("\n") == [
        "error it was not applied",
        "  Apply it.",
        line,
        line,
        line,
        "and 1 more like these; --format json has all",
        "error 'b' is no longer one tensor with 'a' [tie]",
        "warning 'fc.bias' has mean 1, the rule gives 0 (p < 1e-99) [mean]",
        "4 recomputed with seed 3 of 4 tensors; 1 expectation checked: 5 errors, 1 warning",
    ]


def test_json() -> None:
    assert verdict_json(VERDICT) == VERDICT.to_dict() == {
        "initrules-verification": 1, "ok": False, "seed": None, "tensors": 9, "recomputed": 2, "tested": 3, "left": 1,
        "untested": {"a": "too few", "b": "too few", "c\n": "other"}, "tests": 12,
        "expectations": 0, "expectations_skipped": 0, "remark": None,
        "problems": [
            {"subject": "fc.weight", "check": "spread", "severity": "error", "message": "has std 2, the rule gives 1",
             "rule": "r", "place": "r.yaml:3:7", "probability": 3.2e-9},
            {"subject": "fc.bias", "check": "mean", "severity": "warning", "message": "has mean 1, the rule gives 0",
             "probability": 1e-120},
        ],
    }  # fmt: skip


def test_warnings_may_be_chance() -> None:
    assert not VERDICT.ok
    assert replace(VERDICT, problems=(ODD,)).ok
    assert VERDICT.of("fc.bias") == (ODD,)
