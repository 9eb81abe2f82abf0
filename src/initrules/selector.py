"""Selectors: which modules a rule looks at.

A selector is a mapping whose keys must all hold; in each key a list means any of::

    path    glob over the whole path               name    glob over the last segment
    type    class, sub-classes included            parent  selector that the direct parent meets
    inside  selector that the module itself or     next    selector that the next sibling meets
            an ancestor meets, the nearest counts  not     selector that must not be met
    pick    which of those selected so far         where   expression, asked last, per parameter
    frozen  frozen parameters too

A plain string is a path. ``matcher`` asks these questions of an inventory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from initrules import expression
from initrules.document import MappingNode, Node, ScalarNode, SequenceNode, resolve
from initrules.errors import PatternSyntaxError, Problems, RuleError, SelectorSyntaxError, suggestion
from initrules.expression import Expression
from initrules.pattern import Pattern, TypePattern, name_pattern, path_pattern, type_pattern
from initrules.source import Span

PICKS = ("first", "last", "all-but-first", "all-but-last")
KEYS = ("path", "name", "type", "parent", "inside", "next", "not", "pick", "where", "frozen")
NESTED_KEYS = tuple(key for key in KEYS if key not in {"where", "frozen"})

Pick: TypeAlias = int | str
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector; an empty key asks nothing."""

    path: tuple[Pattern, ...] = ()
    name: tuple[Pattern, ...] = ()
    type: tuple[TypePattern, ...] = ()
    parent: tuple[Selector, ...] = ()
    inside: tuple[Selector, ...] = ()
    next: tuple[Selector, ...] = ()
    excluded: tuple[Selector, ...] = ()
    pick: tuple[Pick, ...] = ()
    where: tuple[Expression, ...] = ()
    frozen: bool = False
    span: Span = field(default=Span("", 1, 1), compare=False)
    text: str = field(default="", compare=False)

    def captures(self) -> Iterator[str]:
        """Every name that the selector can bind."""
        for pattern in self._patterns():
            yield from pattern.names
        for nested in (*self.parent, *self.inside, *self.next):
            yield from nested.captures()

    def capture_span(self, name: str) -> Span:
        """Where the pattern stands that binds a name."""
        for pattern in self._patterns():
            if name in pattern.names:
                return pattern.span.part(pattern.text, max(0, pattern.text.find(f"<{name}>")), len(name) + 2)
        nested = (one for one in (*self.parent, *self.inside, *self.next) if name in one.captures())
        return next((one.capture_span(name) for one in nested), self.span)

    def _patterns(self) -> Iterator[Pattern]:
        yield from (*self.path, *self.name, *(kind.pattern for kind in self.type))

    def __str__(self) -> str:
        return self.text


def read(node: Node) -> tuple[Selector, ...]:
    """The selectors that a node holds: one, or any of a list. Raises ``Problems`` with all of them.

    The schema has looked at the keys and types, so that a nested selector has no ``where``.
    """
    if isinstance(node, ScalarNode):
        return (Selector(path=(path_pattern(node.text, node.span),), span=node.span, text=node.text),)
    if isinstance(node, MappingNode):
        return (_Reader(node).selector(),)
    found: list[Selector] = []
    problems: list[RuleError] = []
    for item in node.items:
        try:
            found.extend(read(item))
        except RuleError as error:
            problems.append(error)
    if problems:
        raise Problems(problems)
    return tuple(found)


class _Reader:
    """Reads one mapping and collects every problem in it."""

    def __init__(self, node: MappingNode) -> None:
        self.node = node
        self.problems: list[RuleError] = []

    def selector(self) -> Selector:
        found = Selector(
            path=self._each("path", path_pattern),
            name=self._each("name", name_pattern),
            type=self._each("type", type_pattern),
            parent=self._nested("parent"),
            inside=self._nested("inside"),
            next=self._nested("next"),
            excluded=self._nested("not"),
            pick=self._picks(),
            where=self._where(),
            frozen=self._frozen(),
            span=self.node.span,
            text=spelled(self.node),
        )
        self._check_captures(found)
        if self.problems:
            raise Problems(self.problems)
        return found

    def _scalars(self, key: str) -> list[ScalarNode]:
        node = self.node.get(key)
        items = node.items if isinstance(node, SequenceNode) else () if node is None else (node,)
        return [item for item in items if isinstance(item, ScalarNode)]

    def _each(self, key: str, make: Callable[[str, Span], T]) -> tuple[T, ...]:
        made = []
        for node in self._scalars(key):
            try:
                made.append(make(node.text, node.span))
            except PatternSyntaxError as error:
                self.problems.append(error)
        return tuple(made)

    def _nested(self, key: str) -> tuple[Selector, ...]:
        node = self.node.get(key)
        if node is None:
            return ()
        try:
            return read(node)
        except RuleError as error:
            self.problems.extend(error.problems)
            return ()

    def _picks(self) -> tuple[Pick, ...]:
        picks: list[Pick] = []
        for node in self._scalars("pick"):
            value = resolve(node.text)
            if isinstance(value, int) and not isinstance(value, bool):
                picks.append(value)
            elif value in PICKS:
                picks.append(str(value))
            else:
                hint = f"{suggestion(node.text, PICKS)} A whole number counts from 0, from the end if negative."
                self.problems.append(SelectorSyntaxError(f"unknown pick '{node.text}'", node.span, hint))
        return tuple(picks)

    def _where(self) -> tuple[Expression, ...]:
        found = []
        for node in self._scalars("where"):
            value = node.value
            try:
                if isinstance(value, bool):
                    found.append(expression.number(value, node.span, node.text))
                else:
                    found.append(expression.parse(node.text, node.span))
            except RuleError as error:
                self.problems.append(error)
        return tuple(found)

    def _frozen(self) -> bool:
        nodes = self._scalars("frozen")
        return bool(nodes) and nodes[0].value is True

    def _check_captures(self, selector: Selector) -> None:
        groups = [
            {name for pattern in patterns for name in pattern.names}
            for patterns in (selector.path, selector.name, [kind.pattern for kind in selector.type])
        ]
        groups += [
            {name for one in many for name in one.captures()}
            for many in (selector.parent, selector.inside, selector.next)
        ]
        seen: set[str] = set()
        for group in groups:
            for name in sorted(group & seen):
                self.problems.append(
                    SelectorSyntaxError(
                        f"the capture '<{name}>' is bound by two keys",
                        selector.capture_span(name),
                        "Give each a name of its own.",
                    )
                )
            seen |= group


def spelled(node: Node) -> str:
    """A node in YAML flow style, for messages and tables."""
    match node:
        case ScalarNode():
            return node.text
        case SequenceNode():
            return f"[{', '.join(spelled(item) for item in node.items)}]"
        case MappingNode():
            return f"{{{', '.join(f'{key.text}: {spelled(value)}' for key, value in node.entries)}}}"
