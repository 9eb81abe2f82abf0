"""Are all names known? Checked when all files are together, before a model exists."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

from initrules import expression
from initrules.actions.table import Tables
from initrules.binding import captures_in
from initrules.calls import Call, nested
from initrules.errors import ExpressionError, NameClashError, RuleError, SelectorSyntaxError, suggestion
from initrules.expression import DIMENSIONS, FACTS, FUNCTIONS, OBJECTS, RESERVED, Expression
from initrules.pattern import path_pattern
from initrules.rules import CheckpointSource, Expectation, Rule, Variable
from initrules.source import Span


def variable_problems(rules: Sequence[Rule], variables: Mapping[str, Variable]) -> list[RuleError]:
    """Variables that name something unknown, or themselves by way of others."""
    captures = {name for rule in rules for name in rule.captures}
    known = {*variables, *captures, *FACTS, *OBJECTS, *DIMENSIONS}
    problems: list[RuleError] = [*expression.circles(variables)]
    for value in variables.values():
        for part in value if isinstance(value, tuple) else (value,):
            problems += expression.unknown_names(part, known)
            problems += _patterns(part)
    return problems


def own_problems(rules: Sequence[Rule]) -> list[RuleError]:
    """What is wrong with the captures and patterns of rules, whatever any other part of a file defines."""
    problems: list[RuleError] = []
    for rule in rules:
        problems += _captures(rule)
        for part, _ in _expressions(rule):
            problems += _patterns(part)
        problems += _patterns(rule.decides) if rule.decides else ()
        for call in _calls(rule):
            problems += _texts(call, rule)
    return problems


def rule_problems(
    rules: Sequence[Rule], variables: Mapping[str, Variable], sources: Mapping[str, CheckpointSource], tables: Tables
) -> list[RuleError]:
    """Rules that name an unknown variable, capture or source, or bind the name of a built-in."""
    problems = own_problems(rules)
    actions = frozenset({*tables.actions, *tables.aliases})
    hints = {
        name: f"The rule '{rule.name}' binds it; a capture holds in its own rule."
        for rule in rules
        for name in rule.captures
    }
    for rule in rules:
        known = {*variables, *rule.captures, *FACTS, *OBJECTS}
        for part, extra in _expressions(rule):
            problems += expression.unknown_names(part, {*known, *_allowed(part, extra)}, hints)
            problems += () if {*DIMENSIONS} <= {*extra} else _indexed(part, variables)
        if rule.decides:
            problems += expression.unknown_names(rule.decides, {*variables, "root"})
            problems += _indexed(rule.decides, variables)
        problems += _words(rule, variables, actions)
        for call in _calls(rule):
            problems += _source(call, sources)
    return _with_misspelt_actions(problems, rules, actions.union(variables))


def expectation_problems(expect: Sequence[Expectation], variables: Mapping[str, Variable]) -> list[RuleError]:
    """Expectations that name something unknown: they are about the model, not about one parameter."""
    problems: list[RuleError] = []
    for one in expect:
        for key, value in one.values.items():
            extra = ("x", *FUNCTIONS, "identity") if key == "through" else ()
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Expression):
                    problems += expression.unknown_names(part, {*variables, "root", *_allowed(part, extra)})
                    problems += _indexed(part, variables)
                    problems += _patterns(part)
    return problems


def _indexed(part: Expression, variables: Mapping[str, Variable]) -> Iterator[RuleError]:
    """Variables that depend on an index of a formula, where there is no formula."""
    for node in ast.walk(part.tree):
        if isinstance(node, ast.Name) and node.id in variables:
            indices = sorted(names_in(variables[node.id], variables) & {*DIMENSIONS})
            if indices:
                message = f"'{node.id}' depends on the index '{indices[0]}', which has no meaning here"
                place = expression.part_of(part.text, part.span, node)
                yield ExpressionError(message, place, "A variable of an index stands only in 'formula'.")


def _allowed(part: Expression, extra: Iterable[str]) -> set[str]:
    """What may be named besides: the bare name of a function only where it stands alone."""
    alone = isinstance(part.tree, ast.Name)
    return {name for name in extra if alone or name not in {*FUNCTIONS, "identity"}}


def _captures(rule: Rule) -> Iterator[RuleError]:
    for name in sorted(rule.captures & RESERVED):
        yield SelectorSyntaxError(
            f"the capture '<{name}>' has the name of a built-in",
            next(one for one in rule.select if name in one.captures()).capture_span(name),
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


def _words(rule: Rule, variables: Mapping[str, Variable], actions: frozenset[str]) -> Iterator[RuleError]:
    """A lone word that names an action, where a variable of that name may be meant."""
    for call in _calls(rule):
        if call.text in variables and call.text in actions and not call.given:
            hint = f"Rename the variable; {{constant: {call.text}}} means the variable, whatever its name."
            yield NameClashError(f"'{call.text}' is an action and a variable", call.span, hint)


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


def _word_span(call: Call) -> Span:
    (given,) = call.given.values()
    assert isinstance(given, Expression)
    return expression.part_of(given.text, given.span, given.tree)


def _with_misspelt_actions(
    problems: list[RuleError], rules: Sequence[Rule], choices: frozenset[str]
) -> list[RuleError]:
    """A lone unknown word where a value is wanted is most likely a misspelt action."""
    words = {_word_span(call): call for rule in rules for call in nested(_calls(rule)) if call.word}
    found: list[RuleError] = []
    for problem in problems:
        call = words.get(problem.span) if problem.span else None
        if call is None or call.word is None:
            found.append(problem)
            continue
        hint = f"{suggestion(call.word, choices)} A word is an action or a variable."
        found.append(ExpressionError(f"unknown action or variable '{call.word}'", problem.span, hint))
    return found


def reads_observed(rules: Sequence[Rule], variables: Mapping[str, Variable]) -> bool:
    """Whether rules read what only a run of the model shows: ``auto``, or ``module.observed.…``."""
    parts = [part for rule in rules for part, _ in _expressions(rule)]
    parts += [part for value in variables.values() for part in _parts(value)]
    nodes = (node for part in parts for node in ast.walk(part.tree))
    return any(getattr(node, "id", None) == "auto" or getattr(node, "attr", None) == "observed" for node in nodes)


def names_used(calls: Iterable[Call], variables: Mapping[str, Variable]) -> frozenset[str]:
    """Every name that the arguments use, directly or by way of variables."""
    return _reached({name for call in calls for part, _ in call.expressions() for name in part.names}, variables)


def names_in(value: Variable, variables: Mapping[str, Variable]) -> frozenset[str]:
    """Every name that a variable uses, directly or by way of others."""
    return _reached({name for part in _parts(value) for name in part.names}, variables)


def _reached(fresh: set[str], variables: Mapping[str, Variable]) -> frozenset[str]:
    found: set[str] = set()
    while fresh:
        found |= fresh
        values = [variables[name] for name in fresh if name in variables]
        fresh = {name for value in values for part in _parts(value) for name in part.names} - found
    return frozenset(found)


def _parts(value: Variable) -> tuple[Expression, ...]:
    return value if isinstance(value, tuple) else (value,)
