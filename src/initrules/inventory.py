"""What a model is made of, as plain data: modules, their names, their parameters.

A module or parameter that is reachable by several paths is one record with several names; the
first name in registration order is canonical. ``survey`` makes an inventory from a live model.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from initrules.expression import Value
from initrules.lazy import Lazy

UNKNOWN_SHAPE = (-1,)  # of a lazy parameter, before its first forward pass


@dataclass(frozen=True, slots=True)
class TypeName:
    """One class of an MRO: its bare name and every dotted name it can be imported by."""

    name: str
    qualified: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Module:
    """One module object, however many names it has.

    ``types``: its classes below ``nn.Module``, nearest first. ``attributes``: recorded scalars and
    flat lists, ``config.name`` for one level into a config. ``resets``: the name of its reset
    method, if its class has one.
    """

    types: tuple[TypeName, ...]
    attributes: Mapping[str, Value] = field(default_factory=dict, hash=False)
    resets: str | None = None


@dataclass(frozen=True, slots=True)
class ModuleName:
    """One path to a module; ``parent`` and ``next`` are positions in ``Inventory.names``."""

    path: str
    module: int
    parent: int | None
    next: int | None = None

    @property
    def segment(self) -> str:
        """The last segment, ``""`` for the root."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class ParameterName:
    """One name of a parameter: the module name that owns it (a position) and its local name."""

    owner: int
    local: str
    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tensor with all its names: a parameter, or a buffer."""

    names: tuple[ParameterName, ...]
    shape: tuple[int, ...]
    dtype: str
    device: str
    requires_grad: bool = True
    buffer: bool = False
    parametrized: tuple[str, ...] = ()
    placement: str | None = None

    @property
    def path(self) -> str:
        """The canonical name: the first in registration order."""
        return self.names[0].path

    @property
    def lazy(self) -> bool:
        """Whether the shape is not known yet."""
        return self.shape == UNKNOWN_SHAPE

    @property
    def frozen(self) -> bool:
        """Whether rules pass over it unless they ask for frozen parameters."""
        return not self.requires_grad and not self.buffer


class Facts(NamedTuple):
    """What is known of one tensor but its names; see ``Parameter``."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    requires_grad: bool = True
    buffer: bool = False
    parametrized: tuple[str, ...] = ()
    placement: str | None = None


class Make(NamedTuple):
    """What many modules have in common: all but their names, and but which tensors theirs are."""

    module: Module
    tensors: tuple[tuple[str, Facts], ...]


@dataclass(frozen=True, eq=False)
class Columns:
    """A model as plain columns: one entry for each name, however few makes of modules there are.

    ``parents`` and ``nexts``: positions among the names, -1 for none; ``modules``: by name, ``made``: the
    make of each module; ``starts``: the position of the first parameter that each name begins, one entry more
    than names. A tensor of several names stands in ``also`` with the later ones, and a name that does not begin
    all tensors of its module stands in ``begun`` with those that it does. ``alone``: names that are like no other,
    because a module or a tensor has more than one. ``bent``: names that do not go on where their parent's ends,
    as in a stage.
    """

    makes: Sequence[Make]
    paths: Sequence[str]
    parents: Sequence[int]
    modules: Sequence[int]
    made: Sequence[int]
    starts: Sequence[int]
    begun: Mapping[int, tuple[tuple[str, Facts], ...]] = field(default_factory=dict)
    also: Mapping[int, Sequence[tuple[int, str]]] = field(default_factory=dict)
    alone: AbstractSet[int] = frozenset()
    bent: AbstractSet[int] = frozenset()
    given: Sequence[int] | None = None  # the next siblings, where parents do not tell

    @functools.cached_property
    def nexts(self) -> Sequence[int]:
        """The next sibling of each name."""
        if self.given is not None:
            return self.given
        found = [-1] * len(self.paths)
        last: dict[int, int] = {}
        for position, parent in enumerate(self.parents):
            if parent in last and parent >= 0:
                found[last[parent]] = position
            last[parent] = position
        return found

    @functools.cached_property
    def _by_path(self) -> Mapping[str, int]:
        return {path: name for name, path in enumerate(self.paths)}

    @functools.cached_property
    def _also_by_path(self) -> Mapping[str, int]:
        return {
            _joined(self.paths[name], local): position for position, names in self.also.items() for name, local in names
        }

    def find(self, path: str) -> int | None:
        """The position of a parameter, by any of its names."""
        above, _, local = path.rpartition(".")
        owner = self._by_path.get(above)
        if owner is not None:
            for offset, (one, _) in enumerate(self.tensors(owner)):
                if one == local:
                    return self.starts[owner] + offset
        return self._also_by_path.get(path)

    def make(self, name: int) -> Make:
        """The make of the module under a name."""
        return self.makes[self.made[self.modules[name]]]

    def tensors(self, name: int) -> tuple[tuple[str, Facts], ...]:
        """The tensors that a name begins."""
        found = self.begun.get(name)
        return self.make(name).tensors if found is None else found

    def owner(self, parameter: int) -> int:
        """The first name of a parameter's module."""
        return bisect.bisect_right(self.starts, parameter) - 1

    def path(self, parameter: int) -> str:
        """The canonical name of a parameter."""
        owner = self.owner(parameter)
        return _joined(self.paths[owner], self.tensors(owner)[parameter - self.starts[owner]][0])

    def inventory(self) -> Inventory:
        """The same as records, which are made when they are asked for."""
        return Inventory(
            Lazy(len(self.made), lambda module: self.makes[self.made[module]].module),
            Lazy(len(self.paths), self._name),
            Lazy(self.starts[-1], self._parameter),
            self,
        )

    def _name(self, position: int) -> ModuleName:
        parent, following = self.parents[position], self.nexts[position]
        return ModuleName(
            self.paths[position],
            self.modules[position],
            None if parent < 0 else parent,
            None if following < 0 else following,
        )

    def _parameter(self, position: int) -> Parameter:
        owner = self.owner(position)
        local, facts = self.tensors(owner)[position - self.starts[owner]]
        names = ((owner, local), *self.also.get(position, ()))
        return Parameter(tuple(ParameterName(at, one, _joined(self.paths[at], one)) for at, one in names), *facts)


def shared(columns: Columns, identities: Sequence[object]) -> Columns:
    """The columns of a model some of whose modules or tensors have several names.

    ``columns.starts`` and ``identities`` (equal for one tensor) stand here by module, in its make's order.
    """
    starts = [0]
    begun: dict[int, tuple[tuple[str, Facts], ...]] = {}
    also: dict[int, list[tuple[int, str]]] = {}
    alone: set[int] = set()
    position_of: dict[object, int] = {}
    first: dict[int, int] = {}  # the first name of each module
    for name, module in enumerate(columns.modules):
        if first.setdefault(module, name) != name:
            alone |= {name, first[module]}
        tensors = columns.makes[columns.made[module]].tensors
        fresh: list[tuple[str, Facts]] = []
        for offset, (local, facts) in enumerate(tensors):
            identity = identities[columns.starts[module] + offset]
            position = position_of.setdefault(identity, starts[-1] + len(fresh))
            if position == starts[-1] + len(fresh):
                fresh.append((local, facts))
            else:
                also.setdefault(position, []).append((name, local))
        if len(fresh) < len(tensors):
            begun[name] = tuple(fresh)
        starts.append(starts[-1] + len(fresh))
    owners = {bisect.bisect_right(starts, position) - 1 for position in also}
    alone |= owners | {name for names in also.values() for name, _ in names}
    return replace(columns, starts=starts, begun=begun, also=also, alone=alone)


def bent(paths: Sequence[str], parents: Sequence[int]) -> AbstractSet[int]:
    """The names that do not go on where their parent's ends."""
    above = (path.rpartition(".")[0] for path in paths)
    return frozenset(
        name
        for name, (path, parent) in enumerate(zip(above, parents, strict=True))
        if parent >= 0 and path != paths[parent]
    )


def _joined(path: str, local: str) -> str:
    return f"{path}.{local}" if path else local


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything the cascade needs to know about a model. ``names`` stand in registration order."""

    modules: Sequence[Module]
    names: Sequence[ModuleName]
    parameters: Sequence[Parameter]
    columns: Columns = field(compare=False, repr=False)

    def owned(self) -> Mapping[int, tuple[tuple[str, int], ...]]:
        """For each module name, the local names of its parameters and their positions."""
        found: dict[int, list[tuple[str, int]]] = {}
        for position, parameter in enumerate(self.parameters):
            for name in parameter.names:
                found.setdefault(name.owner, []).append((name.local, position))
        return {owner: tuple(rows) for owner, rows in found.items()}

    def module_of(self, name: int) -> Module:
        """The module that the name at this position leads to."""
        return self.modules[self.names[name].module]

    def with_attributes(self, found: Mapping[str, Mapping[str, Value]]) -> Inventory:
        """The same, with more attributes for the modules at some paths."""
        columns = self.columns
        more = {columns.modules[name]: found[path] for name, path in enumerate(columns.paths) if path in found}
        numbers: dict[tuple[int, str], int] = {}
        makes: list[Make] = []
        made: list[int] = []
        for position, before in enumerate(columns.made):
            seen = more.get(position, {})
            number = numbers.setdefault((before, repr(sorted(seen.items()))), len(numbers))
            if number == len(makes):
                module, tensors = columns.makes[before]
                makes.append(Make(replace(module, attributes={**module.attributes, **seen}), tensors))
            made.append(number)
        return replace(columns, makes=makes, made=made).inventory() if more else self

    def observed(self) -> dict[str, Mapping[str, Value]]:
        """What was seen while the model ran, by path: attributes whose names begin with ``observed.``."""
        columns = self.columns
        seen = [
            {key: value for key, value in make.module.attributes.items() if key.startswith("observed.")}
            for make in columns.makes
        ]
        by_name = ((path, seen[columns.made[columns.modules[name]]]) for name, path in enumerate(columns.paths))
        return {path: one for path, one in by_name if one}

    def fingerprint(self) -> str:
        """A short hash of all that decisions can depend on: not of values, devices or mode."""
        return fingerprint(_plain(self))


def fingerprint(data: Any) -> str:
    """A short hash of JSON-like data that does not depend on the order of keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(inventory: Inventory) -> Any:
    """Makes once, then which module is of which, and the names: short for a model that repeats itself."""
    columns = inventory.columns
    makes = [
        [
            [kind.qualified for kind in module.types],
            sorted(module.attributes.items()),
            module.resets,
            sorted([local, f.shape, f.dtype, f.requires_grad, f.buffer, f.parametrized] for local, f in tensors),
        ]
        for module, tensors in columns.makes
    ]
    first: dict[str, int] = {}  # devices are left out, and may have told two makes apart
    texts = [json.dumps(make, separators=(",", ":"), default=str) for make in makes]
    numbers = [first.setdefault(text, len(first)) for text in texts]
    made = [numbers[make] for make in columns.made]
    also = sorted((position, [*names]) for position, names in columns.also.items())
    locals_ = [",".join(local for local, _ in tensors) for _, tensors in columns.makes]
    order = [locals_[make] for make in columns.made]
    begun = sorted((name, [local for local, _ in tensors]) for name, tensors in columns.begun.items())
    return [list(first), made, "\0".join(columns.paths), list(columns.modules), also, order, begun]


@functools.lru_cache(maxsize=1024)
def torch_names(types: tuple[TypeName, ...]) -> frozenset[str]:
    """The bare names of torch's own classes in an MRO: a user's class of the same name is not among them."""
    return frozenset(kind.name for kind in types if any(name.startswith("torch.") for name in kind.qualified))
