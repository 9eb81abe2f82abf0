"""Why a rule does not decide a parameter, key by key; and all parameters of one module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from initrules.cascade import Claim, RuleClaims
from initrules.decision import Row
from initrules.errors import ModelError, printable, suggestion
from initrules.inventory import Inventory, ParameterName
from initrules.matcher import Matcher
from initrules.planning import PlanData
from initrules.report.explain import MOST_LINES, Line, claims_of, fitted, row_of
from initrules.rules import Rule
from initrules.selector import Selector

# The keys of a rule file and the fields of a selector that hold them, in the order in which they are asked.
_FIELDS = (
    ("type", "type"), ("path", "path"), ("name", "name"), ("parent", "parent"), ("next", "next"), ("inside", "inside"),
    ("not", "excluded"),
)  # fmt: skip
_NESTED = frozenset({"parent", "next", "inside", "not"})


class Answer(NamedTuple):
    """One key of a rule, whether it holds, and what was found; ``depth``: how far inside other keys it stands."""

    key: str
    holds: bool
    found: str
    depth: int = 0


def why_not_text(plan: PlanData, name: str, rule: str) -> str:
    """What each key of a rule says about a parameter, and what became of its claim.

    Raises ``ModelError`` when no parameter, or no rule, has the name.
    """
    row = row_of(plan, name)
    asked = next((one for one in plan.rules.rules if one.name == rule), None)
    if asked is None:
        raise ModelError(f"no rule is named '{rule}'", hint=suggestion(rule, [one.name for one in plan.rules.rules]))
    matcher = Matcher(plan.inventory)
    lines = list(_lines(row, asked, claims_of(plan, asked, matcher), matcher))
    return "\n".join(printable(line.text) for line in fitted(lines))


def module_text(plan: PlanData, path: str) -> str:
    """Every parameter of the module at a path: its value, the rule and the place. Raises ``ModelError``."""
    positions = {i for i, name in enumerate(plan.inventory.names) if name.path == path}
    if not positions:
        raise ModelError(f"no module is at '{path}'", hint=suggestion(path, [n.path for n in plan.inventory.names]))
    found = [(name.local, row) for row in plan.rows for name in row.parameter.names if name.owner in positions]
    module = plan.inventory.module_of(min(positions))
    kind = module.types[0].name if module.types else "module"
    below = 0 if found else sum(1 for row in plan.rows if any(_below(n.path, path) for n in row.parameter.names))
    lines = [f"{path or 'the root'}: {kind}, {_many(len(found), 'parameter')} of its own"]
    if below:
        lines.append(f"  {_many(below, 'parameter')} below it; name one of the modules in it")
    most = MOST_LINES - 1 if len(found) < MOST_LINES else MOST_LINES - 2
    lines += [f"  {local}: {_told(row)}" for local, row in found[:most]]
    if len(found) > most:
        lines.append(f"  and {len(found) - most} more")
    return "\n".join(map(printable, lines))


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _below(name: str, path: str) -> bool:
    return name.startswith(f"{path}.") or not path


def _told(row: Row) -> str:
    if row.value is None:
        return "frozen, no rule asks for it" if row.parameter.frozen else "no rule claims it"
    losers = dict.fromkeys(loser.rule for loser in row.value.losers)
    over = f"   over {', '.join(losers)}" if losers else ""
    more = "".join(f", {decision.summary}" for prop, decision in row.decisions.items() if prop != "set")
    return f"{row.value.summary}{more}   by '{row.value.rule}', {row.value.span.place}{over}"


def _lines(row: Row, rule: Rule, claims: RuleClaims, matcher: Matcher) -> Iterator[Line]:
    position = next(at for at, one in enumerate(matcher.inventory.parameters) if one.path == row.path)
    mine = [claim for claim in claims.claims if claim.parameter == position]
    if mine:
        yield from _outcome(row, rule, mine)
        return
    yield Line(f"{row.path}: rule '{rule.name}' does not claim it")
    name, answers = _nearest(row, rule, matcher)
    if name.path != row.path:
        yield Line(f"  as {name.path}")
    answers += _beyond(row, rule, position, claims)
    width = max(len(answer.key) + 2 * answer.depth for answer in answers)
    for answer in answers:
        verdict = "met    " if answer.holds else "NOT MET"
        key = f"{'  ' * answer.depth}{answer.key}"
        yield Line(f"  {verdict} {key:<{width}}  {answer.found}", int(answer.holds) + answer.depth)


def _outcome(row: Row, rule: Rule, mine: Sequence[Claim]) -> Iterator[Line]:
    """What became of each claim."""
    ends = [(claim.declaration.prop, _end(row, rule, claim)) for claim in mine]
    if len(ends) == 1:
        yield Line(f"{row.path}: rule '{rule.name}' {ends[0][1]}")
        return
    yield Line(f"{row.path}: rule '{rule.name}' claims it")
    for prop, end in ends:
        yield Line(f"  {prop}: {end}")


def _end(row: Row, rule: Rule, claim: Claim) -> str:
    decision = row.decisions.get(claim.declaration.prop)
    if decision is not None and decision.rule == rule.name:
        return f"decides it, {decision.span.place}"
    losers = decision.losers if decision is not None else ()
    lost = next((loser for loser in losers if loser.rule == rule.name), None)
    if decision is None or lost is None:  # a load that nothing stands behind
        return f"claims it, {claim.declaration.span.place}, and the checkpoint has nothing that fits"
    return f"claims it and loses to '{decision.rule}', {decision.span.place}: {lost.reason}"


def _nearest(row: Row, rule: Rule, matcher: Matcher) -> tuple[ParameterName, list[Answer]]:
    """The name and the selector of which most keys hold."""
    tries = [
        (name, list(_answers(selector, name.owner, matcher)))
        for name in row.parameter.names
        for selector in rule.select
    ]
    return max(tries, key=lambda one: _share(one[1]))


def _share(answers: Sequence[Answer]) -> float:
    own = [answer.holds for answer in answers if answer.depth == answers[0].depth]
    return sum(own) / max(1, len(own))


def _answers(selector: Selector, owner: int, matcher: Matcher, depth: int = 0) -> Iterator[Answer]:
    """Each key of a selector, asked of one module alone; below a nested one that does not hold, its own keys."""
    for key, field in _FIELDS:
        if not getattr(selector, field):
            continue
        alone = replace(Selector(), **{field: getattr(selector, field)})
        holds = owner in matcher.meetings((alone,))
        yield Answer(f"{key}: {_written(selector, field)}", holds, _found(key, owner, matcher), depth)
        if key in _NESTED and not holds:
            yield from _inner(key, getattr(selector, field), owner, matcher, depth + 1)
    if selector.pick:
        unpicked = matcher.meetings((replace(selector, pick=()),))
        if owner in unpicked:
            holds = owner in matcher.meetings((selector,))
            picks = ", ".join(map(str, selector.pick))
            yield Answer(f"pick: {picks}", holds, _rank(selector, owner, matcher), depth)


def _inner(key: str, nested: Sequence[Selector], owner: int, matcher: Matcher, depth: int) -> Iterator[Answer]:
    """The keys of the nested selector that comes nearest to holding, asked of the relative that does."""
    inventory = matcher.inventory
    name = inventory.names[owner]
    direct: dict[str, list[int | None]] = {"parent": [name.parent], "next": [name.next], "not": [owner]}
    where = direct.get(key, [*reversed(_chain(inventory, owner))])
    tries = [
        list(_answers(one, at, matcher, depth)) for at in where if at is not None for one in nested if _several(one)
    ]
    if tries:
        yield from max(tries, key=_share)


def _several(selector: Selector) -> bool:
    """Whether a selector has more than one key, so that it is worth going through them."""
    return sum(bool(getattr(selector, field)) for _, field in _FIELDS) + bool(selector.pick) > 1


def _written(selector: Selector, field: str) -> str:
    values = getattr(selector, field)
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _found(key: str, owner: int, matcher: Matcher) -> str:
    inventory = matcher.inventory
    name = inventory.names[owner]
    match key:
        case "type":
            return " < ".join(kind.name for kind in inventory.module_of(owner).types) or "Module"
        case "path":
            return name.path or "the root"
        case "name":
            return name.segment or "the root has no name"
        case "parent":
            return _module(inventory, name.parent, "the root has no parent")
        case "next":
            return _module(inventory, name.next, "nothing follows")
        case "inside":
            return " in ".join(_module(inventory, at, "") for at in reversed(_chain(inventory, owner)))
        case _:
            return _module(inventory, owner, "")


def _module(inventory: Inventory, at: int | None, otherwise: str) -> str:
    if at is None:
        return otherwise
    kinds = inventory.module_of(at).types
    return f"{inventory.names[at].path or 'the root'} ({kinds[0].name if kinds else 'Module'})"


def _chain(inventory: Inventory, owner: int) -> list[int]:
    """The ancestors of a module and the module itself, the outermost first."""
    found, at = [owner], inventory.names[owner].parent
    while at is not None:
        found.append(at)
        at = inventory.names[at].parent
    return found[::-1]


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
    fitting = [d for d in rule.declarations for local in locals_ if d.key.match(local) is not None]
    named = any(declaration.key.literal or not row.parameter.buffer for declaration in fitting)
    only_literal = "; a buffer is claimed by its own name only" if fitting and not named else ""
    found = [Answer(f"keys: {keys}", named, f"{locals_[0]}{only_literal}")]
    if position in claims.excluded:
        found.append(Answer("not", holds=False, found="met under another name of the same tensor"))
    if row.parameter.frozen:
        found.append(Answer("frozen: true", position not in claims.frozen, "requires_grad is False"))
    if position in claims.untrue:
        conditions = [condition.text for selector in rule.select for condition in selector.where]
        found.append(Answer(f"where: {', '.join(conditions)}", holds=False, found="false for it"))
    return found
