"""SARIF 2.1.0, the form in which code scanners exchange findings.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; section numbers
below are its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from initrules import __version__
from initrules.errors import Finding, Severity, printable
from initrules.presets import PREFIX
from initrules.source import Span

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}  # 3.27.10


def log(findings: Sequence[Finding]) -> dict[str, Any]:
    """One run with a result for each finding; columns are counted in characters."""
    codes = sorted({one.code for one in findings})
    return {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "initrules",
                        "version": __version__,
                        "rules": [{"id": code, "name": _name(code)} for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, codes.index(one.code)) for one in findings],
            }
        ],
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": printable(f"{finding.message}. {finding.hint}" if finding.hint else finding.message)},
        "partialFingerprints": {"initrules/v1": _fingerprint(finding)},
    }
    if finding.span is not None:
        found["locations"] = [_location(finding.span)]
    return found


def _location(span: Span) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri(span.file)},
            "region": {
                "startLine": span.line, "startColumn": span.column, "endColumn": span.column + max(1, span.width),
            },
        }
    }  # fmt: skip


def uri(file: str) -> str:
    """A file as a URI reference: relative where the path is, with ``preset:NAME`` left as it is."""
    if file.startswith(PREFIX):
        return quote(file, safe="/:")
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _name(code: str) -> str:
    """``dead-rule`` as ``DeadRule``: names are in Pascal case by custom (3.49.7)."""
    return "".join(part.capitalize() for part in code.split("-"))


def _fingerprint(finding: Finding) -> str:
    """What stays equal when lines move: the code, the file, the rule and the message (3.27.17)."""
    file = finding.span.file if finding.span else ""
    text = "\0".join((finding.code, file, finding.rule or "", finding.message))
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
