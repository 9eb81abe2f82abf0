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
from initrules.document import MappingNode, Node, ScalarNode, SequenceNode
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
        for pattern in (*self.path, *self.name, *(kind.pattern for kind in self.type)):
            yield from pattern.names
        for nested in (*self.parent, *self.inside, *self.next):
            yield from nested.captures()

    def __str__(self) -> str:
        return self.text


def read(node: Node, *, nested: bool = False) -> tuple[Selector, ...]:
    """The selectors that a node holds: one, or any of a list. Raises ``Problems`` with all of them."""
    if isinstance(node, SequenceNode):
        return tuple(one for item in node.items for one in read(item, nested=nested))
    if isinstance(node, ScalarNode):
        return (Selector(path=(path_pattern(node.text, node.span),), span=node.span, text=node.text),)
    return (_Reader(node, nested=nested).selector(),)


class _Reader:
    """Reads one mapping and collects every problem in it."""

    def __init__(self, node: MappingNode, *, nested: bool) -> None:
        self.node = node
        self.nested = nested
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
            return read(node, nested=True)
        except RuleError as error:
            self.problems.extend(error.problems)
            return ()

    def _picks(self) -> tuple[Pick, ...]:
        picks: list[Pick] = []
        for node in self._scalars("pick"):
            value = node.value
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
            self._refuse_nested("where", node.span)
            try:
                found.append(expression.parse(node.text, node.span))
            except RuleError as error:
                self.problems.append(error)
        return tuple(found)

    def _frozen(self) -> bool:
        nodes = self._scalars("frozen")
        if not nodes:
            return False
        self._refuse_nested("frozen", self.node.key_span("frozen"))
        return nodes[0].value is True

    def _refuse_nested(self, key: str, span: Span) -> None:
        if self.nested:
            self.problems.append(
                SelectorSyntaxError(
                    f"'{key}' does not stand in a nested selector", span, "Move it to the rule's own 'select'."
                )
            )

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
                        f"the capture '<{name}>' is bound by two keys", self.node.span, "Give each a name of its own."
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
