"""Variables as written, what they come to, where they came from."""

from __future__ import annotations

from torch import nn

from initrules.report.variables import Told, variables
from support import isolated, planned

RULES = """
vars: {a: sqrt(4), b: [1, a], c: fan_in, d: 0.5, deep: module.depth}
rules: [{rule: r, select: '', set: {weight: {normal: {std: a + c + d}}}}]
"""


def test_variables() -> None:
    plan = planned(RULES, isolated(nn.Linear)(3, 2), d=7)
    assert list(variables(plan)) == [
        Told("a", "sqrt(4)", "2", "rules.yaml:3:11"),
        Told("b", "[1, a]", "[1, 2]", "rules.yaml:3:24"),
        Told("c", "fan_in", "", "rules.yaml:3:34"),
        Told("d", "7", "", "--set d"),
        Told("deep", "module.depth", "", "rules.yaml:3:56"),
    ]
