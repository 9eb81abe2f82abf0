"""Findings about rules: what claims nothing, is dead, unmet, contradictory or contested.

Each finding has a stable code, a place and a way out; see ``docs/findings.md``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.cascade import Claim, Contest, RuleClaims, Tier, tier_of
from initrules.errors import EvaluationError, Finding, Severity, suggestion
from initrules.evaluation import evaluate
from initrules.findings import Gathered, error, listed
from initrules.inventory import Inventory
from initrules.matcher import Matcher
from initrules.near import one_edit_away, strays, way_to_meet
from initrules.rules import Declaration, Rule
from initrules.scope import Scopes


@dataclass(frozen=True)
class Evidence:
    """What the checks look at."""

    inventory: Inventory
    matcher: Matcher
    scopes: Scopes
    claims: tuple[RuleClaims, ...]
    contests: tuple[Contest, ...]
    evaluated: Callable[[Claim], tuple[Any, ...]]
    variables: Collection[str] = ()

    @functools.cached_property
    def won(self) -> Mapping[int, Sequence[Contest]]:
        """The contests that each rule wins, by its order."""
        found: dict[int, list[Contest]] = {}
        for contest in self.contests:
            found.setdefault(contest.winner.order, []).append(contest)
        return found

    @functools.cached_property
    def claimed(self) -> Mapping[int, Sequence[Contest]]:
        """The contests that each rule takes part in, by its order."""
        found: dict[int, list[Contest]] = {}
        for contest in self.contests:
            for order in dict.fromkeys(claim.order for claim in contest.claims):
                found.setdefault(order, []).append(contest)
        return found

    def paths(self, parameters: Iterable[int]) -> Sequence[str]:
        """The canonical names of all parameters for which some stand."""
        return self.matcher.kinds.paths(parameters)


def rule_findings(evidence: Evidence) -> Iterator[Finding]:
    """Findings about rules: claims, losses, keys, counts."""
    for order, group in enumerate(evidence.claims):
        yield from group.findings
        yield from _claims_nothing(evidence, group)
        yield from _unmet_keys(evidence, group)
        yield from _unmet_patterns(evidence, group)
        yield from _dead(evidence, order, group)
        yield from _decides(evidence, order, group)
        yield from _no_effect(evidence, order, group)
    yield from _locks_that_disagree(evidence)
    yield from _alias_disagreements(evidence)
    yield from _contested(evidence)
    yield from _frozen(evidence)


def _claims_nothing(evidence: Evidence, group: RuleClaims) -> Iterator[Finding]:
    rule = group.rule
    if not _nothing(group) or rule.optional:
        return
    met = _modules(group.modules)
    if not group.modules:
        reason, hint = f"no module meets {rule.text}", way_to_meet(evidence.matcher, rule.select)
    elif group.untrue:
        reason, hint = f"'where' is false for all of {met}", ""
    elif group.excluded:
        paths = listed(evidence.paths(sorted(group.excluded)))
        reason, hint = f"its selector meets {met}, and 'not' meets another name of {paths}", ""
    else:
        keys = ", ".join(dict.fromkeys(f"'{d.key}'" for d in rule.declarations))
        reason, hint = f"its selector meets {met}, none with {keys}", _nearest_key(evidence, group)
    yield Finding(
        "claims-nothing",
        Severity.ERROR,
        f"the rule '{rule.name}' claims nothing: {reason}",
        rule.span,
        f"{hint} If that is right for some models, add 'optional: true'.".lstrip(),
        rule.name,
    )


def _nothing(group: RuleClaims) -> bool:
    """Whether a rule claims nothing; passing over frozen parameters counts as claiming."""
    return not (group.claims or group.frozen or group.findings)


def _modules(count: int) -> str:
    return f"{count} module{'s' * (count != 1)}"


def _locals(evidence: Evidence, rule: Rule) -> set[str]:
    names = evidence.matcher.meetings(rule.select)
    return {local for name in names for local, _ in evidence.matcher.owned(name)}


def _nearest_key(evidence: Evidence, group: RuleClaims) -> str:
    locals_ = _locals(evidence, group.rule)
    if not locals_:
        return "These modules own no parameters; select the layers inside them."
    return suggestion(group.rule.declarations[0].key.text, locals_)


def _unmet_keys(evidence: Evidence, group: RuleClaims) -> Iterator[Finding]:
    """Keys that decide nothing, where the rule as a whole is no error."""
    rule = group.rule
    if not group.modules or (_nothing(group) and not rule.optional):
        return
    locals_ = _locals(evidence, rule)
    for declaration in _by_key(group.unmet):
        near = one_edit_away(declaration.key.text, locals_) if declaration.key.literal else None
        yield Finding(
            "unmet-key",
            Severity.WARNING if near else Severity.INFO,
            f"the key '{declaration.key}' of rule '{rule.name}' meets no parameter",
            declaration.key.span,
            f"Did you mean '{near}'?" if near else None,
            rule.name,
        )
    for declaration in _by_key(group.beaten):
        message = f"the key '{declaration.key}' of rule '{rule.name}' decides nothing: other keys fit better"
        yield Finding("unmet-key", Severity.INFO, message, declaration.key.span, None, rule.name)


def _by_key(declarations: Sequence[Declaration]) -> Iterable[Declaration]:
    """One declaration for each key: a key of ``optimize`` stands for several options."""
    return {one.key.span: one for one in declarations}.values()


def _unmet_patterns(evidence: Evidence, group: RuleClaims) -> Iterator[Finding]:
    """Alternatives of a selector that meet nothing while others do; optional rules serve many models."""
    rule = group.rule
    if not group.modules:
        return
    for stray in strays(evidence.matcher, rule.select):
        if rule.optional and not stray.near:
            continue
        yield Finding(
            "unmet-pattern",
            Severity.WARNING if stray.near else Severity.INFO,
            f"'{stray.text}' in the selector of rule '{rule.name}' meets no module",
            stray.span,
            f"Did you mean '{stray.near}'?" if stray.near else None,
            rule.name,
        )


def _dead(evidence: Evidence, order: int, group: RuleClaims) -> Iterator[Finding]:
    """A rule that claims and loses everything."""
    if not group.claims or order in evidence.won:
        return
    rule = group.rule
    lost = evidence.claimed.get(order, ())
    takers = {contest.winner.rule.name: contest.winner.rule for contest in lost}
    if not takers:
        yield from _loads_nothing(rule)
        return
    names = " and ".join(f"'{name}' ({taker.span.place})" for name, taker in takers.items())
    count = evidence.matcher.kinds.count({claim.parameter for claim in group.claims})
    claimed = f"all {count}" if count > 1 else "the one parameter"
    message = f"the rule '{rule.name}' decides nothing: {names} take{'s' * (len(takers) == 1)} {claimed} that it claims"
    if rule.default:
        yield Finding("dead-default", Severity.INFO, message, rule.span, None, rule.name)
    elif any(contest.winner.declaration.may_fall for contest in lost):
        yield Finding("unused-fallback", Severity.INFO, message, rule.span, _NEXT, rule.name)
    elif all(taker.span.file == rule.span.file for taker in takers.values()):
        yield Finding("dead-rule", Severity.ERROR, message, rule.span, _way_to_live(rule, takers), rule.name)
    else:
        yield Finding("overridden-rule", Severity.WARNING, message, rule.span, _way_out(order, evidence), rule.name)


_NEXT = "It is there for what does not fit, and everything fits."


def _loads_nothing(rule: Rule) -> Iterator[Finding]:
    """Every module that the rule wanted to load went to the next claim."""
    message = f"the rule '{rule.name}' loads nothing: no module that it claims fits the checkpoint"
    hint = "The plan's list of what was refused says why; check 'key' of the source and 'name' of the load."
    severity = Severity.INFO if rule.optional else Severity.WARNING
    yield Finding("loads-nothing", severity, message, rule.span, hint, rule.name)


def _way_to_live(rule: Rule, takers: Mapping[str, Rule]) -> str:
    """What to do about a rule that loses everything to rules of its own file."""
    if any(taker.lock for taker in takers.values()) and not rule.lock:
        return "A locked rule beats it wherever it stands: make the selectors disjoint, or delete it."
    return f"Move it below {'them' if len(takers) > 1 else 'that rule'}, or delete it."


def _way_out(order: int, evidence: Evidence) -> str:
    """What to do about a rule that loses everything to rules of other files."""
    rule = evidence.claims[order].rule
    taken = evidence.claimed.get(order, ())
    above = {contest.winner.rule.name for contest in taken if contest.winner.order < order}
    if above:
        return f"If it should win, write 'unlock: [{', '.join(sorted(above))}]' in the file that extends."
    return f"If that is meant, write 'remove: [{rule.name}]' in the overlay."


def _no_effect(evidence: Evidence, order: int, group: RuleClaims) -> Iterator[Finding]:
    """A rule without which every parameter would get the same value; one with a variable is there to be turned."""
    rule = group.rule
    if rule.lock or not group.claims:
        return
    won = evidence.won.get(order, ())
    if not won or any(len(one.claims) == 1 or one.winner.declaration.may_fall for one in won):
        return
    calls = [call for declaration in rule.declarations for call in declaration.calls]
    if any(name in evidence.variables for call in calls for part, _ in call.expressions() for name in part.names):
        return
    if any(_differ(evidence, one.winner, one.claims[1]) for one in won):
        return
    others = " and ".join(f"'{name}'" for name in dict.fromkeys(one.claims[1].rule.name for one in won))
    message = f"the rule '{rule.name}' changes nothing: without it {others} would give the same values"
    hint = "Delete it, or say what it is for: 'allow: {no-effect: ...}'."
    yield Finding("no-effect", Severity.INFO, message, rule.span, hint, rule.name)


def _decides(evidence: Evidence, order: int, group: RuleClaims) -> Iterator[Finding]:
    rule = group.rule
    if rule.decides is None:
        return
    try:
        wanted = evaluate(rule.decides, evidence.scopes.of_model())
    except EvaluationError as error:
        yield Finding("decides", Severity.ERROR, error.message, error.span, error.hint, rule.name)
        return
    won = evidence.paths(won_parameters(evidence, order, rule))
    if len(won) == wanted or (rule.optional and not won):
        return
    shown = expression_value(wanted)
    hint = "Change the number or the selector" + (f"; it wins {listed(won)}." if won else ".")
    message = f"the rule '{rule.name}' must decide {shown} parameter{'s' * (shown != '1')} and decides {len(won)}"
    yield Finding("decides", Severity.ERROR, message, rule.decides.span, hint, rule.name, won)


def expression_value(value: object) -> str:
    """A number without a needless fraction."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def won_parameters(evidence: Evidence, order: int, rule: Rule) -> list[int]:
    """The parameters a rule decides: in ``set`` if it has that block, else in any block."""
    sets = any(declaration.prop == "set" for declaration in rule.declarations)
    return sorted({contest.parameter for contest in evidence.won.get(order, ()) if not sets or contest.prop == "set"})


def _locks_that_disagree(evidence: Evidence) -> Iterator[Finding]:
    """Two locks of different value; one finding for all parameters that two declarations meet."""
    problems = Gathered()
    for contest in evidence.contests:
        first, *others = [claim for claim in contest.claims if claim.rule.lock] or [contest.winner]
        for other in others:
            if _differ(evidence, first, other):
                message = f"the locked rules '{other.rule.name}' and '{first.rule.name}' disagree about"
                place = other.declaration.span.place
                hint = f"The other stands at {place}; unlock one, or make their selectors disjoint."
                values = f": {other.declaration.text} against {first.declaration.text}"
                path = evidence.inventory.parameters[contest.parameter].path
                finding = error("locks-disagree", message, first.declaration.span, hint, first.rule.name)
                problems.add(finding, path, values)
    yield from problems.findings(evidence.matcher.spread)


def _differ(evidence: Evidence, one: Claim, other: Claim) -> bool:
    """Whether two claims on one parameter want different values, however they are written."""
    try:
        first, second = _meant(evidence, one), _meant(evidence, other)
    except EvaluationError:
        return one.declaration.text != other.declaration.text
    return first != second


def _meant(evidence: Evidence, claim: Claim) -> object:
    """What a claim comes to: one number for a constant, else its actions and the std they give."""
    actions = evidence.evaluated(claim)
    if claim.declaration.prop != "set" or len(actions) != 1:
        return actions
    parameter = evidence.inventory.parameters[claim.parameter]
    target = evidence.scopes.target(parameter, claim.names[0])
    if parameter.lazy or actions[0].problem(target) is not None:
        return actions
    moments = actions[0].moments(target)
    if moments is not None and moments.std == 0:
        return moments.mean
    owner = evidence.inventory.module_of(claim.names[0].owner).types if actions[0].name == "reset" else ()
    return actions, moments, owner


def _alias_disagreements(evidence: Evidence) -> Iterator[Finding]:
    """Rules that meet one tensor by different names only, and want different values."""
    found: dict[tuple[int, int, str], list[tuple[Claim, Claim]]] = {}
    for contest in evidence.contests:
        winner = contest.winner
        for loser in contest.claims[1:]:
            weaker_on_purpose = loser.rule.default and not winner.rule.default
            both_locked = winner.rule.lock and loser.rule.lock
            apart = not set(winner.names) & set(loser.names)
            if apart and not weaker_on_purpose and not both_locked and _differ(evidence, winner, loser):
                found.setdefault((winner.order, loser.order, contest.prop), []).append((winner, loser))
    for pairs in found.values():
        yield _alias_finding(evidence, pairs)


def _alias_finding(evidence: Evidence, pairs: Sequence[tuple[Claim, Claim]]) -> Finding:
    winner, loser = pairs[0]
    more = f" (and {len(pairs) - 1} more)" if len(pairs) > 1 else ""
    return Finding(
        "alias-disagreement",
        Severity.WARNING,
        f"the rules '{loser.rule.name}' and '{winner.rule.name}' meet one tensor by different names, "
        f"'{loser.names[0]}' and '{winner.names[0]}'{more}, and want different values; '{winner.rule.name}' wins",
        winner.declaration.span,
        f"Exclude one of the names with 'not'; the other value stands at {loser.declaration.span.place}.",
        winner.rule.name,
        evidence.paths([pair[0].parameter for pair in pairs]),
    )


def _contested(evidence: Evidence) -> Iterator[Finding]:
    """Plain rules that overlap: which takes how many from which."""
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
    """One finding that counts the frozen parameters that nobody claims."""
    claimed = {contest.parameter for contest in evidence.contests}
    parameters = enumerate(evidence.inventory.parameters)
    passed = [position for position, parameter in parameters if parameter.frozen and position not in claimed]
    if passed:
        paths = evidence.paths(passed)
        message = f"{len(paths)} frozen parameter{'s' * (len(paths) != 1)} passed over: {listed(paths)}"
        hint = "A selector with 'frozen: true' claims parameters with requires_grad=False too."
        yield Finding("frozen", Severity.INFO, message, None, hint, None, paths)
