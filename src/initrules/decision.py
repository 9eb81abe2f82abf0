"""What was decided about each parameter, and how each rule fared: the rows of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from initrules.actions.base import Moments, described, summary
from initrules.cascade import Tier
from initrules.evaluation import Missing
from initrules.expression import Value
from initrules.fans import Fans, Target, shape_fans
from initrules.inventory import Parameter
from initrules.source import Span


@dataclass(frozen=True, slots=True)
class Loser:
    """A claim that lost, and why."""

    rule: str
    written: str
    span: Span
    reason: str


class Kept(NamedTuple):
    """What a saved plan says of an evaluated chain."""

    summary: str
    described: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What decides one property of one parameter.

    ``actions``: the evaluated chain; ``written``: as the file has it; ``captures``: what the
    winner's selector bound; ``fans``: those that the value was computed from, if any; ``kept``: what
    a saved plan says of the chain.
    """

    prop: str
    rule: str
    why: str
    span: Span
    written: str
    actions: tuple[Any, ...]
    losers: tuple[Loser, ...]
    lock: bool = False
    captures: Mapping[str, Value] = field(default_factory=dict, hash=False)
    fans: Fans | None = None
    kept: Kept | None = field(default=None, hash=False)

    @property
    def summary(self) -> str:
        """The evaluated chain in one line."""
        return self.kept.summary if self.kept else ", ".join(summary(action) for action in self.actions)

    @property
    def described(self) -> tuple[Mapping[str, Any], ...]:
        """The evaluated chain, JSON-ready, with every digit: each action's arguments under its name."""
        return self.kept.described if self.kept else tuple({one.name: described(one)} for one in self.actions)

    @property
    def writes(self) -> bool:
        """Whether anything but leaving alone is asked for."""
        actions = self.actions
        return bool(actions) and (len(actions) > 1 or actions[0].name != "keep")


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter and every decision about it.

    ``like``: what actions may know about it, or about one that differs from it in nothing but the name.
    ``moments``: expected mean and std, if known.
    """

    parameter: Parameter
    like: Target
    decisions: Mapping[str, Decision] = field(hash=False)
    moments: Moments | None = None

    @property
    def path(self) -> str:
        """The canonical name."""
        return self.parameter.path

    @property
    def target(self) -> Target:
        """What actions may know about this very parameter."""
        if self.like.path == self.path:
            return self.like
        return replace(self.like, path=self.path, met=self.path)

    @property
    def torch_fans(self) -> Fans | None:
        """What torch would have read from the shape, where the value was computed from other fans."""
        used = self.value.fans if self.value else None
        read = shape_fans(self.parameter.shape)
        return None if used is None or isinstance(read, Missing) or read == used else read

    @property
    def value(self) -> Decision | None:
        """The decision about its value."""
        return self.decisions.get("set")


@dataclass(frozen=True, slots=True)
class Tally:
    """How one rule fared: parameters claimed and won, and how many each other rule took."""

    rule: str
    span: Span
    tier: Tier
    claimed: int
    won: int
    taken: Mapping[str, int] = field(hash=False)
    why: str = ""
