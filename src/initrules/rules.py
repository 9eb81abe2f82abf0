"""One rule file as typed, frozen data.

``read`` turns a document into a ``RuleFile`` and reports every problem of the file at once: the
structure by schema, then each selector, expression and action that the schema let pass. Names that
an extended file may define are checked in ``ruleset``, when all files are together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from initrules import expression, selector, structure
from initrules.actions.table import BUILTIN, Tables
from initrules.calls import Call, parse_value, read_calls, read_option
from initrules.document import MappingNode, Node, ScalarNode, SequenceNode, parse
from initrules.errors import Problems, RuleError, SchemaError
from initrules.expression import Expression
from initrules.pattern import Pattern, key_pattern, path_pattern
from initrules.schema import EXPECTATION, json_schema
from initrules.selector import Selector, spelled
from initrules.source import Span

T = TypeVar("T")
U = TypeVar("U")
Variable: TypeAlias = "Expression | tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One key of a block and its value.

    ``prop`` is the property that it decides: ``set``, ``parametrize``, or an option of ``optimize``.
    """

    prop: str
    key: Pattern
    calls: tuple[Call, ...]
    span: Span = field(compare=False)
    text: str = field(compare=False)

    @property
    def may_fall(self) -> bool:
        """Whether it loads what fits and leaves the rest to the next claim."""
        return bool(self.calls) and self.calls[0].given.get("missing") == "next"


@dataclass(frozen=True, slots=True)
class Allowed:
    """A finding about a rule that is meant to be, and why."""

    code: str
    reason: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """Name + selectors + declarations."""

    name: str
    span: Span
    why: str
    select: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]
    default: bool
    lock: bool
    optional: bool
    decides: Expression | None
    text: str
    allow: tuple[Allowed, ...] = ()

    @property
    def captures(self) -> frozenset[str]:
        """Every name that its selectors can bind."""
        return frozenset(name for one in self.select for name in one.captures())


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the result must look like, checked by ``verify``."""

    kind: str
    patterns: tuple[Pattern, ...]
    values: Mapping[str, Any]
    span: Span


@dataclass(frozen=True, slots=True)
class CheckpointSource:
    """A checkpoint that ``load`` reads."""

    name: str
    file: str
    key: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file, before the files it extends are joined to it."""

    file: str
    about: str
    extends: tuple[ScalarNode, ...]
    settings: Mapping[str, str]
    variables: Mapping[str, Variable]
    sources: tuple[CheckpointSource, ...]
    rules: tuple[Rule, ...]
    expect: tuple[Expectation, ...]
    remove: tuple[ScalarNode, ...]
    unlock: tuple[ScalarNode, ...]
    defines_all: bool = True  # whether all that defines names could be read


def read(text: str, file: str, tables: Tables = BUILTIN) -> RuleFile:
    """Read one rule file. Raises ``Problems`` with every problem in it."""
    found, problems = read_partly(text, file, tables)
    if problems:
        raise Problems(problems)
    return found


def read_partly(text: str, file: str, tables: Tables = BUILTIN) -> tuple[RuleFile, tuple[RuleError, ...]]:
    """What can be read of a rule file, and every problem in the rest.

    So the names in the good part can be checked with those of other files, and all is told at once.
    Raises ``Problems`` when it is no YAML.
    """
    reader = _Reader(parse(text, file), file, tables)
    found = reader.file()
    return found, tuple(reader.problems)


class _Reader:
    def __init__(self, root: MappingNode, file: str, tables: Tables) -> None:
        self.root = root
        self.name = file
        self.tables = tables
        found = structure.problems(root, tables)
        self.problems: list[RuleError] = [problem for problem, _ in found]
        broken = frozenset(id(node) for _, node in found if node is not None)
        self._sound = partial(structure.is_sound, broken=broken)

    def file(self) -> RuleFile:
        """What can be read of the file; ``problems`` has the rest."""
        return RuleFile(
            file=self.name,
            about=self._text("about"),
            extends=tuple(self._scalars(self.root.get("extends"))) if self._is_sound("extends") else (),
            settings=self._settings(),
            variables=self._variables(),
            sources=tuple(self._sources()),
            rules=(*self._rules("defaults"), *self._rules("rules")),
            expect=tuple(self._expectations()),
            remove=tuple(self._scalars(self.root.get("remove"))),
            unlock=tuple(self._scalars(self.root.get("unlock"))),
            defines_all=self._defines_all(),
        )

    def _defines_all(self) -> bool:
        """Whether no name may be hidden by a problem: in a misspelt key, or in a section that is broken."""
        known = all(key.text in json_schema(self.tables)["properties"] for key, _ in self.root.entries)
        return known and all(self._is_sound(key) for key in ("extends", "vars", "sources"))

    def _is_sound(self, key: str) -> bool:
        node = self.root.get(key)
        return node is None or self._sound(node)

    def _try(self, make: Callable[[], T], fallback: U) -> T | U:
        try:
            return make()
        except RuleError as error:
            self.problems.extend(error.problems)
            return fallback

    def _text(self, key: str, mapping: MappingNode | None = None) -> str:
        node = (mapping or self.root).get(key)
        return node.text if isinstance(node, ScalarNode) else ""

    def _scalars(self, node: Node | None) -> Iterator[ScalarNode]:
        items = node.items if isinstance(node, SequenceNode) else (node,)
        return (item for item in items if isinstance(item, ScalarNode))

    def _items(self, key: str) -> Iterator[MappingNode]:
        node = self.root.get(key)
        items = node.items if isinstance(node, SequenceNode) else ()
        return (item for item in items if isinstance(item, MappingNode))

    def _entries(self, node: Node | None) -> tuple[tuple[ScalarNode, Node], ...]:
        return node.entries if isinstance(node, MappingNode) else ()

    def _settings(self) -> dict[str, str]:
        return {key: self._text(key) for key in ("unmatched", "stream", "order") if self.root.get(key)}

    def _variables(self) -> dict[str, Variable]:
        found: dict[str, Variable] = {}
        for key, node in self._entries(self.root.get("vars")):
            if key.text in expression.RESERVED:
                hint = "Choose another name: facts, indices and objects keep theirs."
                self.problems.append(
                    SchemaError(f"the variable '{key.text}' has the name of a built-in", key.span, hint)
                )
            elif isinstance(node, ScalarNode) and self._sound(node):
                found[key.text] = self._value(node)
            elif isinstance(node, SequenceNode) and self._sound(node):
                found[key.text] = tuple(self._value(item) for item in node.items if isinstance(item, ScalarNode))
        return found

    def _value(self, node: ScalarNode) -> Expression:
        return self._try(lambda: parse_value(node), expression.number(0, node.span))

    def _sources(self) -> Iterator[CheckpointSource]:
        for key, node in self._entries(self.root.get("sources")):
            if isinstance(node, MappingNode):
                yield CheckpointSource(key.text, self._text("file", node), self._text("key", node) or None, key.span)

    def _expectations(self) -> Iterator[Expectation]:
        for node in self._items("expect"):
            kinds = [key for key, _ in node.entries if key.text in {"output", "gradient"}]
            if len(kinds) != 1 and any(key.text not in EXPECTATION for key, _ in node.entries):
                continue  # the schema has named the misspelt key
            if len(kinds) != 1:
                hint = "Write {output: PATH, near: ...} or {gradient: PATH, reaches: true}."
                self.problems.append(SchemaError("an expectation needs either 'output' or 'gradient'", node.span, hint))
                continue
            if self._sound(node) and all(key.text in EXPECTATION for key, _ in node.entries):
                self.problems += _misplaced(node, kinds[0].text)
            patterns = [self._path(item) for item in self._scalars(node.get(kinds[0].text))]
            values = {key.text: self._expected(value) for key, value in node.entries if self._has_value(key, value)}
            yield Expectation(kinds[0].text, tuple(p for p in patterns if p), values, kinds[0].span)

    def _path(self, node: ScalarNode) -> Pattern | None:
        return self._try(lambda: path_pattern(node.text, node.span), None)

    def _has_value(self, key: ScalarNode, value: Node) -> bool:
        return key.text in EXPECTATION and key.text not in {"output", "gradient"} and self._sound(value)

    def _expected(self, node: Node) -> Any:
        if isinstance(node, SequenceNode):
            return tuple(self._expected(item) for item in node.items)
        assert isinstance(node, ScalarNode)
        if isinstance(node.value, bool) or node.text in {"train", "eval"}:
            return node.value
        return self._try(lambda: parse_value(node), None)

    def _rules(self, section: str) -> tuple[Rule, ...]:
        return tuple(self._rule(node, default=section == "defaults") for node in self._items(section))

    def _rule(self, node: MappingNode, *, default: bool) -> Rule:
        select, decides = node.get("select"), node.get("decides")
        declarations = tuple(self._declarations(node))
        if self._sound(node) and not declarations and not any(node.get(b) for b in ("set", "parametrize", "optimize")):
            hint = "Add 'set', 'parametrize' or 'optimize'."
            self.problems.append(SchemaError(f"the rule '{self._text('rule', node)}' does nothing", node.span, hint))
        return Rule(
            name=self._text("rule", node),
            span=_value_span(node, "rule"),
            why=self._text("why", node),
            select=self._try(lambda: selector.read(select), ()) if select and self._sound(select) else (),
            declarations=declarations,
            default=default,
            lock=_is_true(node.get("lock")),
            optional=_is_true(node.get("optional")),
            decides=self._try(lambda: parse_value(decides), None) if isinstance(decides, ScalarNode) else None,
            text=spelled(select) if select else "",
            allow=tuple(self._allowed(node.get("allow"))),
        )

    def _allowed(self, node: Node | None) -> Iterator[Allowed]:
        for key, value in self._entries(node):
            if isinstance(value, ScalarNode) and self._sound(value):
                yield Allowed(key.text, value.text, key.span)

    def _declarations(self, rule: MappingNode) -> Iterator[Declaration]:
        for block in ("set", "parametrize"):
            for key, value in self._entries(rule.get(block)):
                yield from self._declaration(block, key, value, read_calls)
        for key, options in self._entries(rule.get("optimize")):
            for option, value in self._entries(options):
                if option.text not in self.tables.options:
                    continue
                yield from self._declaration(option.text, key, value, read_option)

    def _declaration(
        self, prop: str, key: ScalarNode, value: Node, read_value: Callable[[str, Node, Tables], tuple[Call, ...]]
    ) -> Iterator[Declaration]:
        pattern = self._try(lambda: key_pattern(key.text, key.span), None)
        if not self._sound(value):
            return
        nothing: tuple[Call, ...] = ()
        calls = self._try(lambda: read_value(prop, value, self.tables), nothing)
        if pattern and calls:
            yield Declaration(prop, pattern, calls, value.span, spelled(value))


_BELONGS = {
    "output": ("through", "within", "near", "tolerance", "varies"),
    "gradient": ("reaches", "after"),
}
_SAYS = {"output": ("within", "near", "varies"), "gradient": ("reaches",)}  # one of these at least


def _misplaced(node: MappingNode, kind: str) -> list[RuleError]:
    """Keys that say nothing about an output, or about a gradient; and when none says anything."""
    other = "gradient" if kind == "output" else "output"
    found: list[RuleError] = [
        SchemaError(f"'{key.text}' belongs to an expectation of '{other}'", key.span, "Leave it out.")
        for key, _ in node.entries
        if key.text in _BELONGS[other]
    ]
    if not found and not any(node.get(key) for key in _SAYS[kind]):
        choices = " or ".join(f"'{key}'" for key in _SAYS[kind])
        found.append(SchemaError(f"the expectation says nothing about '{kind}'", node.span, f"Add {choices}."))
    if node.get("tolerance") and not node.get("near"):
        found.append(SchemaError("a tolerance without 'near'", node.key_span("tolerance"), "Add 'near'."))
    return found


def _is_true(node: Node | None) -> bool:
    return isinstance(node, ScalarNode) and node.value is True


def _value_span(node: MappingNode, key: str) -> Span:
    value = node.get(key)
    return value.span if value else node.span
