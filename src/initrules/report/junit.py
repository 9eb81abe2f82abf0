"""JUnit XML, the form in which CI systems read what passed and what failed.

The format has no standard; this is the part that Jenkins, GitLab and GitHub's reporters agree on:
``testsuites`` / ``testsuite`` / ``testcase`` with ``failure``, ``error`` or ``system-out`` inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from initrules.errors import printable


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test case. ``kind``: ``failure``, ``error``, or ``""`` when it passed; ``message`` in one line."""

    name: str
    kind: str = ""
    message: str = ""
    text: str = ""
    file: str = ""
    line: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Suite:
    """The test cases of one file."""

    name: str
    outcomes: tuple[Outcome, ...]


def xml(suites: Sequence[Suite], name: str) -> str:
    """The suites as one XML document."""
    everything = [outcome for suite in suites for outcome in suite.outcomes]
    root = ET.Element("testsuites", {"name": name, **_counts(everything)})
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": clean(suite.name), **_counts(suite.outcomes)})
        for outcome in suite.outcomes:
            _case(element, suite, outcome)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {
        "tests": str(len(outcomes)),
        "failures": str(sum(1 for one in outcomes if one.kind == "failure")),
        "errors": str(sum(1 for one in outcomes if one.kind == "error")),
        "skipped": "0",
        "time": f"{sum(one.seconds for one in outcomes):.3f}",
    }


def _case(parent: ET.Element, suite: Suite, outcome: Outcome) -> None:
    place = {"file": clean(outcome.file), "line": str(outcome.line)} if outcome.file else {}
    element = ET.SubElement(
        parent, "testcase",
        {"classname": clean(suite.name), "name": clean(outcome.name), "time": f"{outcome.seconds:.3f}", **place},
    )  # fmt: skip
    if outcome.kind:
        inner = ET.SubElement(element, outcome.kind, {"message": clean(outcome.message), "type": outcome.kind})
        inner.text = "\n".join(clean(line) for line in outcome.text.split("\n"))
    elif outcome.text:
        ET.SubElement(element, "system-out").text = "\n".join(clean(line) for line in outcome.text.split("\n"))


def clean(text: str) -> str:
    """Text without what XML cannot hold: control characters and lone surrogates become escapes."""
    return printable(text)
