"""The plan: for every parameter what would be written, by which rule, over which others.

Pure: rules and an inventory go in, frozen data comes out. Nothing here sees a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.actions import chain
from initrules.actions.base import Moments
from initrules.binding import bind
from initrules.cascade import Claim, Contest, RuleClaims, Tier, claim_all, contests, tier_of
from initrules.chains import chains
from initrules.dangers import danger_findings
from initrules.decision import Decision, Loser, Row, Tally
from initrules.errors import EvaluationError, Finding, Severity
from initrules.evaluation import Catalog, Missing
from initrules.fans import Fans, Target
from initrules.findings import Gathered, error
from initrules.inventory import Inventory, Parameter, fingerprint
from initrules.kinds import Kinds
from initrules.layers import Layers
from initrules.lazy import Lazy
from initrules.matcher import Matcher
from initrules.naming import names_used
from initrules.promises import promise_findings
from initrules.quotient import reduced
from initrules.rule_checks import Evidence, rule_findings
from initrules.rules import Variable
from initrules.ruleset import RuleSet
from initrules.scope import Scopes
from initrules.sequence import circles
from initrules.silence import Silenced, silence
from initrules.source import Span
from initrules.transfer import Fall, Transfer, fall_through, transfers
from initrules.value_checks import value_findings


@dataclass(frozen=True, slots=True)
class PlanData:
    """Everything that is decided, as data. ``rows`` stand in registration order.

    ``saved``: the fingerprint of a plan that was read from a file; it has no rules and no modules.
    """

    rows: Sequence[Row]
    findings: tuple[Finding, ...]
    tallies: tuple[Tally, ...]
    rules: RuleSet
    inventory: Inventory
    transfers: tuple[Transfer, ...] = ()
    silenced: tuple[Silenced, ...] = ()
    saved: str = ""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop ``apply``."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    def row(self, name: str) -> Row | None:
        """The row of a parameter by any of its names."""
        if self.saved:
            return next((row for row in self.rows if any(one.path == name for one in row.parameter.names)), None)
        position = self.inventory.columns.find(name)
        return None if position is None else self.rows[position]

    def fingerprint(self) -> str:
        """A short hash of every decision and what it reads: equal plans write equal values for equal seeds.

        The order of registration is left out, because no value depends on it.
        """
        return self.saved or fingerprint(
            {
                row.path: [
                    row.parameter.shape,
                    [row.like.each, row.like.whole, row.like.parts, row.like.padding, row.like.resets],
                    {prop: [d.summary, repr(d.actions)] for prop, d in row.decisions.items()},
                ]
                for row in self.rows
            }
        )


def make(rules: RuleSet, inventory: Inventory, catalogs: Mapping[str, Catalog] | None = None) -> PlanData:
    """Decide every parameter of an inventory by a rule set.

    ``catalogs``: what the checkpoints hold that ``load`` reads, by source.
    """
    matcher = reduced(inventory, rules.rules, rules.variables)
    scopes = Scopes(matcher, rules.variables, catalogs, as_torch=rules.stream == "global")
    claims = claim_all(rules.rules, matcher, scopes)
    maker = _Maker(matcher.inventory, scopes, rules.variables)
    everything = contests([claim for group in claims for claim in group.claims])
    contested, fallen = fall_through(everything, matcher.inventory, maker.evaluated, maker.first_problem)
    few = maker.rows(contested, fallen)
    rows = _every(few, matcher)
    layers, found = Layers(inventory, rows), tuple(chains(inventory))
    evidence = Evidence(matcher.inventory, matcher, scopes, claims, contested, maker.evaluated, rules.variables)
    findings = [
        *maker.problems.findings(matcher.spread),
        *rule_findings(evidence),
        *value_findings(matcher.inventory, few, unmatched=rules.unmatched, spread=matcher.spread),
        *danger_findings(matcher, few, layers, found),
        *promise_findings(inventory, layers, found, rules.expect, scopes.of_model()),
        *circles(few),
    ]
    moved = transfers(rows, fallen, catalogs, matcher.inventory) if catalogs else ()
    tallies = _tallies(claims, contested, matcher.kinds)
    left, silenced = silence(findings, rules.rules, rows)
    return PlanData(rows, tuple(sorted(left, key=_worst_first)), tallies, rules, inventory, moved, silenced)


def _every(few: Sequence[Row], matcher: Matcher) -> Sequence[Row]:
    """The rows of the whole model, each like that of the parameter which stands for it."""
    kinds, parameters = matcher.kinds, matcher.whole.parameters

    def row(position: int) -> Row:
        like = few[kinds.reduced(position)]
        return Row(parameters[position], like.like, like.decisions, like.moments)

    return Lazy(len(parameters), row)


def _worst_first(finding: Finding) -> tuple[int, str, int, int]:
    span = finding.span
    return (finding.severity.rank, *((span.file, span.line, span.column) if span else ("", 0, 0)))


class _Maker:
    """Evaluates winners; remembers what it evaluated for the checks."""

    def __init__(self, inventory: Inventory, scopes: Scopes, variables: Mapping[str, Variable]) -> None:
        self._variables = variables
        self._named: dict[Span, frozenset[str]] = {}
        self.inventory = inventory
        self.scopes = scopes
        self.problems = Gathered()  # values that cannot be

    def rows(self, contested: tuple[Contest, ...], fallen: Mapping[int, tuple[Fall, ...]]) -> tuple[Row, ...]:
        decisions: dict[int, dict[str, Decision]] = {}
        targets: dict[int, Target] = {}
        for contest in contested:
            decision, target = self._decide(contest, fallen.get(contest.parameter, ()))
            decisions.setdefault(contest.parameter, {})[contest.prop] = decision
            if contest.prop == "set" or contest.parameter not in targets:
                targets[contest.parameter] = target
        return tuple(
            self._row(parameter, decisions.get(position, {}), targets.get(position))
            for position, parameter in enumerate(self.inventory.parameters)
        )

    def _row(self, parameter: Parameter, decisions: Mapping[str, Decision], target: Target | None) -> Row:
        target = target or self.scopes.target(parameter, parameter.names[0])
        value = decisions.get("set")
        return Row(parameter, target, decisions, _moments(value, target) if value else None)

    def _decide(self, contest: Contest, fallen: tuple[Fall, ...]) -> tuple[Decision, Target]:
        winner = contest.winner
        actions, target = self._checked(winner)
        return Decision(
            prop=contest.prop,
            rule=winner.rule.name,
            why=winner.rule.why,
            span=winner.declaration.span,
            written=winner.declaration.text,
            actions=actions,
            losers=(
                *(_fallen(fall) for fall in fallen if contest.prop == "set"),
                *(_loser(claim, winner) for claim in contest.claims[1:]),
            ),
            lock=winner.rule.lock,
            captures=winner.meeting.captures,
            fans=self._fans(winner, actions, target) if contest.prop == "set" else None,
        ), target

    def _fans(self, claim: Claim, actions: tuple[Any, ...], target: Target) -> Fans | None:
        """The fans that a value reads: its action, or an expression that names them."""
        parts = zip(actions, chain.targets(actions, target), strict=True)
        read = [found for found in (action.fans(part) for action, part in parts) if found is not None]
        if not read and not self._names(claim).isdisjoint(("fan_in", "fan_out")):
            read = [target.fans()]
        return next((found for found in read if not isinstance(found, Missing)), None)

    def _names(self, claim: Claim) -> frozenset[str]:
        """What the value's expressions name, computed once for each declaration."""
        if claim.declaration.span not in self._named:
            self._named[claim.declaration.span] = names_used(claim.declaration.calls, self._variables)
        return self._named[claim.declaration.span]

    def _checked(self, claim: Claim) -> tuple[tuple[Any, ...], Target]:
        """The winner's actions; a problem becomes a finding."""
        parameter = self.inventory.parameters[claim.parameter]
        try:
            actions = self.evaluated(claim)
        except EvaluationError as failure:
            finding = failure.finding()
            self._report(claim, finding.message, finding.span or claim.declaration.span, finding.hint)
            return (), self.scopes.target(parameter, claim.names[0])
        target = self.scopes.target(parameter, claim.names[0])
        if parameter.lazy:
            if claim.declaration.prop in _SHAPED and any(action.name != "keep" for action in actions):
                self._report(claim, _LAZY, claim.declaration.calls[0].span, _WARM_UP)
            return actions, target
        for position, problem in _unfit(claim, actions, target):
            self._report(claim, problem, claim.declaration.calls[position].span, _way_out(problem))
        return actions, target

    def first_problem(self, claim: Claim, actions: tuple[Any, ...]) -> str | None:
        """Why the parameter cannot take the value of a claim, or None."""
        target = self.scopes.target(self.inventory.parameters[claim.parameter], claim.names[0])
        return next((problem for _, problem in _unfit(claim, actions, target)), None)

    def _report(self, claim: Claim, message: str, span: Span, hint: str | None) -> None:
        path = self.inventory.parameters[claim.parameter].path
        self.problems.add(error("value", f"{message}, for", span, hint, claim.rule.name), path)

    def evaluated(self, claim: Claim) -> tuple[Any, ...]:
        """The actions of a claim with their arguments as values. Raises ``EvaluationError``."""
        parameter = self.inventory.parameters[claim.parameter]
        scope, _ = self.scopes.of_parameter(parameter, claim.names[0], claim.meeting)
        return tuple(bind(call, scope) for call in claim.declaration.calls)


_SHAPED = frozenset({"set", "parametrize"})  # options of ``optimize`` ask for no shape
_WARM_UP = "Run the model once before planning, or leave this parameter to its module."
_LAZY = "its shape is not known yet: it is a lazy parameter"
# What to do about a problem, by a piece of its message: the first that occurs counts.
_WAYS_OUT = (
    ("to copy", "Name it by its full path, or '.NAME' for a parameter of the same module."),
    ("the index", "Use the indices that it has: i, j, k, l for dimensions 0 to 3."),
    ("the numbers", "Give as many numbers as the parameter has, nested like it."),
    ("' of '", "Leave it out of the rule, or write 'missing: next' to let its module go to the next claim."),
    ("has shape", "Leave it out of the rule, or choose another one of the same shape."),
    ("has no tensor", "Check 'name' and the source's 'key'; 'missing: next' lets its module go to the next claim."),
    ("is not finite", "Guard the entry: 0 if j == 2 else 1 / (j - 2)."),
    ("add up to", "Make the sizes add up to the dimension, or divide another one with 'dim'."),
    ("no bias gives", "Choose a value inside that range, or another 'through'."),
    ("rises and falls", "Use a part of the range on which it is monotone."),
    ("output sets a bias", "Set it on the key 'bias'."),
    ("has no fans", "Name the key 'weight', or give the fan: {fan: module.in_features}."),
    ("orthogonal needs", "Name the key 'weight', or select layers whose parameter is a matrix."),
    ("reset_parameters", "Name the distribution, for example {uniform: {bound: ...}}, or 'keep'."),
    ("copy of itself", "Name another parameter, or write 'keep'."),
    ("is above high", "Swap the two: {uniform: {low: -1, high: 1}}."),
    ("is not below high", "Swap the two."),
    ("lies between", "Move 'low' and 'high' towards the mean, or leave them out."),
    ("a share of each column", "Write a number from 0 to 1."),
    ("not fit", "Choose smaller values, or store the parameter in a wider dtype."),
    ("divisible by", "Choose a number that divides it, or select the layers that it divides."),
    ("dimensions, this parameter has", "Select layers whose parameter has them, or choose another action."),
    ("of a parameter with", "Count dimensions from 0."),
    ("no action for the part", 'Name every part: {q: zeros, "*": keep}.'),
    ("there is no part", "Use the names of its parts, or give them with 'sizes'."),
    ("no parts of its own", "Give them: {dim: 0, sizes: {q: 64, kv: 32}}."),
    ("one after the other", "Give one of them a value of its own."),
    ("no standard deviation", "Give 'norm' instead."),
)


def _way_out(problem: str) -> str | None:
    return next((hint for piece, hint in _WAYS_OUT if piece in problem), None)


def _unfit(claim: Claim, actions: tuple[Any, ...], target: Target) -> Iterator[tuple[int, str]]:
    """What the parameter cannot take: the position in the chain, and why."""
    if claim.declaration.prop == "set":
        yield from chain.problems(actions, target)
        return
    for position, action in enumerate(actions):
        problem = action.problem(target)
        if problem:
            yield position, problem


def _moments(decision: Decision, target: Target) -> Moments | None:
    broken = target.shape[:1] == (-1,) or next(chain.problems(decision.actions, target), None) is not None
    return None if broken else chain.moments(decision.actions, target)


def _fallen(fall: Fall) -> Loser:
    claim = fall.claim
    return Loser(claim.rule.name, claim.declaration.text, claim.declaration.span, fall.reason)


def _loser(claim: Claim, winner: Claim) -> Loser:
    return Loser(claim.rule.name, claim.declaration.text, claim.declaration.span, reason(claim, winner))


def reason(loser: Claim, winner: Claim) -> str:
    """Why one claim loses to another, in one clause."""
    by = winner.rule.name
    if winner.precedence.tier is loser.precedence.tier:
        other_file = winner.rule.span.file != loser.rule.span.file
        return f"'{by}' stands {'in a later file' if other_file else 'later'}"
    if winner.precedence.tier is Tier.LOCK:
        return f"'{by}' is locked"
    return f"'{by}' is a rule, and rules beat defaults"


def _tallies(groups: tuple[RuleClaims, ...], contested: tuple[Contest, ...], kinds: Kinds) -> tuple[Tally, ...]:
    claimed: list[set[int]] = [{claim.parameter for claim in group.claims} for group in groups]
    won: list[set[int]] = [set() for _ in groups]
    taken: list[dict[str, set[int]]] = [{} for _ in groups]
    for contest in contested:
        won[contest.winner.order].add(contest.parameter)
        for loser in contest.claims[1:]:
            taken[loser.order].setdefault(contest.winner.rule.name, set()).add(contest.parameter)
    return tuple(
        Tally(
            group.rule.name,
            group.rule.span,
            tier_of(group.rule),
            kinds.count(claimed[order]),
            kinds.count(won[order]),
            {name: kinds.count(lost) for name, lost in taken[order].items()},
            group.rule.why,
        )
        for order, group in enumerate(groups)
    )
