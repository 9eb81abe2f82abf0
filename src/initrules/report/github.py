"""Workflow commands of GitHub Actions, which show findings beside the lines of a pull request.

Source: GitHub's documentation, "Workflow commands for GitHub Actions": in data ``%``, CR and LF are
escaped, in properties ``:`` and ``,`` too.
"""

from __future__ import annotations

from collections.abc import Iterable

from initrules.errors import Finding, Severity
from initrules.presets import PREFIX
from initrules.source import Span

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotation(command: str, title: str, message: str, span: Span | None) -> str:
    """One annotation; what has no file in the repository, as a preset, names its place in the message."""
    properties = {"title": title}
    if span is not None and not span.file.startswith((PREFIX, "<")):
        properties = {
            "file": span.file, "line": str(span.line), "col": str(span.column),
            "endColumn": str(span.column + span.width), "title": title,
        }  # fmt: skip
    elif span is not None:
        message = f"{span.place}: {message}"
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{command} {told}::{_data(message)}"


def of_findings(findings: Iterable[Finding]) -> str:
    """One annotation for each finding, with the way out."""
    return "\n".join(
        annotation(
            _COMMANDS[one.severity],
            f"initrules {one.code}",
            f"{one.message}\n{one.hint}" if one.hint else one.message,
            one.span,
        )
        for one in findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
