"""Edits of a rule file's text that findings ask for; comments and the rest of the file stay as they are.

An edit takes whole entries out, or puts one word for another. Whether the plans stay the same is for
the caller to prove.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from initrules.actions.table import BUILTIN
from initrules.errors import Finding


@dataclass(frozen=True, slots=True)
class Fix:
    """``new`` in place of the characters from ``start`` to ``end``; ``what`` it does, in words."""

    what: str
    start: int
    end: int
    new: str = ""


def fixes(text: str, file: str, findings: Sequence[Finding]) -> tuple[Fix, ...]:
    """The edits of one file that its findings ask for, in the order of the text; none overlaps another."""
    finder = _Finder(text)
    found = {fix for finding in findings if finding.span and finding.span.file == file for fix in finder.of(finding)}
    kept: list[Fix] = []
    for fix in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or fix.start >= kept[-1].end:
            kept.append(fix)
    return tuple(kept)


def applied(text: str, some: Sequence[Fix]) -> str:
    """The text with some edits made."""
    for fix in sorted(some, key=lambda one: one.start, reverse=True):
        text = text[: fix.start] + fix.new + text[fix.end :]
    return text


_Entry = tuple[Any, Any]  # the nodes with which an entry begins and ends


class _Finder:
    """Finds the characters of entries by PyYAML's marks."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._mark = len(text) - len(text.removeprefix("\ufeff"))
        self._root = yaml.compose(text.removeprefix("\ufeff"), Loader=yaml.SafeLoader)
        self._lines = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]

    def of(self, finding: Finding) -> Iterator[Fix]:
        match finding.code:
            case "dead-rule" | "dead-default":
                section = "defaults" if finding.code == "dead-default" else "rules"
                at = self._rules(section).get(str(finding.rule))
                yield from self._without(self._root, section, at, f"removes the rule '{finding.rule}'")
            case "unused-variable" | "unused-source":
                section, noun = ("vars", "variable") if finding.code == "unused-variable" else ("sources", "source")
                name = finding.message.rpartition(" '")[2].removesuffix("'")
                at = _index(_value(self._root, section), name)
                yield from self._without(self._root, section, at, f"removes the {noun} '{name}'")
            case "unused-allow":
                yield from self._allow(finding)
            case "spelling":
                yield from self._spelling(finding)

    def _rules(self, section: str) -> Mapping[str, int]:
        """The positions of the rules of a section by name."""
        items = getattr(_value(self._root, section), "value", ())
        return {getattr(_value(item, "rule"), "value", ""): at for at, item in enumerate(items)}

    def _allow(self, finding: Finding) -> Iterator[Fix]:
        code = finding.message.rpartition("no '")[2].partition("'")[0]
        for section in ("defaults", "rules"):
            at = self._rules(section).get(str(finding.rule))
            if at is not None:
                rule = _value(self._root, section).value[at]
                what = f"removes '{code}' from 'allow' of rule '{finding.rule}'"
                yield from self._without(rule, "allow", _index(_value(rule, "allow"), code), what)

    def _spelling(self, finding: Finding) -> Iterator[Fix]:
        assert finding.span is not None
        start = (
            self._lines[finding.span.line - 1] + finding.span.column - 1 + (self._mark if finding.span.line == 1 else 0)
        )
        word = re.match(r"[a-z_]+", self.text[start:])
        if word and word[0] in BUILTIN.aliases:
            new = BUILTIN.aliases[word[0]]
            yield Fix(f"spells '{word[0]}' as '{new}'", start, start + len(word[0]), new)

    def _without(self, outer: Any, section: str, at: int | None, what: str) -> Iterator[Fix]:
        """Take one entry out of a section of a mapping, and the section with its last entry."""
        if at is None:
            return
        inner = _value(outer, section)
        entries = _entries(inner)
        if len(entries) > 1:
            region = self._region(entries, at, flow=inner.flow_style)
        else:
            region = self._region(_entries(outer), _index(outer, section) or 0, flow=outer.flow_style)
        if region:
            yield Fix(what, *region)

    def _region(self, entries: Sequence[_Entry], at: int, *, flow: bool) -> tuple[int, int] | None:
        first, last = entries[at]
        start, end = self._start(first), self._end(last)
        if flow:
            if at + 1 < len(entries):
                return start, self._start(entries[at + 1][0])
            return (self._end(entries[at - 1][1]), end) if at else None
        line = max(begin for begin in self._lines if begin <= start)
        after = next((begin for begin in self._lines if begin > end), len(self.text))
        alone = re.fullmatch(r"[ ]*(- +)?", self.text[line:start])
        rest = self.text[end:after].strip()
        return (line, after) if alone and (not rest or rest.startswith("#")) else None

    def _start(self, node: Any) -> int:
        return int(node.start_mark.index) + self._mark

    def _end(self, node: Any) -> int:
        """Where the content of a node ends: PyYAML's own mark of a block lies behind comments."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._end(last[1] if isinstance(last, tuple) else last)
        start, end = self._start(node), int(node.end_mark.index) + self._mark
        return start + len(self.text[start:end].rstrip())


def _entries(node: Any) -> list[_Entry]:
    """The entries of a mapping or a list, each by its first and its last node."""
    return [one if isinstance(one, tuple) else (one, one) for one in node.value]


def _index(mapping: Any, name: str) -> int | None:
    """The position of a key in a mapping."""
    entries = mapping.value if isinstance(mapping, yaml.MappingNode) else ()
    return next((at for at, (key, _) in enumerate(entries) if key.value == name), None)


def _value(mapping: Any, name: str) -> Any:
    """The node under a key of a mapping, or None."""
    at = _index(mapping, name)
    return None if at is None else mapping.value[at][1]
