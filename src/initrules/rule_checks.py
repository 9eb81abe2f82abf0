"""Findings about rules: what claims nothing, is dead, unmet, contradictory or contested.

Each finding has a stable code, a place and a way out; see ``docs/findings.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.cascade import Claim, Contest, RuleClaims, Tier, tier_of
from initrules.errors import EvaluationError, Finding, Severity, nearest, suggestion
from initrules.evaluation import evaluate
from initrules.findings import listed
from initrules.inventory import Inventory
from initrules.matcher import Matcher
from initrules.near import way_to_meet
from initrules.rules import Rule
from initrules.ruleset import RuleSet
from initrules.scope import Scopes


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the checks look at."""

    rules: RuleSet
    inventory: Inventory
    matcher: Matcher
    scopes: Scopes
    claims: tuple[RuleClaims, ...]
    contests: tuple[Contest, ...]
    evaluated: Callable[[Claim], tuple[Any, ...]]

    def paths(self, parameters: Sequence[int]) -> tuple[str, ...]:
        """The canonical names of some parameters."""
        return tuple(self.inventory.parameters[p].path for p in parameters)


def rule_findings(evidence: Evidence) -> Iterator[Finding]:
    """Findings about rules: claims, losses, keys, counts."""
    for order, group in enumerate(evidence.claims):
        yield from group.findings
        yield from _claims_nothing(evidence, group)
        yield from _unmet_keys(evidence, group)
        yield from _dead(evidence, order, group)
        yield from _decides(evidence, order, group)
    yield from _locks_that_disagree(evidence)
    yield from _alias_disagreements(evidence)
    yield from _contested(evidence)
    yield from _frozen(evidence)


def _claims_nothing(evidence: Evidence, group: RuleClaims) -> Iterator[Finding]:
    rule = group.rule
    if group.claims or group.frozen or rule.optional or group.findings:
        return
    if group.modules:
        keys = ", ".join(f"'{d.key}'" for d in rule.declarations)
        message = (
            f"the rule '{rule.name}' claims nothing: its selector meets {_modules(group.modules)}, none with {keys}"
        )
        if any(one.where for one in rule.select):
            message = f"the rule '{rule.name}' claims nothing: 'where' is false for all of {_modules(group.modules)}"
        hint = _nearest_key(evidence, group)
    else:
        message = f"the rule '{rule.name}' claims nothing: no module meets {rule.text}"
        hint = way_to_meet(evidence.matcher, rule.select)
    yield Finding(
        "claims-nothing",
        Severity.ERROR,
        message,
        rule.span,
        f"{hint} If that is right for some models, add 'optional: true'.".lstrip(),
        rule.name,
    )


def _modules(count: int) -> str:
    return f"{count} module{'s' * (count != 1)}"


def _nearest_key(evidence: Evidence, group: RuleClaims) -> str:
    names = evidence.matcher.meetings(group.rule.select)
    locals_ = {local for name in names for local, _ in evidence.matcher.owned(name)}
    if not locals_:
        return "These modules own no parameters; select the layers inside them."
    return suggestion(group.rule.declarations[0].key.text, locals_)


def _unmet_keys(evidence: Evidence, group: RuleClaims) -> Iterator[Finding]:
    if not group.claims:
        return
    names = evidence.matcher.meetings(group.rule.select)
    locals_ = {local for name in names for local, _ in evidence.matcher.owned(name)}
    for declaration in group.unmet:
        near = nearest(declaration.key.text, locals_, cutoff=0.8) if declaration.key.literal else None
        severity = Severity.WARNING if near else Severity.INFO
        hint = f"Did you mean '{near}'?" if near else None
        yield Finding(
            "unmet-key",
            severity,
            f"the key '{declaration.key}' of rule '{group.rule.name}' meets no parameter",
            declaration.key.span,
            hint,
            group.rule.name,
        )


def _dead(evidence: Evidence, order: int, group: RuleClaims) -> Iterator[Finding]:
    """A rule that claims and loses everything."""
    if not group.claims or any(contest.winner.order == order for contest in evidence.contests):
        return
    rule = group.rule
    takers: dict[str, Rule] = {}
    for contest in evidence.contests:
        if any(claim.order == order for claim in contest.claims):
            takers[contest.winner.rule.name] = contest.winner.rule
    names = " and ".join(f"'{name}' ({taker.span.place})" for name, taker in takers.items())
    count = len({claim.parameter for claim in group.claims})
    message = (
        f"the rule '{rule.name}' decides nothing: {names} take{'s' * (len(takers) == 1)} all {count} that it claims"
    )
    own_file = all(taker.span.file == rule.span.file for taker in takers.values())
    if rule.default:
        yield Finding("dead-default", Severity.INFO, message, rule.span, None, rule.name)
    elif own_file:
        hint = f"Move it below {'them' if len(takers) > 1 else 'that rule'}, or delete it."
        yield Finding("dead-rule", Severity.ERROR, message, rule.span, hint, rule.name)
    else:
        hint = f"If that is meant, write 'remove: [{rule.name}]' in the overlay."
        yield Finding("overridden-rule", Severity.WARNING, message, rule.span, hint, rule.name)


def _decides(evidence: Evidence, order: int, group: RuleClaims) -> Iterator[Finding]:
    rule = group.rule
    if rule.decides is None:
        return
    try:
        wanted = evaluate(rule.decides, evidence.scopes.of_model())
    except EvaluationError as error:
        yield Finding("decides", Severity.ERROR, error.message, error.span, error.hint, rule.name)
        return
    won = won_parameters(evidence, order, rule)
    if len(won) == wanted or (rule.optional and not won):
        return
    hint = f"It wins {listed(evidence.paths(won))}." if won else None
    message = f"the rule '{rule.name}' must decide {expression_value(wanted)} parameters and decides {len(won)}"
    yield Finding("decides", Severity.ERROR, message, rule.decides.span, hint, rule.name, evidence.paths(won))


def expression_value(value: object) -> str:
    """A number without a needless fraction."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def won_parameters(evidence: Evidence, order: int, rule: Rule) -> list[int]:
    """The parameters a rule decides: in ``set`` if it has that block, else in any block."""
    sets = any(declaration.prop == "set" for declaration in rule.declarations)
    return sorted({c.parameter for c in evidence.contests if c.winner.order == order and (not sets or c.prop == "set")})


def _locks_that_disagree(evidence: Evidence) -> Iterator[Finding]:
    for contest in evidence.contests:
        locked = [claim for claim in contest.claims if claim.rule.lock]
        for other in locked[1:]:
            if not _differ(evidence, locked[0], other):
                continue
            path = evidence.inventory.parameters[contest.parameter].path
            message = (
                f"the locked rules '{other.rule.name}' and '{locked[0].rule.name}' disagree about '{path}': "
                f"{other.declaration.text} against {locked[0].declaration.text}"
            )
            hint = f"The other stands at {other.declaration.span.place}; unlock one, or make their selectors disjoint."
            yield Finding(
                "locks-disagree",
                Severity.ERROR,
                message,
                locked[0].declaration.span,
                hint,
                locked[0].rule.name,
                (path,),
            )


def _differ(evidence: Evidence, one: Claim, other: Claim) -> bool:
    try:
        return evidence.evaluated(one) != evidence.evaluated(other)
    except EvaluationError:
        return one.declaration.text != other.declaration.text


def _alias_disagreements(evidence: Evidence) -> Iterator[Finding]:
    """Rules that meet one tensor by different names only, and want different values."""
    seen: set[tuple[int, int, str]] = set()
    for contest in evidence.contests:
        if len(evidence.inventory.parameters[contest.parameter].names) == 1:
            continue
        winner = contest.winner
        for loser in contest.claims[1:]:
            key = (winner.order, loser.order, contest.prop)
            apart = not set(winner.names) & set(loser.names)
            both_locked = winner.rule.lock and loser.rule.lock
            if key in seen or not apart or both_locked or not _differ(evidence, winner, loser):
                continue
            if loser.rule.default:
                continue  # a default is weaker on purpose
            seen.add(key)
            yield _alias_finding(winner, loser)


def _alias_finding(winner: Claim, loser: Claim) -> Finding:
    return Finding(
        "alias-disagreement",
        Severity.WARNING,
        f"the rules '{loser.rule.name}' and '{winner.rule.name}' meet one tensor by different names, "
        f"'{loser.names[0]}' and '{winner.names[0]}', and want different values; '{winner.rule.name}' wins",
        winner.declaration.span,
        f"Exclude one name with 'not', or lock the rule that is meant: '{loser.rule.name}' or '{winner.rule.name}'.",
        winner.rule.name,
        (winner.names[0].path,),
    )


def _contested(evidence: Evidence) -> Iterator[Finding]:
    """Rules of one tier that overlap: which takes how many from which."""
    overlaps: dict[tuple[int, int], tuple[Claim, Claim, set[int]]] = {}
    for contest in evidence.contests:
        winner = contest.winner
        for loser in contest.claims[1:]:
            if tier_of(loser.rule) is tier_of(winner.rule) is Tier.RULE:
                entry = overlaps.setdefault((winner.order, loser.order), (winner, loser, set()))
                entry[2].add(contest.parameter)
    for winner, loser, parameters in overlaps.values():
        paths = evidence.paths(sorted(parameters))
        message = f"'{winner.rule.name}' takes {listed(paths)} from '{loser.rule.name}'"
        yield Finding("contested", Severity.INFO, message, winner.rule.span, None, winner.rule.name, paths)


def _frozen(evidence: Evidence) -> Iterator[Finding]:
    passed = sorted({parameter for group in evidence.claims for parameter in group.frozen})
    claimed = {contest.parameter for contest in evidence.contests}
    passed = [parameter for parameter in passed if parameter not in claimed]
    if passed:
        paths = evidence.paths(passed)
        message = f"{len(paths)} frozen parameter{'s' * (len(paths) != 1)} passed over: {listed(paths)}"
        hint = "A selector with 'frozen: true' claims parameters with requires_grad=False too."
        yield Finding("frozen", Severity.INFO, message, None, hint, None, paths)
