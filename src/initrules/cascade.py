"""The cascade: every rule's claims, and one winner for each parameter and property.

A locked rule beats ``rules``, ``rules`` beat ``defaults``; inside one tier the last one wins, base
files before the file that extends them, top to bottom. That is one sort key and a ``max``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from initrules.errors import EvaluationError, Finding, Severity
from initrules.evaluation import Scope
from initrules.expression import Expression
from initrules.inventory import Parameter, ParameterName
from initrules.matcher import Matcher, Meeting
from initrules.rules import Declaration, Rule
from initrules.scope import Scopes, truth
from initrules.selector import Selector


class Tier(enum.IntEnum):
    """Weakest first."""

    DEFAULT = 0
    RULE = 1
    LOCK = 2


class Precedence(NamedTuple):
    """What decides between two claims: the larger one wins."""

    tier: Tier
    order: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One rule asks to decide one property of one parameter.

    ``names``: every name of the parameter by which the rule met it. What the claim reads belongs
    to the first; ``meeting`` has its captures.
    """

    rule: Rule
    order: int
    declaration: Declaration
    parameter: int
    names: tuple[ParameterName, ...]
    meeting: Meeting

    @property
    def precedence(self) -> Precedence:
        """The cascade's sort key."""
        return Precedence(tier_of(self.rule), self.order)


def tier_of(rule: Rule) -> Tier:
    """The tier that a rule stands in."""
    return Tier.DEFAULT if rule.default else Tier.LOCK if rule.lock else Tier.RULE


@dataclass(frozen=True, slots=True)
class RuleClaims:
    """All that one rule claims.

    ``frozen``: parameters it passed over because they are frozen. ``unmet``: declarations whose key
    met no parameter. ``modules``: how many module names its selectors met.
    """

    rule: Rule
    claims: tuple[Claim, ...]
    frozen: frozenset[int]
    unmet: tuple[Declaration, ...]
    modules: int
    findings: tuple[Finding, ...]


class Contest(NamedTuple):
    """The claims on one property of one parameter, the winner first."""

    parameter: int
    prop: str
    claims: tuple[Claim, ...]

    @property
    def winner(self) -> Claim:
        """The claim that decides."""
        return self.claims[0]


def contests(claims: Sequence[Claim]) -> tuple[Contest, ...]:
    """Every property that anyone claims, its claims sorted from winner to weakest loser."""
    groups: dict[tuple[int, str], list[Claim]] = {}
    for claim in claims:
        groups.setdefault((claim.parameter, claim.declaration.prop), []).append(claim)
    return tuple(
        Contest(parameter, prop, tuple(sorted(group, key=lambda claim: claim.precedence, reverse=True)))
        for (parameter, prop), group in sorted(groups.items())
    )


def claim_all(rules: Sequence[Rule], matcher: Matcher, scopes: Scopes) -> tuple[RuleClaims, ...]:
    """What each rule claims, in the order of the rules."""
    return tuple(_Claimer(rule, order, matcher, scopes).claims() for order, rule in enumerate(rules))


@dataclass(frozen=True, slots=True)
class _Met:
    """How a rule met one parameter: by which selector, first name and meeting."""

    selector: Selector
    meeting: Meeting
    names: list[ParameterName]


class _Claimer:
    """Collects the claims of one rule."""

    def __init__(self, rule: Rule, order: int, matcher: Matcher, scopes: Scopes) -> None:
        self.rule = rule
        self.order = order
        self.matcher = matcher
        self.scopes = scopes
        self.findings: list[Finding] = []
        self.frozen: set[int] = set()

    def claims(self) -> RuleClaims:
        met, modules = self._met()
        found: list[Claim] = []
        used: set[int] = set()
        for position, how in met.items():
            parameter = self.matcher.inventory.parameters[position]
            wanted = self._declarations(parameter, how.names[0].local)
            if not wanted:
                continue
            used |= {id(declaration) for declaration in wanted}
            if parameter.frozen and not how.selector.frozen:
                self.frozen.add(position)
            elif self._holds(parameter, how):
                found += [self._claim(declaration, position, how) for declaration in wanted]
        unmet = tuple(d for d in self.rule.declarations if id(d) not in used)
        return RuleClaims(self.rule, tuple(found), frozenset(self.frozen), unmet, modules, tuple(self.findings))

    def _claim(self, declaration: Declaration, position: int, how: _Met) -> Claim:
        return Claim(self.rule, self.order, declaration, position, tuple(how.names), how.meeting)

    def _met(self) -> tuple[dict[int, _Met], int]:
        """The parameters that the rule's selectors meet, each with all names that were met."""
        names: dict[int, tuple[Selector, Meeting]] = {}
        for selector in self.rule.select:
            for position, meeting in self.matcher.meetings((selector,)).items():
                names.setdefault(position, (selector, meeting))
        found: dict[int, _Met] = {}
        for position in sorted(names):
            selector, meeting = names[position]
            for local, parameter in self.matcher.owned(position):
                if self._excluded(parameter, selector):
                    continue
                name = ParameterName(position, local, _path(self.matcher.inventory.names[position].path, local))
                how = found.setdefault(parameter, _Met(selector, meeting, []))
                how.names.append(name)
        return found, len(names)

    def _excluded(self, parameter: int, selector: Selector) -> bool:
        """Whether ``not`` meets an owner of the parameter under any of its names."""
        excluded = self.matcher.excluded(selector)
        return bool(excluded) and any(
            name.owner in excluded for name in self.matcher.inventory.parameters[parameter].names
        )

    def _declarations(self, parameter: Parameter, local: str) -> list[Declaration]:
        """For each property the declaration whose key fits best: literal keys beat globs."""
        found: list[Declaration] = []
        for prop in dict.fromkeys(declaration.prop for declaration in self.rule.declarations):
            keys = [d for d in self.rule.declarations if d.prop == prop and d.key.match(local) is not None]
            literal = [d for d in keys if d.key.literal]
            if literal:
                found.append(literal[0])
            elif len(keys) > 1:
                self._ambiguous(parameter, keys)
            elif keys and not parameter.buffer:
                found.append(keys[0])
        return found

    def _ambiguous(self, parameter: Parameter, keys: list[Declaration]) -> None:
        listed = " and ".join(f"'{declaration.key}'" for declaration in keys)
        self.findings.append(
            Finding(
                "ambiguous-key",
                Severity.ERROR,
                f"the keys {listed} of rule '{self.rule.name}' both meet '{parameter.path}'",
                keys[1].key.span,
                "Name the parameter itself in one key, or make the patterns disjoint.",
                self.rule.name,
                (parameter.path,),
            )
        )

    def _holds(self, parameter: Parameter, how: _Met) -> bool:
        """Whether ``where`` is true: any of its conditions, asked once per parameter."""
        if not how.selector.where:
            return True
        scope, _ = self.scopes.of_parameter(parameter, how.names[0], how.meeting)
        return any(self._true(condition, scope, parameter) for condition in how.selector.where)

    def _true(self, condition: Expression, scope: Scope, parameter: Parameter) -> bool:
        try:
            return truth(condition, scope)
        except EvaluationError as error:
            finding = error.finding()
            self.findings.append(
                Finding(
                    "where",
                    Severity.ERROR,
                    f"{finding.message}, for '{parameter.path}'",
                    finding.span,
                    finding.hint,
                    self.rule.name,
                    (parameter.path,),
                )
            )
            return False


def _path(owner: str, local: str) -> str:
    return f"{owner}.{local}" if owner else local
