"""Findings as plain text, each marked with its severity and code."""

from __future__ import annotations

from collections.abc import Iterable

from initrules.errors import Finding, Severity


def findings_text(findings: Iterable[Finding]) -> str:
    """Findings with their places, source lines and ways out, as plain text."""
    return "\n".join(map(coded, findings))


def coded(finding: Finding) -> str:
    """One finding with its severity and code."""
    lines = str(finding).split("\n")
    if finding.severity is Severity.INFO:
        lines = lines[:1]
    return "\n".join([f"{finding.severity.value} {lines[0]} [{finding.code}]", *lines[1:]])
