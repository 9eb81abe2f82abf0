"""Findings about many parameters become one."""

from __future__ import annotations

import pytest

from initrules.errors import Finding, Severity
from initrules.findings import Gathered, error, listed


@pytest.mark.parametrize(("count", "text"), [
    pytest.param(0, "", id="none"),
    pytest.param(1, "'p0'", id="one"),
    pytest.param(5, "'p0', 'p1', 'p2', 'p3', 'p4'", id="as many as are shown"),
    pytest.param(7, "'p0', 'p1', 'p2', 'p3', 'p4' and 2 more", id="the rest is counted"),
])  # fmt: skip
def test_listed(count: int, text: str) -> None:
    assert listed([f"p{n}" for n in range(count)]) == text


def test_one_finding_for_each_problem() -> None:
    gathered = Gathered()
    for path in ("a", "b", "a"):
        gathered.add(error("value", "too large, for", None, "Make it smaller.", "r"), path)
    gathered.add(error("value", "too large, for", None, "Make it smaller.", "s"), "c", "!")
    assert gathered.findings() == (
        Finding("value", Severity.ERROR, "too large, for 'a', 'b'", None, "Make it smaller.", "r", ("a", "b")),
        Finding("value", Severity.ERROR, "too large, for 'c'!", None, "Make it smaller.", "s", ("c",)),
    )
