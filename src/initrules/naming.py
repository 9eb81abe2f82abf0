"""Are all names known? Checked when all files are together, before a model exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from initrules import expression
from initrules.actions.table import BUILTIN
from initrules.binding import captures_in
from initrules.calls import Call, nested
from initrules.errors import ExpressionError, NameClashError, RuleError, SelectorSyntaxError, suggestion
from initrules.expression import FACTS, OBJECTS, RESERVED, Expression
from initrules.pattern import path_pattern
from initrules.rules import CheckpointSource, Rule, Variable


def variable_problems(rules: Sequence[Rule], variables: Mapping[str, Variable]) -> list[RuleError]:
    """Variables that name something unknown, or themselves by way of others."""
    captures = {name for rule in rules for name in rule.captures}
    known = {*variables, *captures, *FACTS, *OBJECTS}
    problems: list[RuleError] = [*expression.circles(variables)]
    for value in variables.values():
        for part in value if isinstance(value, tuple) else (value,):
            problems += expression.unknown_names(part, known)
            problems += _patterns(part)
    return problems


def rule_problems(
    rules: Sequence[Rule], variables: Mapping[str, Variable], sources: Mapping[str, CheckpointSource]
) -> list[RuleError]:
    """Rules that name an unknown variable, capture or source, or bind the name of a built-in."""
    problems: list[RuleError] = []
    for rule in rules:
        problems += _captures(rule)
        known = {*variables, *rule.captures, *FACTS, *OBJECTS}
        for part, extra in _expressions(rule):
            problems += expression.unknown_names(part, {*known, *extra})
            problems += _patterns(part)
        if rule.decides:
            problems += expression.unknown_names(rule.decides, {*variables, "root"})
            problems += _patterns(rule.decides)
        for call in _calls(rule):
            problems += _texts(call, rule)
            problems += _source(call, sources)
    return _with_misspelt_actions(problems, rules, variables)


def _captures(rule: Rule) -> Iterator[RuleError]:
    for name in sorted(rule.captures & RESERVED):
        yield SelectorSyntaxError(
            f"the capture '<{name}>' has the name of a built-in",
            rule.select[0].span,
            "Choose another name: facts, indices and objects keep theirs.",
        )


def _expressions(rule: Rule) -> Iterator[tuple[Expression, Iterable[str]]]:
    for one in rule.select:
        for condition in one.where:
            yield condition, ()
    for call in _calls(rule):
        yield from call.expressions()


def _calls(rule: Rule) -> Iterator[Call]:
    for declaration in rule.declarations:
        yield from declaration.calls


def _texts(call: Call, rule: Rule) -> Iterator[RuleError]:
    for text in call.texts():
        for name in captures_in(text):
            if name not in rule.captures:
                hint = suggestion(name, rule.captures) if rule.captures else "The selector of this rule binds nothing."
                yield ExpressionError(f"'<{name}>' in '{text}' is bound by no capture", call.span, hint)


def _source(call: Call, sources: Mapping[str, CheckpointSource]) -> Iterator[RuleError]:
    source = call.given.get("source") if call.action.name == "load" else None
    if isinstance(source, str) and source not in sources:
        hint = suggestion(source, sources) if sources else "Add it: 'sources: {NAME: {file: FILE}}'."
        yield NameClashError(f"unknown source '{source}'", call.span, hint)


def _patterns(part: Expression) -> Iterator[RuleError]:
    for pattern in part.patterns:
        try:
            path_pattern(pattern, part.span)
        except RuleError as error:
            yield error


def _with_misspelt_actions(
    problems: list[RuleError], rules: Sequence[Rule], variables: Mapping[str, Variable]
) -> list[RuleError]:
    """A lone unknown word where a value is wanted is most likely a misspelt action."""
    words = {call.span: call for rule in rules for call in nested(_calls(rule)) if call.word}
    found: list[RuleError] = []
    for problem in problems:
        call = words.get(problem.span) if problem.span else None
        if call is None or call.word is None:
            found.append(problem)
            continue
        choices = {*BUILTIN.actions, *BUILTIN.aliases, *variables}
        hint = f"{suggestion(call.word, choices)} A word is an action or a variable."
        found.append(ExpressionError(f"unknown action or variable '{call.word}'", problem.span, hint))
    return found
