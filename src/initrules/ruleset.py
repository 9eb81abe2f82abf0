"""Rule files joined: ``extends`` followed, names checked, one ordered list of rules.

Base files come before the file that extends them, each file once. A later file replaces settings,
variables and sources by name, removes and unlocks inherited rules, and adds its own below.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from initrules import expression, naming, presets
from initrules.actions.table import BUILTIN, Tables
from initrules.document import MAX_CHARACTERS, ScalarNode
from initrules.errors import (
    ExtendsError,
    NameClashError,
    Problems,
    RuleError,
    SchemaError,
    suggestion,
)
from initrules.evaluation import Scope, evaluate
from initrules.expression import Expression
from initrules.rules import CheckpointSource, Expectation, Rule, RuleFile, Variable, read_partly
from initrules.source import Span

MAX_EXTENDS_DEPTH = 16


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
    folders: tuple[str, ...] = ()  # what may be read: the file's own folder tree, and what was allowed

    @property
    def reads_observed(self) -> bool:
        """Whether a plan needs to know what a run of the model shows."""
        return naming.reads_observed(self.rules, self.variables)

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
        problems += naming.variable_problems(found.rules, found.variables)
        if problems:
            raise Problems(problems)
        return found


def _given_variable(origin: str, value: object) -> Variable:
    if isinstance(value, list | tuple):
        return tuple(_given_number(origin, item) for item in value)
    return _given_number(origin, value)


def _given_number(origin: str, value: object) -> Expression:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    span = Span(origin, 1, 1, len(text), text)
    if isinstance(value, float) and not math.isfinite(value):
        raise SchemaError(f"'{text}' is not finite", span, "Give a finite number.")
    found = expression.parse(text, span)
    if found.closed:
        evaluate(found, Scope())
    return found


def load(
    path: str | os.PathLike[str], *, allow: Sequence[str | os.PathLike[str]] = (), tables: Tables = BUILTIN
) -> RuleSet:
    """Read a rule file, or ``preset:NAME``, and all it extends.

    ``allow``: folders that may be read besides the file's own folder tree. Raises ``Problems``
    with every problem of all files.
    """
    return _join(_Files(str(path), [_real(str(folder)) for folder in allow], tables))


def from_text(text: str, name: str = "<rules>", tables: Tables = BUILTIN) -> RuleSet:
    """Read rules from a string; it can extend presets only. Raises ``Problems``."""
    return _join(_Files(name, [], tables, text=text))


class _Files:
    """Follows ``extends`` and collects the files in order, base first."""

    def __init__(self, top: str, allowed: list[Path], tables: Tables, text: str | None = None) -> None:
        self.tables = tables
        self.files: list[RuleFile] = []
        self.problems: list[RuleError] = []
        self.complete = True
        self._done: set[str] = set()
        self.allowed = allowed
        if text is None and not top.startswith(presets.PREFIX):
            self.allowed = [*allowed, _real(top).parent]
        self._visit(top, None, (), text)

    def _visit(self, name: str, span: Span | None, chain: tuple[str, ...], text: str | None = None) -> None:
        key = name if name.startswith(presets.PREFIX) or text is not None else str(_real(name))
        if key in chain:
            circle = " → ".join([*chain[chain.index(key) :], key])
            self.problems.append(
                ExtendsError(f"'extends' runs in a circle: {circle}", span, "Remove one of the links.")
            )
            return
        if len(chain) > MAX_EXTENDS_DEPTH:
            hint = "Join some of the files, or list them side by side in one 'extends'."
            self.problems.append(ExtendsError(f"'extends' is more than {MAX_EXTENDS_DEPTH} files deep", span, hint))
            return
        if key in self._done:
            return
        self._done.add(key)
        try:
            file, problems = read_partly(self._text(name, span) if text is None else text, name, self.tables)
        except RuleError as error:
            self.problems.extend(error.problems)
            self.complete = False
            return
        self.problems.extend(problems)
        self.complete = self.complete and file.defines_all
        for base in file.extends:
            self._visit(_beside(name, base.text), base.span, (*chain, key))
        self.files.append(file)

    def _text(self, name: str, span: Span | None) -> str:
        if name.startswith(presets.PREFIX):
            return presets.text(name.removeprefix(presets.PREFIX), span)
        path = _path(name)
        if not self.allowed:
            hint = "Write 'preset:NAME', or put the rules into a file of their own."
            raise ExtendsError(f"rules that are no file cannot extend '{name}'", span, hint)
        if not any(_real(name).is_relative_to(folder) for folder in self.allowed):
            hint = "A rule file reads only below its own folder; '--allow FOLDER' on the command line permits more."
            raise ExtendsError(f"'{name}' lies outside the folder of the rule file", span, hint)
        try:
            if span and path.exists() and not path.is_file():  # a pipe or a device could hang the reader
                raise ExtendsError(f"'{name}' is not a file", span, "Name a rule file.")
            with path.open(encoding="utf-8") as file:
                return file.read(MAX_CHARACTERS + 1)
        except FileNotFoundError:
            raise ExtendsError(f"there is no file '{name}'", span, _nearby(path)) from None
        except UnicodeDecodeError:
            raise ExtendsError(f"'{name}' is not UTF-8 text", span, "Save it as UTF-8.") from None
        except OSError as error:
            raise ExtendsError(f"'{name}' cannot be read", span, f"The system says: {error.strerror}.") from None


def _path(name: str) -> Path:
    """The path, where what no file name can hold is replaced, so that the file is simply not there."""
    return Path(name.encode("utf-8", "replace").replace(b"\0", b"?").decode())


def _real(name: str) -> Path:
    return Path(os.path.realpath(_path(name)))  # circles of links do not raise here, unlike with resolve()


def _beside(file: str, name: str) -> str:
    if name.startswith(presets.PREFIX):
        return name
    if file.startswith(presets.PREFIX):
        inner = os.path.normpath(os.path.join(os.path.dirname(file.removeprefix(presets.PREFIX)), name))  # noqa: PTH118, PTH120
        return presets.PREFIX + inner.removesuffix(".yaml")
    return os.path.normpath(os.path.join(os.path.dirname(file), name))  # noqa: PTH118, PTH120  # keeps "a.yaml" short


def _nearby(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder '{folder}' either."
    names = [p.name for p in folder.iterdir() if p.suffix in {".yaml", ".yml"}]
    return suggestion(path.name, names) if names else f"The folder '{folder}' has no YAML files."


def _join(files: _Files) -> RuleSet:
    if not files.complete:  # names may be defined in what could not be read
        rules = [rule for file in files.files for rule in file.rules]
        raise Problems([*files.problems, *naming.own_problems(rules)])
    joiner = _Joiner()
    for file in files.files:
        joiner.add(file)
    found = replace(joiner.ruleset(), folders=tuple(str(folder) for folder in files.allowed))
    problems = [
        *files.problems,
        *joiner.problems,
        *naming.rule_problems(found.rules, found.variables, found.sources, files.tables),
        *naming.variable_problems(found.rules, found.variables),
        *naming.expectation_problems(found.expect, found.variables),
    ]
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
                inherited = first.span.file != rule.span.file
                hint = (
                    f"Choose another name, or write 'remove: [{rule.name}]'." if inherited else "Choose another name."
                )
                message = f"the name '{rule.name}' is taken by the rule at {first.span.place}"
                self.problems.append(NameClashError(message, rule.span, hint))
            self._rules[rule.name] = rule
        self._files.append(file)

    def _inherited(self, node: ScalarNode, verb: str) -> Rule | None:
        rule = self._rules.get(node.text)
        if rule is None:
            hint = suggestion(node.text, self._rules) if self._rules else f"'{verb}' is for rules of extended files."
            self.problems.append(NameClashError(f"no inherited rule '{node.text}' to {verb}", node.span, hint))
        return rule

    def ruleset(self) -> RuleSet:
        settings: dict[str, Any] = {}
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
