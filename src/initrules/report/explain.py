"""Why one parameter gets its value: the winner, the losers, the places, in a dozen lines or fewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from initrules.actions.base import shown
from initrules.cascade import RuleClaims, claim_all
from initrules.decision import Decision, Row
from initrules.errors import ModelError, printable, suggestion
from initrules.evaluation import Scope
from initrules.matcher import Matcher
from initrules.naming import names_used
from initrules.planning import PlanData
from initrules.report.variables import evaluated, origin, written
from initrules.rules import Declaration, Rule
from initrules.ruleset import RuleSet
from initrules.scope import Scopes

MOST_LINES = 12
_ORDER = {"set": 0, "parametrize": 1}
# What goes first where a dozen lines are not enough; 0 always stays.
_VALUE, _LOSER, _VARIABLE, _RULE, _FACT = 0, 1, 2, 3, 4


class Line(NamedTuple):
    """One line; ``weight``: how early it is left out; ``struck``: whether it is about a claim that lost."""

    text: str
    weight: int = _VALUE
    struck: bool = False


def explain_text(plan: PlanData, name: str, *, whole: bool = False) -> str:
    """A dozen lines about one parameter, or all with ``whole``.

    Raises ``ModelError`` when no parameter has that name.
    """
    return "\n".join(line.text for line in explain_lines(plan, name, whole=whole))


def explain_view(plan: PlanData, name: str, *, whole: bool = False) -> Text:
    """The same for a terminal: what lost is struck out."""
    lines = explain_lines(plan, name, whole=whole)
    styles = ("bold", *("strike dim" if line.struck else "" for line in lines[1:]))
    return Text("\n").join(Text(line.text, style) for line, style in zip(lines, styles, strict=True))


def explain_lines(plan: PlanData, name: str, *, whole: bool = False) -> list[Line]:
    """The lines with what they are about. Raises ``ModelError`` when no parameter has that name."""
    row = row_of(plan, name)
    lines = [line._replace(text=printable(line.text)) for line in _lines(plan, row)]
    return lines if whole else fitted(lines)


def fitted(lines: Sequence[Line]) -> list[Line]:
    """At most a dozen lines: the heaviest are left out first, the last of them before the others, and counted."""
    kept = dict(enumerate(lines))
    if len(lines) > MOST_LINES:
        by_weight = sorted(kept, key=lambda at: (lines[at].weight, at))
        kept = {at: lines[at] for at in sorted(by_weight[: MOST_LINES - 1])}
    left = len(lines) - len(kept)
    return [*kept.values(), *([Line(f"  {left} more lines with --all")] if left else [])]


def row_of(plan: PlanData, name: str) -> Row:
    """The row of a parameter by any of its names. Raises ``ModelError`` with the nearest name."""
    row = plan.row(name)
    if row is None:
        names = [n.path for one in plan.rows for n in one.parameter.names]
        raise ModelError(f"no parameter is named '{name}'", hint=suggestion(name, names[:20_000]))
    return row


def _lines(plan: PlanData, row: Row) -> Iterator[Line]:
    parameter = row.parameter
    shape = "×".join(map(str, parameter.shape)) or "scalar"
    kind = "buffer" if parameter.buffer else "frozen parameter" if parameter.frozen else "parameter"
    yield Line(f"{row.path}: {kind}, {shape}, {parameter.dtype}")
    others = [name.path for name in parameter.names[1:]]
    if others:
        more = f" and {len(others) - 6} more" if len(others) > 6 else ""
        yield Line(f"  also named {', '.join(others[:6])}{more}", _RULE)
    if not row.decisions:
        yield Line("  no rule claims it: its value stays as it is")
    told: set[str] = set()
    for decision in sorted(row.decisions.values(), key=lambda one: _ORDER.get(one.prop, len(_ORDER))):
        yield from _decision(row, decision, told)
        if decision.rule not in told:
            yield from _rule(plan.rules, decision)
        yield from _facts(row, decision)
        yield from _variables(plan, row, decision, told)
        yield from _losers(decision)
        told.add(decision.rule)
    for finding in plan.findings:
        if row.path in finding.parameters and finding.severity.rank < 2:
            yield Line(f"  {finding.severity.value}: {finding.message}")


def _decision(row: Row, decision: Decision, told: set[str]) -> Iterator[Line]:
    value = decision.summary or "a value that cannot be computed"
    lock = ", locked" if decision.lock else ""
    by = f"by '{decision.rule}'{lock}, {decision.span.place}: {decision.written}"
    if decision.prop not in _ORDER and decision.rule in told:
        yield Line(f"  {value}   {by}")
        return
    what = {"set": "starts as ", "parametrize": "wrapped in "}.get(decision.prop, "")
    std = ""
    if decision.prop == "set" and row.moments is not None:
        std = f"   (mean {shown(float(row.moments.mean))}, std {shown(float(row.moments.std))})"
    yield Line(f"  {what}{value}{std}")
    yield Line(f"    {by}")


def _rule(rules: RuleSet, decision: Decision) -> Iterator[Line]:
    """What is the same for every property that one rule decides."""
    selector = next((rule.text for rule in rules.rules if rule.name == decision.rule), None)
    if selector is not None:
        yield Line(f"    selects {selector}", _RULE)
    if decision.why:
        yield Line(f"    why: {decision.why}", _RULE)
    for name, text in decision.captures.items():
        yield Line(f"    {name} = {text}   from the path", _VARIABLE)


def _facts(row: Row, decision: Decision) -> Iterator[Line]:
    """What the value was computed from, and what it changes beside the value."""
    if decision.fans is not None and decision.prop == "set":
        read = row.torch_fans
        other = f"; torch.nn.init would read {read.fan_in} → {read.fan_out}" if read else ""
        yield Line(f"    fans {decision.fans.fan_in} → {decision.fans.fan_out}{other}", _FACT)
    if decision.prop == "parametrize":
        keys = [key for action in decision.actions if action.name != "keep" for key in action.state_dict_keys(row.path)]
        if keys:
            yield Line(f"    its state-dict key becomes {keys[0]}{_and_more(keys)}", _FACT)


def _variables(plan: PlanData, row: Row, decision: Decision, told: set[str]) -> Iterator[Line]:
    """Each variable as written, what it comes to for this parameter, and the place it came from."""
    names = sorted(variables_of(plan.rules, decision))
    scope = _scope(plan, row, decision.rule) if names else None
    for name in names:
        if f"={name}" in told:
            continue
        told.add(f"={name}")
        value = plan.rules.variables[name]
        text, found = written(value), evaluated(value, scope) if scope else None
        comes_to = "" if found in {None, text} else f" = {found}"
        yield Line(f"    {name} = {text}{comes_to}   {origin(value, plan.rules.files)}".rstrip(), _VARIABLE)


def _losers(decision: Decision) -> Iterator[Line]:
    for loser in decision.losers:
        text = f"    over '{loser.rule}', {loser.span.place}: {loser.written}   because {loser.reason}"
        yield Line(text, _LOSER, struck=True)


def _scope(plan: PlanData, row: Row, rule: str) -> Scope | None:
    """What names mean for a parameter in a rule that claims it."""
    asked = next(one for one in plan.rules.rules if one.name == rule)
    matcher = Matcher(plan.inventory)
    scopes = scopes_of(plan, matcher)
    for claim in claims_of(plan, asked, matcher).claims:
        parameter = matcher.inventory.parameters[claim.parameter]
        if parameter.path == row.path:
            return scopes.of_parameter(parameter, claim.names[0], claim.meeting)[0]
    return None


def scopes_of(plan: PlanData, matcher: Matcher) -> Scopes:
    """What names mean in a plan's rules."""
    return Scopes(matcher, plan.rules.variables, as_torch=plan.rules.stream == "global")


def claims_of(plan: PlanData, rule: Rule, matcher: Matcher) -> RuleClaims:
    """All that one rule of a plan claims, computed again."""
    (found,) = claim_all((rule,), matcher, scopes_of(plan, matcher))
    return found


def _and_more(keys: Sequence[str]) -> str:
    return "" if len(keys) == 1 else f", with {' and '.join(key.rpartition('.')[2] for key in keys[1:])} beside it"


def variables_of(rules: RuleSet, decision: Decision) -> frozenset[str]:
    """Every variable that the winner's value uses, directly or by way of others."""
    calls = [call for declaration in _declarations(rules, decision) for call in declaration.calls]
    return names_used(calls, rules.variables) & rules.variables.keys()


def _declarations(rules: RuleSet, decision: Decision) -> Iterator[Declaration]:
    for rule in rules.rules:
        if rule.name == decision.rule:
            yield from (d for d in rule.declarations if d.span == decision.span and d.prop == decision.prop)
