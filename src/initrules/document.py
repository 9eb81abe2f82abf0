"""YAML text to nodes with positions.

Rule files use a part of YAML: one document, mappings with unique string keys, sequences, scalars.
Aliases, anchors, tags, merge keys and several documents are refused, because a rule file is data
that a reader understands line by line. PyYAML's event stream is read rather than its node graph:
only the events tell an explicit tag from a resolved one, and they are read without recursion.
Scalars follow the YAML 1.2 core schema: ``1e-5`` is a number, ``on`` and ``no`` are strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from initrules import syntax
from initrules.errors import DocumentSyntaxError, Problems, RuleError
from initrules.source import Span
from initrules.syntax import Lines

MAX_CHARACTERS = 262_144
MAX_DEPTH = 40

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One scalar as written; ``plain`` when it stands without quotes."""

    text: str
    plain: bool
    span: Span

    @property
    def value(self) -> bool | int | float | str | None:
        """The value by the YAML 1.2 core schema; quoted scalars are strings."""
        return resolve(self.text) if self.plain else self.text


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list and where it begins."""

    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping and where it begins; keys are unique strings."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    span: Span

    def get(self, key: str) -> Node | None:
        """The node under ``key``, or None."""
        return next((node for name, node in self.entries if name.text == key), None)

    def key_span(self, key: str) -> Span:
        """Where ``key`` stands, or where the mapping begins when it has no such key."""
        return next((name.span for name, _ in self.entries if name.text == key), self.span)


Node: TypeAlias = "ScalarNode | SequenceNode | MappingNode"

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + i: float(sign + "inf") for sign in ("", "+", "-") for i in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def resolve(text: str) -> bool | int | float | str | None:
    """The value of a plain scalar by the YAML 1.2 core schema."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if len(text) <= 400 and _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def plain(node: Node) -> Plain:
    """The node as dicts, lists and scalars."""
    match node:
        case ScalarNode():
            return node.value
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key.text: plain(value) for key, value in node.entries}


def parse(text: str, file: str, *, first: str = "initrules: 1") -> MappingNode:
    """Read one document whose top level is a mapping; ``first`` is the line that it should begin with.

    Raises ``Problems`` with every problem that can be found: one syntax error, or all duplicate
    keys, anchors, tags and cut-off expressions.
    """
    if len(text) > MAX_CHARACTERS:
        raise Problems([_too_large(file)])
    lines = Lines(file, text.removeprefix("\ufeff"))  # the byte order mark that some editors write
    builder = _Builder(lines)
    try:
        syntax.check_line_ends(lines)
        for event in yaml.parse(lines.text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise Problems([*builder.problems, *_unless_known(syntax.explain(error, lines), builder.problems)]) from None
    except ValueError:  # PyYAML makes characters without a look at their range
        raise Problems([*builder.problems, syntax.no_such_character(lines)]) from None
    except DocumentSyntaxError as error:
        raise Problems([*builder.problems, error]) from None
    if builder.problems:
        raise Problems(builder.problems)
    return _top_mapping(builder.root, file, first)


def _unless_known(error: RuleError, problems: list[RuleError]) -> list[RuleError]:
    """The error, unless a problem in the same line is its cause."""
    last = problems[-1].span if problems else None
    return [] if last and error.span and last.line == error.span.line else [error]


def _too_large(file: str) -> RuleError:
    return DocumentSyntaxError(
        f"the file has more than {MAX_CHARACTERS:,} characters",
        Span(file, 1, 1),
        "Split it and join the parts with 'extends', or load values from a checkpoint.",
    )


def _top_mapping(root: Node | None, file: str, first: str) -> MappingNode:
    if isinstance(root, MappingNode):
        return root
    found = "is empty" if root is None else "does not begin with a mapping of keys to values"
    raise Problems(
        [
            DocumentSyntaxError(
                f"the file {found}",
                root.span if root else Span(file, 1, 1),
                f"Begin with the line '{first}'.",
            )
        ]
    )


class _Builder:
    """Turns events into nodes; collects what can be reported without stopping."""

    def __init__(self, lines: Lines) -> None:
        self.span = lines.span
        self.root: Node | None = None
        self.problems: list[RuleError] = []
        self._open: list[_Frame] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._refuse(event, "a second document begins here", "Use one file for each.")
            case yaml.AliasEvent():
                raise self._refuse(event, *_alias(event.anchor))
            case yaml.ScalarEvent():
                self._check_plainness(event)
                self._put(self._scalar(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._check_plainness(event)
                self._enter(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                frame = self._open.pop()
                self._put(frame.close(self.span(frame.start, event.end_mark if frame.flow else None)))
            case _:
                pass

    def _refuse(self, event: Any, message: str, hint: str) -> DocumentSyntaxError:
        return DocumentSyntaxError(message, self.span(event.start_mark, event.end_mark), hint)

    def _check_plainness(self, event: Any) -> None:
        if event.anchor is not None:
            self.problems.append(
                self._refuse(
                    event,
                    f"'&{event.anchor}' is a YAML anchor, which rule files do not have",
                    "Put a shared value under 'vars' and use its name, or quote the text.",
                )
            )
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(
                self._refuse(
                    event,
                    f"'{tag}' is a YAML tag, which rule files do not have",
                    "Leave the tag out; quote the text if it begins with '!'.",
                )
            )

    def _scalar(self, event: Any) -> ScalarNode:
        is_plain = event.implicit[0] and event.style is None
        return ScalarNode(event.value, is_plain, self.span(event.start_mark, event.end_mark))

    def _enter(self, event: Any) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._refuse(event, f"nested more than {MAX_DEPTH} levels deep", "Flatten the structure.")
        kind = _MappingFrame if isinstance(event, yaml.MappingStartEvent) else _SequenceFrame
        self._open.append(kind(event.start_mark, bool(event.flow_style)))

    def _put(self, node: Node) -> None:
        if self._open:
            self._open[-1].add(node, self)
        else:
            self.root = node


class _Frame:
    """A collection under construction."""

    def __init__(self, start: Any, flow: bool) -> None:
        self.start = start
        self.flow = flow

    def add(self, node: Node, builder: _Builder) -> None:
        raise NotImplementedError

    def close(self, span: Span) -> Node:
        raise NotImplementedError

    def check_half(self, node: Node, builder: _Builder) -> bool:
        """In ``{}`` and ``[]`` a comma ends a plain scalar: find the first half of an expression."""
        if not (self.flow and isinstance(node, ScalarNode) and node.plain):
            return False
        if node.text.count("(") <= node.text.count(")"):
            return False
        builder.problems.append(
            DocumentSyntaxError(
                f"'{node.text}' is cut off",
                node.span,
                "Inside {} and [] a text ends at ',', '[', ']', '{', '}' and ': ': put the whole expression in quotes.",
            )
        )
        return True


class _SequenceFrame(_Frame):
    def __init__(self, start: Any, flow: bool) -> None:
        super().__init__(start, flow)
        self.items: list[Node] = []

    def add(self, node: Node, builder: _Builder) -> None:
        self.check_half(node, builder)
        self.items.append(node)

    def close(self, span: Span) -> Node:
        return SequenceNode(tuple(self.items), span)


class _MappingFrame(_Frame):
    def __init__(self, start: Any, flow: bool) -> None:
        super().__init__(start, flow)
        self.entries: list[tuple[ScalarNode, Node]] = []
        self.key: ScalarNode | None = None
        self.seen: dict[str, Span] = {}
        self.half_open = False

    def add(self, node: Node, builder: _Builder) -> None:
        if self.key is None:
            self.key = self._checked_key(node, builder)
            return
        key, self.key = self.key, None
        if self._is_second_half(key, node):
            if not self.half_open:
                builder.problems.append(_lonely_key(key))
            return
        self.half_open = self.check_half(node, builder)
        self.entries.append((key, node))

    def _is_second_half(self, key: ScalarNode, node: Node) -> bool:
        empty = isinstance(node, ScalarNode) and node.plain and not node.text
        return self.flow and empty and key.plain

    def _checked_key(self, node: Node, builder: _Builder) -> ScalarNode:
        if not isinstance(node, ScalarNode):
            raise DocumentSyntaxError(
                "a key must be a plain word, not a list or a mapping", node.span, "Quote the key if it is a pattern."
            )
        if node.plain and node.text == "<<":
            builder.problems.append(
                DocumentSyntaxError(
                    "'<<' is a YAML merge key, which rule files do not have",
                    node.span,
                    "Write the entries out, or use 'extends'.",
                )
            )
        if node.text in self.seen:
            first = self.seen[node.text]
            builder.problems.append(
                DocumentSyntaxError(
                    f"the key '{node.text}' stands twice", node.span, f"The first one is at {first.place}."
                )
            )
        self.seen.setdefault(node.text, node.span)
        return node

    def close(self, span: Span) -> Node:
        return MappingNode(tuple(self.entries), span)


def _lonely_key(key: ScalarNode) -> DocumentSyntaxError:
    after = key.span.line_text[key.span.column - 1 + key.span.width :].lstrip()
    hint = "Inside {} a comma separates entries: quote an expression or pattern that holds one."
    return DocumentSyntaxError(
        f"'{key.text}' has no value", key.span, "Write one after the colon." if after.startswith(":") else hint
    )


def _alias(name: str | None) -> tuple[str, str]:
    return (
        f"an unquoted '*' begins a YAML alias, and '*{name}' is one",
        f'Quote the pattern: "*{name}".',
    )
