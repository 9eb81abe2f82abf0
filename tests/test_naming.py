"""Names that nothing defines are found before a model exists."""

from __future__ import annotations

import pytest

from initrules import ruleset
from initrules.errors import Problems


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(
            'rules: [{rule: r, select: "h.<n>", set: {weight: {copy: "h.<m>.weight"}}}]',
            "'<m>' in 'h.<m>.weight' is bound by no capture\nThe only choice is 'n'.",
            id="a capture in a text",
        ),
        pytest.param(
            'rules: [{rule: r, select: h, set: {weight: {copy: "h.<m>.weight"}}}]',
            "'<m>' in 'h.<m>.weight' is bound by no capture\nThe selector of this rule binds nothing.",
            id="no capture at all",
        ),
        pytest.param(
            "rules: [{rule: r, select: h, set: {weight: {load: {source: old}}}}]",
            "unknown source 'old'\nAdd it: 'sources: {NAME: {file: FILE}}'.",
            id="no sources",
        ),
        pytest.param(
            "rules: [{rule: r, select: h, set: {weight: {parts: {q: zreos, k: ones}}}}]",
            "unknown action or variable 'zreos'\nDid you mean 'zeros'? A word is an action or a variable.",
            id="a misspelt action in a part",
        ),
        pytest.param(
            'vars: {n: count("a..b")}\nrules: [{rule: r, select: h, set: {weight: n}}]',
            "an empty segment in 'a..b'\nWrite one dot between two segments.",
            id="a pattern in a variable",
        ),
    ],
)
def test_unknown(body: str, wanted: str) -> None:
    with pytest.raises(Problems) as caught:
        ruleset.from_text(f"initrules: 1\n{body}")
    (problem,) = caught.value.problems
    assert f"{problem.message}\n{problem.hint}" == wanted
    assert problem.span is not None
