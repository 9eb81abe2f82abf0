"""The codes that can be silenced are those that the manual has, and no errors."""

from __future__ import annotations

import re

from commands import ROOT
from initrules.codes import SILENCEABLE

ABOUT_NO_RULE = {"unclaimed", "frozen", "unused-variable", "unused-source", "unused-allow", "unkept"}


def severities() -> dict[str, str]:
    """Each code of the manual with its severities."""
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([a-z-]+)` \| ((?:error|warning|info)[a-z, ]*) \|", text, re.MULTILINE))


def test_all_but_errors_can_be_silenced() -> None:
    known = severities()
    assert {code for code, severity in known.items() if severity != "error"} <= SILENCEABLE | ABOUT_NO_RULE
    assert not {code for code, severity in known.items() if severity == "error"} & SILENCEABLE
