"""Findings about a rule file alone, without a model."""

from __future__ import annotations

from collections.abc import Iterator

from initrules.actions.table import BUILTIN
from initrules.calls import nested
from initrules.errors import Finding, Severity
from initrules.expression import Expression
from initrules.rules import Rule, Variable
from initrules.ruleset import RuleSet
from initrules.source import Span


def file_findings(rules: RuleSet) -> Iterator[Finding]:
    """Variables and sources that nothing uses, variables that a capture hides, other spellings."""
    used = {name for part in _expressions(rules) for name in part.names}
    for name, value in rules.variables.items():
        if name not in used:
            yield Finding("unused-variable", Severity.INFO, f"nothing uses the variable '{name}'", _span(value),
                          "Remove it, or check its spelling where it was meant to be used.")  # fmt: skip
    calls = nested(call for rule in rules.rules for declaration in rule.declarations for call in declaration.calls)
    read = {call.given.get("source") for call in calls if call.action.name == "load"}
    for name, source in rules.sources.items():
        if name not in read:
            yield Finding("unused-source", Severity.INFO, f"no rule loads from the source '{name}'", source.span,
                          "Remove it, or check its spelling in 'load'.")  # fmt: skip
    for rule in rules.rules:
        for name in sorted(rule.captures & rules.variables.keys()):
            yield Finding(
                "shadowed-variable", Severity.WARNING, f"in the rule '{rule.name}' the capture '<{name}>' hides the "
                "variable of that name", rule.select[0].span, "Rename one of them.", rule.name,
            )  # fmt: skip

    yield from _spellings(rules)


def _spellings(rules: RuleSet) -> Iterator[Finding]:
    """Actions under another name than the one that plans print."""
    for rule in rules.rules:
        calls = nested(call for declaration in rule.declarations for call in declaration.calls)
        for call in calls:
            written = call.text.removeprefix("{").partition(":")[0]
            if written != call.action.name and BUILTIN.aliases.get(written) == call.action.name:
                message = f"'{written}' is '{call.action.name}' by another name"
                hint = f"Plans print '{call.action.name}'."
                yield Finding("spelling", Severity.INFO, message, call.span, hint, rule.name)


def _span(value: Variable) -> Span | None:
    if isinstance(value, tuple):
        return value[0].span if value else None
    return value.span


def _expressions(rules: RuleSet) -> Iterator[Expression]:
    for value in rules.variables.values():
        yield from value if isinstance(value, tuple) else (value,)
    for rule in rules.rules:
        yield from _of_rule(rule)
    for one in rules.expect:
        for value in one.values.values():
            yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Expression))


def _of_rule(rule: Rule) -> Iterator[Expression]:
    if rule.decides is not None:
        yield rule.decides
    for selector in rule.select:
        yield from selector.where
    for declaration in rule.declarations:
        for call in declaration.calls:
            yield from (part for part, _ in call.expressions())
