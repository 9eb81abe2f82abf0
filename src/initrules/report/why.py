"""Why a rule does not decide a parameter, key by key; and all parameters of one module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from initrules.cascade import Claim, RuleClaims, claim_all
from initrules.decision import Row
from initrules.errors import ModelError, printable, suggestion
from initrules.inventory import Inventory, ParameterName
from initrules.matcher import Matcher
from initrules.planning import PlanData
from initrules.rules import Rule
from initrules.scope import Scopes
from initrules.selector import Selector

# The keys of a rule file and the fields of a selector that hold them, in the order in which they are asked.
_FIELDS = (
    ("type", "type"), ("path", "path"), ("name", "name"), ("parent", "parent"), ("next", "next"), ("inside", "inside"),
    ("not", "excluded"),
)  # fmt: skip
_MOST = 11  # lines


class Answer(NamedTuple):
    """One key of a rule, whether it holds, and what was found."""

    key: str
    holds: bool
    found: str


def why_not_text(plan: PlanData, name: str, rule: str) -> str:
    """What each key of a rule says about a parameter, and what became of its claim.

    Raises ``ModelError`` when no parameter, or no rule, has the name.
    """
    row = row_of(plan, name)
    asked = next((one for one in plan.rules.rules if one.name == rule), None)
    if asked is None:
        raise ModelError(f"no rule is named '{rule}'", hint=suggestion(rule, [one.name for one in plan.rules.rules]))
    matcher = Matcher(plan.inventory)
    claims = claim_all((asked,), matcher, Scopes(matcher, plan.rules.variables, as_torch=plan.rules.stream == "global"))
    return "\n".join(printable(line) for line in _lines(row, asked, claims[0], matcher))


def module_text(plan: PlanData, path: str) -> str:
    """Every parameter of the module at a path: its value, the rule and the place. Raises ``ModelError``."""
    positions = {i for i, name in enumerate(plan.inventory.names) if name.path == path}
    if not positions:
        raise ModelError(f"no module is at '{path}'", hint=suggestion(path, [n.path for n in plan.inventory.names]))
    found = [
        (name.local, row)
        for row in plan.rows
        for name in row.parameter.names
        if name.owner in positions
    ]  # fmt: skip
    module = plan.inventory.module_of(min(positions))
    kind = module.types[0].name if module.types else "module"
    lines = [f"{path or 'the root'}: {kind}, {len(found)} parameter{'s' * (len(found) != 1)} of its own"]
    for local, row in found[:_MOST]:
        value = row.value
        told = f"{value.summary}   by '{value.rule}', {value.span.place}" if value else "no rule claims it"
        lines.append(f"  {local}: {told}{_over(row)}")
    if len(found) > _MOST:
        lines.append(f"  and {len(found) - _MOST} more")
    return "\n".join(map(printable, lines))


def _over(row: Row) -> str:
    losers = dict.fromkeys(loser.rule for loser in row.value.losers) if row.value else {}
    return f"   over {', '.join(losers)}" if losers else ""


def row_of(plan: PlanData, name: str) -> Row:
    """The row of a parameter by any of its names. Raises ``ModelError`` with the nearest name."""
    row = plan.row(name)
    if row is None:
        names = [n.path for one in plan.rows for n in one.parameter.names]
        raise ModelError(f"no parameter is named '{name}'", hint=suggestion(name, names[:20_000]))
    return row


def _lines(row: Row, rule: Rule, claims: RuleClaims, matcher: Matcher) -> Iterator[str]:
    position = matcher.inventory.parameters.index(row.parameter)
    mine = [claim for claim in claims.claims if claim.parameter == position]
    yield f"{row.path}: rule '{rule.name}' {_outcome(row, rule, mine)}"
    if mine:
        return
    name, answers = _nearest(row, rule, matcher)
    if name.path != row.path:
        yield f"  as {name.path}"
    answers += _beyond(row, rule, position, claims)
    width = max(len(answer.key) for answer in answers)
    for answer in answers[:_MOST]:
        yield f"  {'met    ' if answer.holds else 'NOT MET'} {answer.key:<{width}}  {answer.found}"


def _outcome(row: Row, rule: Rule, mine: list[Claim]) -> str:
    if not mine:
        return "does not claim it"
    for decision in row.decisions.values():
        lost = next((loser for loser in decision.losers if loser.rule == rule.name), None)
        if lost is not None:
            return f"claims it and loses to '{decision.rule}', {decision.span.place}: {lost.reason}"
    return f"decides it, {mine[0].declaration.span.place}"


def _nearest(row: Row, rule: Rule, matcher: Matcher) -> tuple[ParameterName, list[Answer]]:
    """The name and the selector of which most keys hold."""
    tries = [
        (name, list(_answers(selector, name.owner, matcher)))
        for name in row.parameter.names
        for selector in rule.select
    ]
    return max(tries, key=lambda one: sum(answer.holds for answer in one[1]) / max(1, len(one[1])))


def _answers(selector: Selector, owner: int, matcher: Matcher) -> Iterator[Answer]:
    for key, field in _FIELDS:
        if getattr(selector, field):
            alone = replace(Selector(), **{field: getattr(selector, field)})
            yield Answer(
                f"{key}: {_written(selector, field)}", owner in matcher.meetings((alone,)), _found(key, owner, matcher)
            )
    if selector.pick:
        unpicked = matcher.meetings((replace(selector, pick=()),))
        if owner in unpicked:
            holds = owner in matcher.meetings((selector,))
            yield Answer(f"pick: {', '.join(map(str, selector.pick))}", holds, _rank(selector, owner, matcher))


def _written(selector: Selector, field: str) -> str:
    values = getattr(selector, field)
    texts = [getattr(value, "text", None) or str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _found(key: str, owner: int, matcher: Matcher) -> str:
    inventory = matcher.inventory
    name = inventory.names[owner]
    match key:
        case "type":
            return " < ".join(kind.name for kind in inventory.module_of(owner).types)
        case "path":
            return name.path or "the root"
        case "name":
            return name.segment or "the root has no name"
        case "parent":
            return _module(inventory, name.parent, "the root has no parent")
        case "next":
            return _module(inventory, name.next, "nothing follows")
        case "inside":
            return " in ".join(reversed([_module(inventory, at, "") for at in _chain(inventory, owner)]))
        case _:
            return _module(inventory, owner, "")


def _module(inventory: Inventory, at: int | None, otherwise: str) -> str:
    if at is None:
        return otherwise
    kinds = inventory.module_of(at).types
    return f"{inventory.names[at].path or 'the root'} ({kinds[0].name if kinds else 'module'})"


def _chain(inventory: Inventory, owner: int) -> list[int]:
    """The module and its ancestors, the outermost first."""
    found, at = [], inventory.names[owner].parent
    while at is not None:
        found.append(at)
        at = inventory.names[at].parent
    return [*reversed(found), owner]


def _rank(selector: Selector, owner: int, matcher: Matcher) -> str:
    found = matcher.meetings((replace(selector, pick=()),))
    group = found[owner].inside if selector.inside else matcher.inventory.names[owner].parent
    members = [
        position
        for position, meeting in found.items()
        if (meeting.inside if selector.inside else matcher.inventory.names[position].parent) == group
    ]
    return f"{members.index(owner) + 1} of {len(members)} in {_module(matcher.inventory, group, 'the model')}"


def _beyond(row: Row, rule: Rule, position: int, claims: RuleClaims) -> list[Answer]:
    """What stands between a selector that is met and a claim."""
    locals_ = [name.local for name in row.parameter.names]
    keys = ", ".join(dict.fromkeys(str(declaration.key) for declaration in rule.declarations))
    named = any(
        declaration.key.match(local) is not None and (declaration.key.literal or not row.parameter.buffer)
        for declaration in rule.declarations
        for local in locals_
    )
    found = [Answer(f"keys: {keys}", named, locals_[0])]
    if position in claims.excluded:
        found.append(Answer("not", holds=False, found="met under another name of the same tensor"))
    if row.parameter.frozen:
        found.append(Answer("frozen", position not in claims.frozen, "requires_grad is False"))
    if position in claims.untrue:
        conditions = [condition.text for selector in rule.select for condition in selector.where]
        found.append(Answer(f"where: {', '.join(conditions)}", holds=False, found="false for it"))
    return found
