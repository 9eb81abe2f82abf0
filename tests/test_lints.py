"""What a rule file shows without a model."""

from __future__ import annotations

import pytest

from initrules import ruleset
from initrules.lints import file_findings

RULE = "rules: [{rule: a, select: 'h.<layer>', set: {weight: {normal: {std: s}}}}]"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(f"vars: {{s: 1}}\n{RULE}", [], id="a variable that a value uses"),
        pytest.param(f"vars: {{s: t, t: 1}}\n{RULE}", [], id="a variable that a variable uses"),
        pytest.param(f"vars: {{s: 1, t: [s]}}\n{RULE}", ["info 2:18 nothing uses the variable 't'"], id="a list"),
        pytest.param(
            "vars: {s: 1}\nrules: [{rule: a, select: {path: h, where: s}, set: {weight: 0}}]", [], id="in a condition"
        ),
        pytest.param("vars: {s: 1}\nrules: [{rule: a, select: h, set: {weight: 0}, decides: s}]", [], id="in decides"),
        pytest.param(
            "vars: {s: 1}\nrules: [{rule: a, select: h, set: {weight: 0}}]\nexpect: [{output: h, near: s}]", [],
            id="in an expectation",
        ),
        pytest.param(
            "vars: {s: 1}\nrules: [{rule: a, select: h, set: {weight: 0}}]\nexpect: [{output: h, within: [0, s]}]", [],
            id="in the bounds of an expectation",
        ),
        pytest.param(
            f"vars: {{s: 1, layer: s}}\n{RULE}",
            [
                "info 2:21 nothing uses the variable 'layer'",
                "warning 3:27 in the rule 'a' the capture '<layer>' hides the variable of that name",
            ],
            id="a capture hides a variable",
        ),
        pytest.param(
            "rules: [{rule: a, select: h, set: {weight: glorot_normal,\n"
            "  bias: {parts: {dim: 0, sizes: 2, each: {he_uniform: {}}}}}}]",
            [
                "info 2:44 'glorot_normal' is 'xavier_normal' by another name",
                "info 3:43 'he_uniform' is 'kaiming_uniform' by another name",
            ],
            id="other spellings",
        ),
        pytest.param(
            "sources: {p: {file: x.pt}, q: {file: y.pt}}\n"
            "rules: [{rule: a, select: h, set: {weight: {parts: {dim: 0, sizes: 2, each: {load: {source: p}}}}}}]",
            ["info 2:28 no rule loads from the source 'q'"],
            id="a source that only parts load is used",
        ),
    ],
)  # fmt: skip
def test_file_findings(text: str, found: list[str]) -> None:
    rules = ruleset.from_text(f"initrules: 1\n{text}", "f.yaml")
    assert [
        f"{one.severity} {one.span.line if one.span else 0}:{one.span.column if one.span else 0} {one.message}"
        for one in file_findings(rules)
    ] == found
