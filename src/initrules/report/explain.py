"""Why one parameter gets its value: the winner, the losers, the places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from initrules.actions.base import shown
from initrules.decision import Decision, Row
from initrules.errors import printable
from initrules.naming import names_used
from initrules.planning import PlanData
from initrules.report.why import row_of
from initrules.rules import Declaration
from initrules.ruleset import RuleSet

_ORDER = {"set": 0, "parametrize": 1}


def explain_text(plan: PlanData, name: str) -> str:
    """A dozen lines about one parameter. Raises ``ModelError`` when no parameter has that name."""
    return "\n".join(printable(line) for line in _lines(plan, row_of(plan, name)))


def _lines(plan: PlanData, row: Row) -> Iterator[str]:
    parameter = row.parameter
    shape = "×".join(map(str, parameter.shape)) or "scalar"
    kind = "buffer" if parameter.buffer else "frozen parameter" if parameter.frozen else "parameter"
    yield f"{row.path}: {kind}, {shape}, {parameter.dtype}"
    others = [name.path for name in parameter.names[1:]]
    if others:
        more = f" and {len(others) - 6} more" if len(others) > 6 else ""
        yield f"  also named {', '.join(others[:6])}{more}"
    if not row.decisions:
        yield "  no rule claims it: its value stays as it is"
    told: set[str] = set()
    for decision in sorted(row.decisions.values(), key=lambda one: _ORDER.get(one.prop, len(_ORDER))):
        yield from _decision(row, decision)
        if decision.rule not in told:
            yield from _rule(plan.rules, decision)
            told.add(decision.rule)
        yield from _facts(plan.rules, row, decision)
    for finding in plan.findings:
        if row.path in finding.parameters and finding.severity.rank < 2:
            yield f"  {finding.severity.value}: {finding.message}"


def _decision(row: Row, decision: Decision) -> Iterator[str]:
    what = {"set": "starts as ", "parametrize": "wrapped in "}.get(decision.prop, "")
    std = ""
    if decision.prop == "set" and row.moments is not None:
        std = f"   (mean {shown(float(row.moments.mean))}, std {shown(float(row.moments.std))})"
    yield f"  {what}{decision.summary or 'a value that cannot be computed'}{std}"
    lock = ", locked" if decision.lock else ""
    yield f"    by '{decision.rule}'{lock}, {decision.span.place}: {decision.written}"


def _rule(rules: RuleSet, decision: Decision) -> Iterator[str]:
    """What is the same for every property that one rule decides."""
    selector = next((rule.text for rule in rules.rules if rule.name == decision.rule), "")
    yield f"    selects {selector}"
    if decision.why:
        yield f"    why: {decision.why}"
    for name, text in decision.captures.items():
        yield f"    {name} = {text}   from the path"


def _facts(rules: RuleSet, row: Row, decision: Decision) -> Iterator[str]:
    """What the value was computed from, and what it beat."""
    if decision.fans is not None and decision.prop == "set":
        read = row.torch_fans
        other = f"; torch.nn.init would read {read.fan_in} → {read.fan_out}" if read else ""
        yield f"    fans {decision.fans.fan_in} → {decision.fans.fan_out}{other}"
    if decision.prop == "parametrize":
        keys = [key for action in decision.actions if action.name != "keep" for key in action.state_dict_keys(row.path)]
        yield from (f"    its state-dict key becomes {keys[0]}{_and_more(keys)}",) if keys else ()
    for name in sorted(variables_of(rules, decision)):
        value = rules.variables[name]
        first = value[0] if isinstance(value, tuple) else value
        written = str([str(part) for part in value]) if isinstance(value, tuple) else first.text
        yield f"    {name} = {written}   {first.span.place}"
    for loser in decision.losers:
        yield f"    over '{loser.rule}', {loser.span.place}: {loser.written}   because {loser.reason}"


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
