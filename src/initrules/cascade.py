"""The cascade: every rule's claims, and one winner for each parameter and property.

A locked rule beats ``rules``, ``rules`` beat ``defaults``; inside one tier the last one wins, base
files before the file that extends them, top to bottom. That is one sort key and a ``max``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from initrules.errors import EvaluationError, Finding
from initrules.evaluation import Scope
from initrules.expression import Expression
from initrules.findings import Gathered, error
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

    ``modules``: how many modules its selectors meet. Of their parameters, ``excluded`` are met by
    ``not`` under another name, ``frozen`` are passed over, ``untrue`` fail ``where``. ``unmet``:
    declarations whose key meets no parameter; ``beaten``: those whose key meets some, and other
    keys of the rule fit each of them better.
    """

    rule: Rule
    claims: tuple[Claim, ...]
    modules: int
    excluded: frozenset[int]
    frozen: frozenset[int]
    untrue: frozenset[int]
    unmet: tuple[Declaration, ...]
    beaten: tuple[Declaration, ...]
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


class _Way(NamedTuple):
    """How one selector meets one parameter: the names that it meets and the rule has keys for."""

    selector: Selector
    names: dict[ParameterName, Meeting]


class _Claimer:
    """Collects the claims of one rule."""

    def __init__(self, rule: Rule, order: int, matcher: Matcher, scopes: Scopes) -> None:
        self.rule = rule
        self.order = order
        self.matcher = matcher
        self.scopes = scopes
        self.problems = Gathered()
        self.modules: set[int] = set()
        self.excluded: set[int] = set()
        self.frozen: set[int] = set()
        self.untrue: set[int] = set()
        self.met: set[int] = set()  # positions among the rule's declarations
        self.used: set[int] = set()

    def claims(self) -> RuleClaims:
        ways = self._ways()
        found = [claim for position in sorted(ways) for claim in self._of_parameter(position, ways[position])]
        claimed = {claim.parameter for claim in found}
        declarations = tuple(enumerate(self.rule.declarations))
        return RuleClaims(
            rule=self.rule,
            claims=tuple(found),
            modules=self.matcher.modules(self.modules),
            excluded=frozenset(self.excluded),
            frozen=frozenset(self.frozen - claimed),
            untrue=frozenset(self.untrue - claimed),
            unmet=tuple(d for i, d in declarations if i not in self.met),
            beaten=tuple(d for i, d in declarations if i in self.met - self.used),
            findings=self.problems.findings(self.matcher.spread),
        )

    def _ways(self) -> dict[int, list[_Way]]:
        """The parameters that the rule's selectors meet and its keys name, each with the ways."""
        found: dict[int, list[_Way]] = {}
        for selector in self.rule.select:
            meetings = self.matcher.meetings((selector,))
            self.modules.update(meetings)
            for position, names in self._parameters(meetings).items():
                if self._excluded(position, selector):
                    self.excluded.add(position)
                else:
                    found.setdefault(position, []).append(_Way(selector, names))
        return found

    def _parameters(self, meetings: Mapping[int, Meeting]) -> dict[int, dict[ParameterName, Meeting]]:
        inventory = self.matcher.inventory
        found: dict[int, dict[ParameterName, Meeting]] = {}
        for owner, meeting in meetings.items():
            for local, position in self.matcher.owned(owner):
                keys = self._keys(local, inventory.parameters[position])
                self.met.update(keys)
                if keys:
                    name = ParameterName(owner, local, _path(inventory.names[owner].path, local))
                    found.setdefault(position, {})[name] = meeting
        return found

    def _excluded(self, parameter: int, selector: Selector) -> bool:
        """Whether ``not`` meets an owner of the parameter under any of its names."""
        excluded = self.matcher.excluded(selector)
        return bool(excluded) and any(
            name.owner in excluded for name in self.matcher.inventory.parameters[parameter].names
        )

    def _of_parameter(self, position: int, ways: list[_Way]) -> Iterator[Claim]:
        """The claims on one parameter by all names that a selector meets with its ``where`` true."""
        parameter = self.matcher.inventory.parameters[position]
        names: dict[ParameterName, Meeting] = {}
        for way in ways:
            if parameter.frozen and not way.selector.frozen:
                self.frozen.add(position)
            elif self._holds(parameter, way):
                names = {**way.names, **names}
                continue
            else:
                self.untrue.add(position)
            self.used.update(key for name in way.names for key in self._keys(name.local, parameter))
        ordered = [name for name in parameter.names if name in names]
        for declaration in self._declarations(parameter, ordered):
            met = tuple(name for name in ordered if declaration.key.match(name.local) is not None)
            yield Claim(self.rule, self.order, declaration, position, met, names[met[0]])

    def _keys(self, local: str, parameter: Parameter) -> list[int]:
        """The declarations whose key names a parameter; buffers are claimed by literal key only."""
        return [
            i
            for i, d in enumerate(self.rule.declarations)
            if d.key.match(local) is not None and (d.key.literal or not parameter.buffer)
        ]

    def _declarations(self, parameter: Parameter, names: Sequence[ParameterName]) -> Iterator[Declaration]:
        """For each property the declaration whose key fits best: literal keys beat globs."""
        keys = dict.fromkeys(key for name in names for key in self._keys(name.local, parameter))
        every = self.rule.declarations
        for prop in dict.fromkeys(every[key].prop for key in keys):
            of_prop = [key for key in keys if every[key].prop == prop]
            literal = [key for key in of_prop if every[key].key.literal]
            best = literal or of_prop
            self.used.update(best)
            if len(best) > 1 and not (literal and all(every[key].calls == every[best[0]].calls for key in best)):
                self._ambiguous(parameter, [every[key] for key in sorted(best)])
            else:
                yield every[best[0]]

    def _ambiguous(self, parameter: Parameter, keys: Sequence[Declaration]) -> None:
        first, second, *_ = keys
        hint = "Name the parameter itself in one key, or make the patterns disjoint."
        if first.key.literal:
            hint = "It is one tensor under several names: give it one value."
        message = f"the keys '{first.key}' and '{second.key}' of rule '{self.rule.name}' both meet"
        self.problems.add(error("ambiguous-key", message, second.key.span, hint, self.rule.name), parameter.path)

    def _holds(self, parameter: Parameter, way: _Way) -> bool:
        """Whether ``where`` is true: any of its conditions, asked once per parameter."""
        if not way.selector.where:
            return True
        name, meeting = next(iter(way.names.items()))
        scope, _ = self.scopes.of_parameter(parameter, name, meeting)
        return any(self._true(condition, scope, parameter) for condition in way.selector.where)

    def _true(self, condition: Expression, scope: Scope, parameter: Parameter) -> bool:
        try:
            return truth(condition, scope)
        except EvaluationError as failure:
            found = failure.finding()
            self.problems.add(
                error("where", f"{found.message}, for", found.span, found.hint, self.rule.name), parameter.path
            )
            return False


def _path(owner: str, local: str) -> str:
    return f"{owner}.{local}" if owner else local
