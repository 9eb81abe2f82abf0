"""Rule files joined: ``extends`` followed, names checked, one ordered list of rules.

Base files come before the file that extends them, each file once. A later file replaces settings,
variables and sources by name, removes and unlocks inherited rules, and adds its own below.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from initrules import expression, presets
from initrules.actions.table import BUILTIN, Tables
from initrules.calls import Call
from initrules.document import MAX_CHARACTERS, ScalarNode
from initrules.errors import (
    ExpressionError,
    ExtendsError,
    NameClashError,
    Problems,
    RuleError,
    SelectorSyntaxError,
    suggestion,
)
from initrules.expression import FACTS, OBJECTS, RESERVED, Expression
from initrules.pattern import path_pattern
from initrules.rules import CheckpointSource, Expectation, Rule, RuleFile, Variable, read
from initrules.source import Span

MAX_EXTENDS_DEPTH = 16
PRESET = "preset:"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules that hold together, base files first, top to bottom."""

    files: tuple[str, ...]
    about: str
    rules: tuple[Rule, ...]
    variables: Mapping[str, Variable] = field(default_factory=dict)
    sources: Mapping[str, CheckpointSource] = field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()
    unmatched: str = "keep"
    stream: str = "keyed"
    order: str = "registration"

    def with_variables(self, given: Mapping[str, object], origin: str = "--set") -> RuleSet:
        """The same rules with some variables replaced. Raises ``Problems`` for unknown ones."""
        problems: list[RuleError] = []
        changed = dict(self.variables)
        for name, value in given.items():
            if name not in self.variables:
                problems.append(
                    NameClashError(f"{origin}: unknown variable '{name}'", None, suggestion(name, self.variables))
                )
                continue
            try:
                changed[name] = _given_variable(f"{origin} {name}", value)
            except RuleError as error:
                problems.extend(error.problems)
        found = replace(self, variables=changed)
        problems += _check_variables(found)
        if problems:
            raise Problems(problems)
        return found


def _given_variable(origin: str, value: object) -> Variable:
    if isinstance(value, list | tuple):
        return tuple(_given_number(origin, item) for item in value)
    return _given_number(origin, value)


def _given_number(origin: str, value: object) -> Expression:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return expression.parse(text, Span(origin, 1, 1, len(text), text))


def load(
    path: str | os.PathLike[str], *, allow: Sequence[str | os.PathLike[str]] = (), tables: Tables = BUILTIN
) -> RuleSet:
    """Read a rule file, or ``preset:NAME``, and all it extends.

    ``allow``: folders that may be read besides the file's own folder tree. Raises ``Problems``
    with every problem of all files.
    """
    return _join(_Files(str(path), [Path(folder).resolve() for folder in allow], tables))


def from_text(text: str, name: str = "<rules>", tables: Tables = BUILTIN) -> RuleSet:
    """Read rules from a string; it can extend presets only. Raises ``Problems``."""
    return _join(_Files(name, [], tables, text=text))


class _Files:
    """Follows ``extends`` and collects the files in order, base first."""

    def __init__(self, top: str, allowed: list[Path], tables: Tables, text: str | None = None) -> None:
        self.tables = tables
        self.files: list[RuleFile] = []
        self.problems: list[RuleError] = []
        self._done: set[str] = set()
        self._allowed = allowed
        if text is None and not top.startswith(PRESET):
            self._allowed = [*allowed, Path(top).resolve().parent]
        self._visit(top, None, (), text)

    def _visit(self, name: str, span: Span | None, chain: tuple[str, ...], text: str | None = None) -> None:
        key = name if name.startswith(PRESET) or text is not None else str(Path(name).resolve())
        if key in chain:
            circle = " → ".join([*chain[chain.index(key) :], key])
            self.problems.append(
                ExtendsError(f"'extends' runs in a circle: {circle}", span, "Remove one of the links.")
            )
            return
        if len(chain) > MAX_EXTENDS_DEPTH:
            self.problems.append(ExtendsError(f"'extends' is more than {MAX_EXTENDS_DEPTH} files deep", span))
            return
        if key in self._done:
            return
        self._done.add(key)
        try:
            file = read(self._text(name, span) if text is None else text, name, self.tables)
        except RuleError as error:
            self.problems.extend(error.problems)
            return
        for base in file.extends:
            self._visit(_beside(name, base.text), base.span, (*chain, key))
        self.files.append(file)

    def _text(self, name: str, span: Span | None) -> str:
        if name.startswith(PRESET):
            return presets.text(name.removeprefix(PRESET), span)
        path = Path(name)
        if not any(path.resolve().is_relative_to(folder) for folder in self._allowed):
            hint = "A rule file reads only below its own folder; '--allow FOLDER' on the command line permits more."
            raise ExtendsError(f"'{name}' lies outside the folder of the rule file", span, hint)
        try:
            with path.open(encoding="utf-8") as file:
                return file.read(MAX_CHARACTERS + 1)
        except FileNotFoundError:
            raise ExtendsError(f"there is no file '{name}'", span, _nearby(path)) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ExtendsError(f"'{name}' cannot be read: {reason}", span) from None


def _beside(file: str, name: str) -> str:
    if name.startswith(PRESET):
        return name
    if file.startswith(PRESET):
        inner = os.path.normpath(os.path.join(os.path.dirname(file.removeprefix(PRESET)), name))  # noqa: PTH118, PTH120
        return PRESET + inner.removesuffix(".yaml")
    return os.path.normpath(os.path.join(os.path.dirname(file), name))  # noqa: PTH118, PTH120  # keeps "a.yaml" short


def _nearby(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder '{folder}' either."
    names = [p.name for p in folder.iterdir() if p.suffix in {".yaml", ".yml"}]
    return suggestion(path.name, names) if names else f"The folder '{folder}' has no YAML files."


def _join(files: _Files) -> RuleSet:
    if files.problems:
        raise Problems(files.problems)
    joiner = _Joiner()
    for file in files.files:
        joiner.add(file)
    found = joiner.ruleset()
    problems = [*joiner.problems, *_check_names(found), *_check_variables(found)]
    if problems:
        raise Problems(problems)
    return found


class _Joiner:
    """Adds files one after another, base first."""

    def __init__(self) -> None:
        self.problems: list[RuleError] = []
        self._files: list[RuleFile] = []
        self._rules: dict[str, Rule] = {}

    def add(self, file: RuleFile) -> None:
        for node in file.remove:
            if self._inherited(node, "remove"):
                del self._rules[node.text]
        for node in file.unlock:
            rule = self._inherited(node, "unlock")
            if rule and not rule.lock:
                self.problems.append(
                    NameClashError(f"the rule '{node.text}' is not locked", node.span, "Leave it out of 'unlock'.")
                )
            elif rule:
                self._rules[node.text] = replace(rule, lock=False)
        for rule in file.rules:
            first = self._rules.get(rule.name)
            if first:
                self.problems.append(
                    NameClashError(
                        f"the name '{rule.name}' is taken by the rule at {first.span.place}",
                        rule.span,
                        "Choose another name, or put it under 'remove' first.",
                    )
                )
            self._rules[rule.name] = rule
        self._files.append(file)

    def _inherited(self, node: ScalarNode, verb: str) -> Rule | None:
        rule = self._rules.get(node.text)
        if rule is None:
            hint = suggestion(node.text, self._rules) if self._rules else f"'{verb}' is for rules of extended files."
            self.problems.append(NameClashError(f"no inherited rule '{node.text}' to {verb}", node.span, hint))
        return rule

    def ruleset(self) -> RuleSet:
        settings: dict[str, str] = {}
        variables: dict[str, Variable] = {}
        sources: dict[str, CheckpointSource] = {}
        for file in self._files:
            settings |= file.settings
            variables |= file.variables
            sources |= {source.name: source for source in file.sources}
        return RuleSet(
            files=tuple(file.file for file in self._files),
            about=self._files[-1].about if self._files else "",
            rules=tuple(self._rules.values()),
            variables=variables,
            sources=sources,
            expect=tuple(one for file in self._files for one in file.expect),
            **settings,
        )


def _check_variables(rules: RuleSet) -> list[RuleError]:
    captures = {name for rule in rules.rules for name in rule.captures}
    known = {*rules.variables, *captures, *FACTS, *OBJECTS}
    problems: list[RuleError] = [*expression.circles(rules.variables)]
    for value in rules.variables.values():
        for part in value if isinstance(value, tuple) else (value,):
            problems += expression.unknown_names(part, known)
            problems += _check_patterns(part)
    return problems


def _check_names(rules: RuleSet) -> list[RuleError]:
    problems: list[RuleError] = []
    for rule in rules.rules:
        for name in sorted(rule.captures & RESERVED):
            problems.append(  # noqa: PERF401  # the message is easier to read in a loop
                SelectorSyntaxError(
                    f"the capture '<{name}>' has the name of a built-in",
                    rule.select[0].span,
                    "Choose another name: facts, indices and objects keep theirs.",
                )
            )
        known = {*rules.variables, *rule.captures, *FACTS, *OBJECTS}
        for part, extra in _expressions(rule):
            problems += expression.unknown_names(part, {*known, *extra})
            problems += _check_patterns(part)
        if rule.decides:
            problems += expression.unknown_names(rule.decides, {*rules.variables, "root"})
            problems += _check_patterns(rule.decides)
    return _with_misspelt_actions(problems, rules)


def _expressions(rule: Rule) -> Iterator[tuple[Expression, Iterable[str]]]:
    for one in rule.select:
        for condition in one.where:
            yield condition, ()
    for call in _calls(rule):
        for part, with_x in call.expressions():
            yield part, ("x", *expression.FUNCTIONS, "identity") if with_x else ()


def _calls(rule: Rule) -> Iterator[Call]:
    for declaration in rule.declarations:
        yield from declaration.calls


def _check_patterns(part: Expression) -> list[RuleError]:
    problems: list[RuleError] = []
    for pattern in part.patterns:
        try:
            path_pattern(pattern, part.span)
        except RuleError as error:
            problems.append(error)
    return problems


def _with_misspelt_actions(problems: list[RuleError], rules: RuleSet) -> list[RuleError]:
    """A lone unknown word where a value is wanted is most likely a misspelt action."""
    words = {call.span: call for rule in rules.rules for call in _calls(rule) if call.word}
    found: list[RuleError] = []
    for problem in problems:
        call = words.get(problem.span) if problem.span else None
        if call is None or call.word is None:
            found.append(problem)
            continue
        choices = {*BUILTIN.actions, *BUILTIN.aliases, *rules.variables}
        hint = f"{suggestion(call.word, choices)} A word is an action or a variable."
        found.append(ExpressionError(f"unknown action or variable '{call.word}'", problem.span, hint))
    return found
