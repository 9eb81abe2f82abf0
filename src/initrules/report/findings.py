"""Findings in the formats that other programs read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from initrules.errors import Finding, Severity
from initrules.report import github, junit, sarif
from initrules.report.data import finding_json
from initrules.report.markdown import findings_markdown
from initrules.report.marks import findings_text


def as_format(form: str, findings: Sequence[Finding], files: Sequence[str], *, fail_on: str, summary: str) -> str:
    """Findings as ``json``, ``md``, ``github``, ``sarif`` or ``junit``.

    ``files``: what was looked at; ``fail_on``: from which severity on a test fails; ``summary``: one line.
    """
    if form == "junit":
        return _junit(findings, files, Severity(fail_on))
    return findings_markdown(findings, summary) if form == "md" else _FORMATS[form](findings)


_FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = MappingProxyType(
    {
        "json": lambda findings: json.dumps([finding_json(one) for one in findings], indent=1),
        "github": github.of_findings,
        "sarif": lambda findings: json.dumps(sarif.log(findings), indent=1),
    }
)


def _junit(findings: Sequence[Finding], files: Sequence[str], limit: Severity) -> str:
    """One suite for each file, one test for each finding; a file without any has one test that passes."""
    by_file: dict[str, list[Finding]] = {file: [] for file in files}
    for one in findings:
        by_file.setdefault(one.span.file if one.span else (files[-1] if files else ""), []).append(one)
    suites = [
        junit.Suite(file, tuple(_outcome(one, limit) for one in found) or (junit.Outcome("lint", file=file, line=1),))
        for file, found in by_file.items()
    ]
    return junit.xml(suites, "initrules lint").rstrip("\n")


def _outcome(finding: Finding, limit: Severity) -> junit.Outcome:
    span = finding.span
    return junit.Outcome(
        name=f"{finding.code}{f' {finding.rule}' if finding.rule else ''}{f' at {span.place}' if span else ''}",
        kind="failure" if finding.severity.rank <= limit.rank else "",
        message=finding.message,
        text=findings_text([finding]),
        file=span.file if span else "",
        line=span.line if span else 0,
    )
