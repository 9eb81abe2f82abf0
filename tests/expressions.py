"""Expressions and a scope for them, shared by the tests of evaluation and folding."""

from __future__ import annotations

from initrules import expression
from initrules.evaluation import Missing, Scope
from initrules.expression import Expression
from initrules.source import Span


def parsed(text: str) -> Expression:
    """An expression as it stands in a file."""
    return expression.parse(text, Span("f.yaml", 1, 5, len(text) + 2, f"a: '{text}'"))


def scope() -> Scope:
    """Variables, facts, captures and objects of every kind."""
    return Scope(
        variables={
            "width": parsed("4 * level"),
            "stds": (parsed("0.5"), parsed("-width"), parsed("1 / 0 if level < 0 else 3")),
            "broken": parsed("1 / zero"),
            "negative": parsed("-0.5"),
        },
        values={"level": 2, "zero": 0, "fan_in": 8, "fan_out": Missing("a parameter with 1 dimension has no fans")},
        objects={
            "module": {"out_features": 3, "bias": True, "stride": (2, 4), "mode": "zeros", "config.p": 0.1},
            "parent": Missing("the root has no parent"),
            "root": {},
        },
        count=lambda pattern: {"h.*": 12}.get(pattern, 0),
        shape=(5, 7),
    )
