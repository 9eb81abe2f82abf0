"""What is to be written into a model, in order, with all that the writing asks of it looked up once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from initrules.actions import chain
from initrules.actions.base import Action
from initrules.decision import Decision, Row
from initrules.fans import Target
from initrules.places import Place
from initrules.planning import PlanData
from initrules.sequence import in_order

_RUNS_OTHERS = frozenset({"reset", "load", "copy", "formula", "parts"})
_NEEDS_A_TRY = frozenset({"formula", "load", "normalize", "parts"})


@dataclass(frozen=True, slots=True)
class Traits:
    """What the way of writing depends on, of one chain of actions.

    ``entrywise``: each entry can be drawn where it lies; ``ours``: nothing of it runs the user's code;
    ``keeps``: it needs what is there; ``uncertain``: only a try can tell whether the value exists.
    """

    entrywise: bool
    ours: bool
    keeps: bool
    uncertain: bool
    resets: bool
    reads: tuple[str, ...]
    several: bool

    @property
    def changes(self) -> bool:
        """Whether it changes what is there, so that a second time is another result."""
        return self.several and self.keeps


class Job(NamedTuple):
    """A value to be written: whose it is, what decides it, and where it goes."""

    path: str
    row: Row
    decision: Decision
    place: Place
    traits: Traits

    @property
    def target(self) -> Target:
        """What the actions may know about it."""
        return self.row.target

    @property
    def padding(self) -> int | None:
        """The row that is zero afterwards."""
        return self.row.like.padding

    @property
    def entrywise(self) -> bool:
        """Whether each entry can be written where it is, without a second tensor."""
        return self.traits.entrywise and not self.place.parametrized


def traits(actions: Sequence[Action], *, keyed: bool) -> Traits:
    """Those of a chain, for keyed streams or torch's own generator."""
    ours = all(type(action).__module__.startswith("initrules.") for action in actions)
    names = {action.name for action in actions}
    return Traits(
        entrywise=keyed and len(actions) == 1 and actions[0].entrywise,
        ours=keyed and ours and not names & _RUNS_OTHERS,
        keeps=chain.keeps(actions),
        uncertain=not ours or bool(names & _NEEDS_A_TRY),
        resets="reset" in names,
        reads=chain.reads(actions),
        several=len(actions) > 1,
    )


def jobs(planned: PlanData, places: Mapping[str, Place]) -> tuple[Job, ...]:
    """Every value that a plan writes, each after those that it reads."""
    return tuple(_jobs(planned, places))


def _jobs(planned: PlanData, places: Mapping[str, Place]) -> Iterator[Job]:
    keyed = planned.rules.stream == "keyed"
    known: dict[int, tuple[Decision, Traits]] = {}
    for row in in_order(planned.rows, planned.inventory, planned.rules):
        found = known.get(id(row.decisions))  # rows of one kind share them
        if found is None:
            decision = row.decisions["set"]
            found = known[id(row.decisions)] = decision, traits(decision.actions, keyed=keyed)
        path = row.parameter.path
        yield Job(path, row, found[0], places[path], found[1])
