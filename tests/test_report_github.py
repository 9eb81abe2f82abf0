"""Workflow commands: one line each, whatever a message holds."""

from __future__ import annotations

import pytest

from initrules.errors import Finding, Severity
from initrules.report.github import annotation, of_findings
from initrules.source import Span


@pytest.mark.parametrize(
    ("span", "message", "wanted"),
    [
        pytest.param(
            Span("a.yaml", 3, 5, 4),
            "it is so",
            "::error file=a.yaml,line=3,col=5,endColumn=9,title=t::it is so",
            id="place",
        ),
        pytest.param(
            Span("a,b:c.yaml", 1, 1),
            "100 %: x,\r\ny",
            "::error file=a%2Cb%3Ac.yaml,line=1,col=1,endColumn=2,title=t::100 %25: x,%0D%0Ay",
            id="escapes",
        ),
        pytest.param(
            Span("preset:ppo", 3, 5), "it", "::error title=t::preset:ppo:3:5: it", id="no file of the repository"
        ),
        pytest.param(Span("<rules>", 3, 5), "it", "::error title=t::<rules>:3:5: it", id="no file"),
        pytest.param(None, "it", "::error title=t::it", id="no place"),
    ],
)
def test_annotation(span: Span | None, message: str, wanted: str) -> None:
    assert annotation("error", "t", message, span) == wanted


def test_findings_with_their_ways_out() -> None:
    found = [
        Finding("dead-rule", Severity.ERROR, "it is dead", Span("a.yaml", 1, 2), "Delete it."),
        Finding("empty-cut", Severity.WARNING, "cuts nothing"),
        Finding("frozen", Severity.INFO, "passed over"),
    ]
    assert of_findings(found).split("\n") == [
        "::error file=a.yaml,line=1,col=2,endColumn=3,title=initrules dead-rule::it is dead%0ADelete it.",
        "::warning title=initrules empty-cut::cuts nothing",
        "::notice title=initrules frozen::passed over",
    ]
