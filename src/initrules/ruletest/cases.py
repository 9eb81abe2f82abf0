"""Test files as typed, frozen data; every problem of a file at once, with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

from initrules import structure
from initrules.actions.table import BUILTIN, Tables
from initrules.calls import Call, parse_value, read_calls, read_option
from initrules.document import MappingNode, Node, Plain, ScalarNode, SequenceNode, parse, plain
from initrules.errors import NameClashError, Problems, RuleError, SchemaError
from initrules.expression import Expression
from initrules.pattern import Pattern, path_pattern
from initrules.ruletest.schema import KINDS, TEST_VERSION, VERSION_KEY, file_schema
from initrules.selector import spelled
from initrules.source import Span

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that a property must have: as written, and as calls to evaluate for each parameter."""

    calls: tuple[Call, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Near:
    """What a statistic must be near; without ``within`` up to five standard errors off."""

    about: Expression
    within: float | None
    span: Span


@dataclass(frozen=True, slots=True)
class Drawn:
    """What must hold of drawn values. ``range``: between which two numbers all of them lie."""

    std: Near | None = None
    mean: Near | None = None
    range: tuple[Expression, Expression] | None = None
    seeds: int = 1

    def __bool__(self) -> bool:
        return bool(self.std or self.mean or self.range)


@dataclass(frozen=True, slots=True)
class OfParameters:
    """What must hold for some parameters. ``wanted``: values by property; ``spans``: where each key stands."""

    span: Span
    patterns: tuple[Pattern, ...]
    excluded: tuple[Pattern, ...]
    count: int | None
    wanted: Mapping[str, Wanted] = field(hash=False)
    by: tuple[ScalarNode, ...]
    over: tuple[ScalarNode, ...]
    unclaimed: bool | None
    kept: bool | None
    drawn: Drawn
    spans: Mapping[str, Span] = field(hash=False)


@dataclass(frozen=True, slots=True)
class OfRule:
    """How many parameters a rule wins, claims and loses."""

    span: Span
    rule: ScalarNode
    counts: Mapping[str, int] = field(hash=False)
    spans: Mapping[str, Span] = field(hash=False)


@dataclass(frozen=True, slots=True)
class OfFinding:
    """A finding that there must be; with ``count`` exactly so many of them."""

    span: Span
    codes: tuple[str, ...]
    severity: str | None
    says: str
    rule: str | None
    patterns: tuple[Pattern, ...]
    count: int | None
    text: str


Expectation: TypeAlias = "OfParameters | OfRule | OfFinding"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is planned: rule files, a model or inventory, and what changes them."""

    rules: tuple[ScalarNode, ...]
    inventory: ScalarNode | None
    model: ScalarNode | None
    arguments: Mapping[str, Plain] = field(hash=False)
    variables: Mapping[str, Plain] = field(hash=False)
    sources: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: a subject and what must hold."""

    name: str
    span: Span
    subject: Subject
    expect: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """At least how many per cent of the rules must decide something."""

    least: float
    span: Span


@dataclass(frozen=True, slots=True)
class TestFile:
    """One test file."""

    __test__ = False  # pytest is not meant

    file: str
    cases: tuple[Case, ...]
    coverage: Coverage | None


def read(text: str, file: str, tables: Tables = BUILTIN) -> TestFile:
    """Read one test file. Raises ``Problems`` with every problem in it."""
    root = parse(text, file, first=f"{VERSION_KEY}: {TEST_VERSION}")
    reader = _Reader(root, tables)
    cases = tuple(reader.cases())
    coverage = root.get("coverage")
    if reader.problems:
        raise Problems(reader.problems)
    assert coverage is None or isinstance(coverage, ScalarNode)
    return TestFile(file, cases, Coverage(float(coverage.value), coverage.span) if coverage else None)  # type: ignore[arg-type]


class _Reader:
    def __init__(self, root: MappingNode, tables: Tables) -> None:
        self.root = root
        self.tables = tables
        found = structure.departures(root, file_schema(tables))
        self.problems: list[RuleError] = [problem for problem, _ in found]
        broken = frozenset(id(node) for _, node in found if node is not None)
        self._sound = partial(structure.is_sound, broken=broken)

    def cases(self) -> Iterator[Case]:
        names: dict[str, Span] = {}
        for node in _mappings(self.root.get("cases")):
            name = node.get("name")
            if isinstance(name, ScalarNode) and name.text in names:
                hint = f"The first one is at {names[name.text].place}."
                self.problems.append(NameClashError(f"two cases have the name '{name.text}'", name.span, hint))
            if isinstance(name, ScalarNode):
                names[name.text] = name.span
            expect = [one for entry in _mappings(node.get("expect")) for one in self._expectation(entry)]
            yield Case(
                name.text if isinstance(name, ScalarNode) else "", name.span if name else node.span,
                self._subject(node), tuple(expect),
            )  # fmt: skip

    def _subject(self, case: MappingNode) -> Subject:
        """What the case says, and for the rest what the file says."""

        def entry(key: str) -> Node | None:
            return case.get(key) or self.root.get(key)

        built = case if case.get("model") or case.get("inventory") else self.root
        model, inventory = built.get("model"), built.get("inventory")
        if not entry("rules"):
            self.problems.append(SchemaError("the case names no rules", case.span, "Add 'rules: FILE.yaml'."))
        if not model and not inventory:
            hint = "Add 'inventory: FILE.json' or 'model: FILE.py:FUNCTION'."
            self.problems.append(SchemaError("the case has neither a model nor an inventory", case.span, hint))
        if model and inventory:
            self.problems.append(SchemaError("a model and an inventory at once", model.span, "Choose one of them."))
        return Subject(
            rules=tuple(_scalars(entry("rules"))),
            inventory=inventory if isinstance(inventory, ScalarNode) else None,
            model=model if isinstance(model, ScalarNode) else None,
            arguments=_plain_mapping(entry("args")),
            variables=_plain_mapping(entry("vars")),
            sources={key: str(value) for key, value in _plain_mapping(entry("sources")).items()},
        )

    def _expectation(self, node: MappingNode) -> Iterator[Expectation]:
        kind = next((kind for kind in KINDS if node.get(kind)), None)
        if kind is None:
            if all(any(key.text in keys for keys in KINDS.values()) for key, _ in node.entries):
                hint = "Begin it with 'params: PATTERN', 'rule: NAME' or 'finding: CODE'."
                self.problems.append(SchemaError("the expectation does not say what it is about", node.span, hint))
            return
        if len(node.entries) == 1 and kind != "finding":
            hint = "Add what must hold: 'set', 'by' and others for parameters, 'wins' and others for a rule."
            self.problems.append(SchemaError("the expectation asks for nothing", node.span, hint))
        spare = [key for key, _ in node.entries if key.text not in KINDS[kind] and _is_known(key.text)]
        for key in spare:
            owner = next(name for name, keys in KINDS.items() if key.text in keys and name != kind)
            hint = f"It goes with '{owner}: ...', in an entry of its own."
            self.problems.append(SchemaError(f"'{key.text}' says nothing about '{kind}'", key.span, hint))
        if not spare and self._sound(node):
            made = {"params": self._of_parameters, "rule": _of_rule, "finding": self._of_finding}[kind](node)
            yield from (made,) if made is not None else ()

    def _of_parameters(self, node: MappingNode) -> OfParameters | None:
        before = len(self.problems)
        found = OfParameters(
            span=node.key_span("params"),
            patterns=self._patterns(node.get("params")),
            excluded=self._patterns(node.get("not")),
            count=_whole(node.get("count")),
            wanted=dict(self._wanted(node)),
            by=tuple(_scalars(node.get("by"))),
            over=tuple(_scalars(node.get("over"))),
            unclaimed=_flag(node.get("unclaimed")),
            kept=_flag(node.get("kept")),
            drawn=self._drawn(node),
            spans={key.text: key.span for key, _ in node.entries},
        )
        if found.spans.keys() == {"params", "not"}:
            self.problems.append(
                SchemaError("the expectation asks for nothing", node.span, "Add 'set: ...' or 'by: ...'.")
            )
        if "seeds" in found.spans and not found.drawn:
            hint = "Add 'std', 'mean' or 'range', or leave 'seeds' out."
            self.problems.append(SchemaError("'seeds' without a statistic", found.spans["seeds"], hint))
        return found if len(self.problems) == before else None

    def _wanted(self, node: MappingNode) -> Iterator[tuple[str, Wanted]]:
        for prop in ("set", "parametrize"):
            value = node.get(prop)
            if value is not None:
                yield from self._value(prop, value, read_calls)
        options = node.get("optimize")
        for option, value in options.entries if isinstance(options, MappingNode) else ():
            if option.text in self.tables.options:
                yield from self._value(option.text, value, read_option)

    def _value(
        self, prop: str, node: Node, read_value: Callable[[str, Node, Tables], tuple[Call, ...]]
    ) -> Iterator[tuple[str, Wanted]]:
        calls = self._try(lambda: read_value(prop, node, self.tables))
        if calls:
            yield prop, Wanted(calls, spelled(node), node.span)

    def _drawn(self, node: MappingNode) -> Drawn:
        bounds = node.get("range")
        ends = [self._number(item) for item in _scalars(bounds)] if bounds else []
        low, high = ends if len(ends) == 2 else (None, None)
        return Drawn(
            std=self._near(node.get("std")),
            mean=self._near(node.get("mean")),
            range=(low, high) if low and high else None,
            seeds=_whole(node.get("seeds")) or 1,
        )

    def _near(self, node: Node | None) -> Near | None:
        if node is None:
            return None
        within = node.get("within") if isinstance(node, MappingNode) else None
        about = node.get("about") if isinstance(node, MappingNode) else node
        assert isinstance(about, ScalarNode)
        number = self._number(about)
        limit = float(within.value) if isinstance(within, ScalarNode) else None  # type: ignore[arg-type]
        return Near(number, limit, about.span) if number else None

    def _of_finding(self, node: MappingNode) -> OfFinding:
        return OfFinding(
            span=node.key_span("finding"),
            codes=tuple(code.text for code in _scalars(node.get("finding"))),
            severity=_text(node.get("severity")),
            says=_text(node.get("says")) or "",
            rule=_text(node.get("rule")),
            patterns=self._patterns(node.get("params")),
            count=_whole(node.get("count")),
            text=spelled(node),
        )

    def _patterns(self, node: Node | None) -> tuple[Pattern, ...]:
        found = (self._try(lambda one=one: path_pattern(one.text, one.span)) for one in _scalars(node))  # type: ignore[misc]
        return tuple(one for one in found if one is not None)

    def _number(self, node: ScalarNode) -> Expression | None:
        return self._try(lambda: parse_value(node))

    def _try(self, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except RuleError as error:
            self.problems.extend(error.problems)
            return None


def _of_rule(node: MappingNode) -> OfRule:
    rule = node.get("rule")
    assert isinstance(rule, ScalarNode)
    counts = {key: _whole(node.get(key)) for key in ("wins", "claims", "loses")}
    return OfRule(
        span=node.key_span("rule"),
        rule=rule,
        counts={key: count for key, count in counts.items() if count is not None},
        spans={key.text: key.span for key, _ in node.entries},
    )


def _is_known(key: str) -> bool:
    return any(key in keys for keys in KINDS.values())


def _mappings(node: Node | None) -> Sequence[MappingNode]:
    items = node.items if isinstance(node, SequenceNode) else ()
    return [item for item in items if isinstance(item, MappingNode)]


def _scalars(node: Node | None) -> Iterator[ScalarNode]:
    items = node.items if isinstance(node, SequenceNode) else (node,)
    return (item for item in items if isinstance(item, ScalarNode))


def _plain_mapping(node: Node | None) -> dict[str, Any]:
    found = plain(node) if isinstance(node, MappingNode) else {}
    return found if isinstance(found, dict) else {}


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, ScalarNode) else None


def _whole(node: Node | None) -> int | None:
    value = node.value if isinstance(node, ScalarNode) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(node: Node | None) -> bool | None:
    value = node.value if isinstance(node, ScalarNode) else None
    return value if isinstance(value, bool) else None
