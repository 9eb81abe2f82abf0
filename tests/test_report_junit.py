"""JUnit XML, read by a reader of such files."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from junitparser import Error, Failure, JUnitXml

from initrules.report.junit import Outcome, Suite, xml

SUITES = [
    Suite("a.yaml", (Outcome("passes", seconds=0.5), Outcome("notes", text="a word"),
                     Outcome("fails", "failure", "it is <so>", "line 1\nline 2", "a.yaml", 7, 0.25))),
    Suite("b\x1b.yaml", (Outcome("breaks\0", "error", "why \x07\ud800", "\x1b[31m"),)),
]  # fmt: skip


def test_a_reader_finds_what_was_written() -> None:
    found = JUnitXml.fromstring(xml(SUITES, "initrules test").encode())
    assert (found.tests, found.failures, found.errors, found.time) == (4, 1, 1, 0.75)
    first, second = found
    assert [case.name for case in first] == ["passes", "notes", "fails"]
    passes, notes, fails = first
    assert passes.is_passed
    assert notes.system_out == "a word"
    (failure,) = fails.result
    assert isinstance(failure, Failure)
    assert (failure.message, failure.text) == ("it is <so>", "line 1\nline 2")
    (broken,) = second
    (error,) = broken.result
    assert isinstance(error, Error)


def test_what_xml_cannot_hold_is_escaped() -> None:
    root = ET.fromstring(xml(SUITES, "x"))
    assert root[1].attrib["name"] == "b\\x1b.yaml"
    assert root[1][0].attrib["name"] == "breaks\\x00"
    assert root[1][0][0].attrib["message"] == "why \\x07\\ud800"
    assert root[1][0][0].text == "\\x1b[31m"


def test_a_place_is_given_where_there_is_one() -> None:
    cases = ET.fromstring(xml(SUITES, "x"))[0]
    assert [(case.get("file"), case.get("line")) for case in cases] == [(None, None), (None, None), ("a.yaml", "7")]
