"""What a model is made of, as plain data: modules, their names, their parameters.

A module or parameter that is reachable by several paths is one record with several names; the
first name in registration order is canonical. ``survey`` makes an inventory from a live model.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from initrules.expression import Value

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


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything the cascade needs to know about a model. ``names`` stand in registration order."""

    modules: tuple[Module, ...]
    names: tuple[ModuleName, ...]
    parameters: tuple[Parameter, ...]

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
        more = {name.module: found[name.path] for name in self.names if name.path in found}
        modules = (
            replace(module, attributes={**module.attributes, **more[position]}) if position in more else module
            for position, module in enumerate(self.modules)
        )
        return replace(self, modules=tuple(modules))

    def observed(self) -> dict[str, Mapping[str, Value]]:
        """What was seen while the model ran, by path: attributes whose names begin with ``observed.``."""
        found: dict[str, Mapping[str, Value]] = {}
        for name in self.names:
            seen = {k: v for k, v in self.modules[name.module].attributes.items() if k.startswith("observed.")}
            if seen:
                found[name.path] = seen
        return found

    def fingerprint(self) -> str:
        """A short hash of all that decisions can depend on: not of values, devices or mode."""
        return fingerprint(_plain(self))


def fingerprint(data: Any) -> str:
    """A short hash of JSON-like data that does not depend on the order of keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(inventory: Inventory) -> Any:
    modules = [
        [[kind.qualified for kind in module.types], sorted(module.attributes.items()), module.resets]
        for module in inventory.modules
    ]
    parameters = [
        [[name.path for name in p.names], p.shape, p.dtype, p.requires_grad, p.buffer, p.parametrized]
        for p in inventory.parameters
    ]
    return [modules, [[name.path, name.module] for name in inventory.names], parameters]


@functools.lru_cache(maxsize=1024)
def torch_names(types: tuple[TypeName, ...]) -> frozenset[str]:
    """The bare names of torch's own classes in an MRO: a user's class of the same name is not among them."""
    return frozenset(kind.name for kind in types if any(name.startswith("torch.") for name in kind.qualified))
