"""Names that are alike, and an inventory with one of each kind."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from initrules.inventory import Columns, Inventory
from initrules.lazy import Lazy


@dataclass(frozen=True, eq=False)
class Kinds:
    """``of``: the kind of each name; ``firsts``: the first name of each kind. Kinds of parents are smaller."""

    columns: Columns
    of: Sequence[int]
    firsts: Sequence[int]

    def split(self, key: Callable[[int], Hashable]) -> Kinds:
        """Kinds whose members, and all above them, have the same key too."""
        known: dict[tuple[int, int, Hashable], int] = {}
        of: list[int] = []
        firsts: list[int] = []
        for name, parent in enumerate(self.columns.parents):
            above = of[parent] if parent >= 0 else -1
            kind = known.setdefault((above, self.of[name], key(name)), len(firsts))
            if kind == len(firsts):
                firsts.append(name)
            of.append(kind)
        return Kinds(self.columns, of, firsts)

    @functools.cached_property
    def members(self) -> Sequence[Sequence[int]]:
        """The names of each kind, in registration order."""
        found: list[list[int]] = [[] for _ in self.firsts]
        for name, kind in enumerate(self.of):
            found[kind].append(name)
        return found

    @functools.cached_property
    def inventory(self) -> Inventory:
        """The first name of each kind, with its module and its parameters."""
        columns = self.columns
        numbers: dict[int, int] = {}
        modules = [numbers.setdefault(columns.modules[name], len(numbers)) for name in self.firsts]
        starts = [0, *accumulate(len(columns.tensors(name)) for name in self.firsts)]
        parents = (columns.parents[name] for name in self.firsts)
        following = (columns.nexts[name] for name in self.firsts)
        found = Columns(
            makes=columns.makes,
            paths=[columns.paths[name] for name in self.firsts],
            parents=[-1 if parent < 0 else self.of[parent] for parent in parents],
            modules=modules,
            made=[columns.made[module] for module in numbers],
            starts=starts,
            begun={self.of[name]: tensors for name, tensors in columns.begun.items()},
            also={
                starts[self.of[owner]] + position - columns.starts[owner]: [
                    (self.of[name], local) for name, local in names
                ]
                for position, names in columns.also.items()
                for owner in (columns.owner(position),)
            },
            bent=frozenset(self.of[name] for name in columns.bent),
            given=[-1 if position < 0 else self.of[position] for position in following],
        )
        return found.inventory()

    @functools.cached_property
    def _owners(self) -> Sequence[int]:
        """The kind of each parameter of the reduced inventory."""
        columns = self.inventory.columns
        return [columns.owner(position) for position in range(columns.starts[-1])]

    def count(self, parameters: Iterable[int]) -> int:
        """For how many parameters some of the reduced inventory stand."""
        return sum(len(self.members[self._owners[position]]) for position in parameters)

    def modules(self, names: Iterable[int]) -> int:
        """How many modules the names of some kinds lead to."""
        modules = self.inventory.columns.modules
        return sum(len(self.members[kind]) for kind in {modules[kind]: kind for kind in names}.values())

    def parameters(self, reduced: Iterable[int]) -> Sequence[int]:
        """All parameters for which some of the reduced inventory stand, in registration order."""
        starts, own = self.columns.starts, self.inventory.columns.starts
        found: list[int] = []
        for position in reduced:
            kind = self._owners[position]
            offset = position - own[kind]
            found += [starts[name] + offset for name in self.members[kind]]
        found.sort()
        return found

    def paths(self, reduced: Iterable[int]) -> Sequence[str]:
        """The canonical names of all parameters for which some of the reduced inventory stand."""
        found = self.parameters(reduced)
        return Lazy(len(found), lambda index: self.columns.path(found[index]))

    def reduced(self, parameter: int) -> int:
        """The parameter of the reduced inventory that stands for one."""
        owner = self.columns.owner(parameter)
        return self.inventory.columns.starts[self.of[owner]] + parameter - self.columns.starts[owner]


def apart(columns: Columns) -> Kinds:
    """Every name as a kind of its own."""
    every = range(len(columns.paths))
    return Kinds(columns, every, every)
