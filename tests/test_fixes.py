"""Edits of the text of rule files: exactly what they take out, and what they leave."""

from __future__ import annotations

import pytest

from initrules.errors import Finding, Severity
from initrules.fixes import applied, fixes
from initrules.source import Span


def finding(code: str, name: str, line: int = 1, column: int = 1) -> Finding:
    messages = {
        "unused-variable": f"nothing uses the variable '{name}'",
        "unused-source": f"no rule loads from the source '{name}'",
        "unused-allow": f"'allow' of rule '{name}' silences nothing: there is no 'contested' to silence",
    }
    rule = name if code in {"dead-rule", "dead-default", "unused-allow"} else None
    return Finding(code, Severity.INFO, messages.get(code, name), Span("f.yaml", line, column), None, rule)


def fixed(text: str, *findings: Finding) -> str:
    return applied(text, fixes(text, "f.yaml", findings))


@pytest.mark.parametrize(
    ("text", "name", "left"),
    [
        pytest.param("vars:\n  a: 1\n  b: 2  # two\n  c: 3\nx: y\n", "b", "vars:\n  a: 1\n  c: 3\nx: y\n", id="a line"),
        pytest.param("vars:\n  # on a\n  a: 1\n\n  b: 2\n", "a", "vars:\n  # on a\n\n  b: 2\n", id="comments stay"),
        pytest.param("vars:\n  a: [1,\n    2]\n  b: 2\n", "a", "vars:\n  b: 2\n", id="several lines"),
        pytest.param("vars:\n  a:\n    - 1\n    # in it\n    - 2\n  # behind it\n  b: 2\n", "a",
                     "vars:\n  # behind it\n  b: 2\n", id="a block, and a comment behind it"),
        pytest.param("vars: {a: 1, b: 2, c: 3}\n", "a", "vars: {b: 2, c: 3}\n", id="the first in braces"),
        pytest.param("vars: {a: 1, b: 2, c: 3}\n", "b", "vars: {a: 1, c: 3}\n", id="in the middle of braces"),
        pytest.param("vars: {a: 1, b: 2, c: [3] }\n", "c", "vars: {a: 1, b: 2 }\n", id="the last in braces"),
        pytest.param("x: y\nvars: {a: 1}  # only one\nz: y\n", "a", "x: y\nz: y\n", id="the only one"),
        pytest.param("x: y\nvars:\n  a: 1\n", "a", "x: y\n", id="the only line"),
        pytest.param("vars:\n  a: 1\n  b: 2", "b", "vars:\n  a: 1\n", id="no line break at the end"),
        pytest.param("\ufeffvars:\r\n  a: 1\r\n  b: 2\r\n", "a", "\ufeffvars:\r\n  b: 2\r\n", id="a file from Windows"),
        pytest.param("{x: y, vars: {a: 1}}", "a", "{x: y}", id="all in braces"),
        pytest.param("vars: {a: 1}\n", "b", "vars: {a: 1}\n", id="not there"),
        pytest.param("x: y\n", "b", "x: y\n", id="no section"),
        pytest.param("? vars\n: a: 1\n  b: 2\n", "a", "? vars\n: a: 1\n  b: 2\n", id="better left alone"),
    ],
)  # fmt: skip
def test_a_variable_goes(text: str, name: str, left: str) -> None:
    assert fixed(text, finding("unused-variable", name)) == left


RULES = """rules:
  # one
  - rule: one
    set:
      # inside
      weight: 1   # here

  # two
  - rule: two   # behind
    set: {weight: 2}
  - {rule: three, set: {weight: 3}}
"""


@pytest.mark.parametrize(
    ("name", "left"),
    [
        pytest.param("one", "rules:\n  # one\n\n  # two\n  - rule: two   # behind\n    set: {weight: 2}\n"
                     "  - {rule: three, set: {weight: 3}}\n", id="first"),
        pytest.param("two", RULES.replace("  - rule: two   # behind\n    set: {weight: 2}\n", ""), id="second"),
        pytest.param("three", RULES.replace("  - {rule: three, set: {weight: 3}}\n", ""), id="last"),
        pytest.param("four", RULES, id="not there"),
    ],
)  # fmt: skip
def test_a_rule_goes(name: str, left: str) -> None:
    assert fixed(RULES, finding("dead-rule", name)) == left


def test_defaults_in_brackets() -> None:
    text = "defaults: [{rule: a, set: {}}, {rule: b, set: {}}]\n"
    assert fixed(text, finding("dead-default", "a")) == "defaults: [{rule: b, set: {}}]\n"


def test_several_edits_at_once() -> None:
    line = "rules: [{rule: r, allow: {contested: why}, set: {w: he_normal}}]"
    text = f"sources: {{s: {{file: x}}}}\nvars: {{a: 1, b: 2}}\n{line}\n"
    found = [
        finding("unused-source", "s"), finding("unused-variable", "a"), finding("unused-allow", "r"),
        finding("spelling", "he_normal", 3, line.index("he_normal") + 1), finding("contested", "r"),
    ]  # fmt: skip
    assert fixed(text, *found) == "vars: {b: 2}\nrules: [{rule: r, set: {w: kaiming_normal}}]\n"
    assert [one.what for one in fixes(text, "f.yaml", found)] == [
        "removes the source 's'", "removes the variable 'a'", "removes 'contested' from 'allow' of rule 'r'",
        "spells 'he_normal' as 'kaiming_normal'",
    ]  # fmt: skip


def test_edits_that_overlap_are_not_made_together() -> None:
    text = "vars: {a: 1, b: 2}\n"
    assert fixed(text, finding("unused-variable", "a"), finding("unused-variable", "b")) in {
        "vars: {b: 2}\n", "vars: {a: 1}\n", "vars: {}\n",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["    set: {w: xavier_normal}", "    set: {w: 3}"])
def test_a_word_that_is_not_there_is_left_alone(line: str) -> None:
    assert fixed(line, finding("spelling", "x", 1, 13)) == line


def test_findings_of_other_files_are_left_alone() -> None:
    other = Finding("unused-variable", Severity.INFO, "nothing uses the variable 'a'", Span("g.yaml", 1, 1))
    assert fixed("vars: {a: 1, b: 2}", other, Finding("unclaimed", Severity.INFO, "m")) == "vars: {a: 1, b: 2}"
