"""Findings in the formats that other programs read."""

from __future__ import annotations

import json

import pytest
from junitparser import JUnitXml

from initrules.errors import Finding, Severity
from initrules.report.findings import as_format
from initrules.source import Span

FOUND = [
    Finding("dead-rule", Severity.ERROR, "it is dead", Span("a.yaml", 3, 5), rule="r"),
    Finding("empty-cut", Severity.WARNING, "cuts nothing", Span("b.yaml", 1, 1)),
    Finding("frozen", Severity.INFO, "passed over"),
]
FILES = ["c.yaml", "a.yaml"]


def made(form: str, findings: list[Finding] = FOUND, fail_on: str = "error") -> str:
    return as_format(form, findings, FILES, fail_on=fail_on, summary="so many")


def test_each_format_has_every_finding() -> None:
    assert [one["code"] for one in json.loads(made("json"))] == ["dead-rule", "empty-cut", "frozen"]
    assert [one["ruleId"] for one in json.loads(made("sarif"))["runs"][0]["results"]] == [
        "dead-rule",
        "empty-cut",
        "frozen",
    ]
    assert [line.split(" ")[0] for line in made("github").splitlines()] == ["::error", "::warning", "::notice"]
    assert made("md").startswith("so many\n\n| severity |")
    assert made("github", []) == ""


@pytest.mark.parametrize(
    ("fail_on", "failing"),
    [
        pytest.param("error", {"dead-rule r at a.yaml:3:5"}, id="errors"),
        pytest.param("warning", {"dead-rule r at a.yaml:3:5", "empty-cut at b.yaml:1:1"}, id="warnings too"),
        pytest.param("info", {"dead-rule r at a.yaml:3:5", "empty-cut at b.yaml:1:1", "frozen"}, id="all"),
    ],
)
def test_junit_fails_from_the_severity_asked_for(fail_on: str, failing: set[str]) -> None:
    found = JUnitXml.fromstring(made("junit", fail_on=fail_on).encode())
    assert [suite.name for suite in found] == ["c.yaml", "a.yaml", "b.yaml"]
    assert {case.name for suite in found for case in suite if not case.is_passed} == failing
    (clean,) = next(iter(found))
    assert (clean.name, clean.is_passed) == ("lint", True)
