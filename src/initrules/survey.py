"""Reads a live model into an inventory: one structural walk that touches no value.

The walk is iterative, in order of registration, and keeps aliases. Wrappers (``torch.compile``,
DDP, DataParallel, FSDP, activation checkpointing) leave no trace in paths; a parametrized weight
has one name, ``layer.weight``.
"""

from __future__ import annotations

import dataclasses
import functools
import marshal
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils import parametrize

from initrules.attributes import (
    class_attributes,
    importable_names,
    is_recorded,
    items_of,
    original_classes,
    recorded,
    reset_method,
)
from initrules.errors import ModelError
from initrules.expression import Value
from initrules.hooked import stored_names
from initrules.inventory import UNKNOWN_SHAPE, Columns, Facts, Inventory, Make, Module, TypeName, bent, shared
from initrules.sharding import is_divided
from initrules.stage import Stage
from initrules.wrapped import chains, effective_shape, originals, wrap_name

MAX_NAMES = 1_000_000
CONFIGS = ("config", "cfg", "hparams", "args")

# Where each wrapper keeps the module it wraps, by the qualified name of the wrapper's class.
WRAPPERS = {
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel": "_fsdp_wrapped_module",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.ActivationWrapper": "_checkpoint_wrapped_module",
}


def survey(model: Any) -> Inventory:
    """Describe a module, or a dict or dataclass of modules (entries may be None).

    Reads structure, shapes and recorded attributes only. Raises ``ModelError`` when the model is
    none of these, or has more than a million names.
    """
    return _Walk().run(model).inventory()


def unwrapped(module: Any) -> Any:
    """The module inside any wrappers; a wrapper's sub-class with more modules of its own is none."""
    while isinstance(module, nn.Module):
        inner = wraps(type(module))
        if inner is None or [*module._modules] != [inner] or module._modules[inner] is None:
            return module
        module = module._modules[inner]
    return module


def wraps(kind: type) -> str | None:
    """Where a wrapper's class keeps the module that it wraps; None for other classes."""
    names = (f"{one.__module__}.{one.__qualname__}" for one in kind.__mro__)
    return next((WRAPPERS[name] for name in names if name in WRAPPERS), None)


def root_entries(model: Any) -> dict[str, nn.Module] | None:
    """The modules of a dict or dataclass root by name; None for other roots."""
    if isinstance(model, nn.Module | Stage):
        return None
    if isinstance(model, Mapping):
        entries = list(model.items())
    elif dataclasses.is_dataclass(model) and not isinstance(model, type):
        entries = [(f.name, getattr(model, f.name)) for f in dataclasses.fields(model)]
    else:
        return None
    found: dict[str, nn.Module] = {}
    for key, value in entries:
        if _hides_tensors(value):
            raise ModelError(
                f"the entry '{key}' of the model is a {type(value).__name__}, not a module",
                hint="Give each module an entry of its own; other tensors belong into a module.",
            )
        if isinstance(value, nn.Module):
            name = str(key)
            if not name or "." in name or name in found:
                problem = "stands twice" if name in found else "is no name of a module: it has a dot or is empty"
                raise ModelError(f"the entry '{name}' of the model {problem}", hint="Rename the entry.")
            found[name] = value
    return found


def _hides_tensors(value: Any) -> bool:
    """Whether an entry that is no module holds what rules should see."""
    if isinstance(value, Mapping):
        value = list(value.values())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type | nn.Module):
        value = [getattr(value, f.name, None) for f in dataclasses.fields(value)]
    many = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(one, torch.Tensor) or (many is value and isinstance(one, nn.Module)) for one in many)


class Tree(NamedTuple):
    """Every path to every module, aliases included, in order of registration.

    ``parents``: the position of each path's parent, -1 for the root; ``numbers``: by path, a position in
    ``modules``, where each module stands once.
    """

    paths: list[str]
    parents: list[int]
    numbers: list[int]
    modules: list[Any]


def modules_by_path(model: Any) -> Iterator[tuple[str, int | None, nn.Module]]:
    """Every path to every module, aliases included: path, position of its parent, module.

    For a dict or dataclass root the first entry is ``("", None, model)`` itself.
    """
    paths, parents, numbers, modules = tree(model)
    for path, parent, number in zip(paths, parents, numbers, strict=True):
        yield path, None if parent < 0 else parent, modules[number]


def tree(model: Any) -> Tree:
    """Walk over all modules of a model, or of a part of one under the names that it has in the whole."""
    if isinstance(model, Stage):
        found = tree(model.module)
        return found._replace(paths=[model.name(path) for path in found.paths])
    entries = root_entries(model)
    if entries is None and not isinstance(model, nn.Module):
        raise ModelError(
            f"the model is a {type(model).__name__}, not a module",
            hint="Give an nn.Module, or a dict or dataclass whose values are modules or None.",
        )
    root = unwrapped(model)
    return _walked(root, _children(root) if entries is None else entries)


def _walked(root: Any, entries: Mapping[str, Any]) -> Tree:
    paths, parents, numbers, modules = [""], [-1], [0], [root]
    known = {id(root): 0}
    bare: set[type] = set()  # classes that are no wrappers
    open_ = [(0, "", iter(entries.items()))]  # modules whose children are not all seen
    while open_:
        parent, prefix, rest = open_[-1]
        for name, child in rest:
            if child is None:
                continue
            module = child if type(child) in bare else _inner(child, bare)
            number = known.setdefault(id(module), len(modules))
            if number == len(modules):
                modules.append(module)
            elif _holds(number, parent, parents, numbers):
                continue  # a module that holds itself is not walked again
            paths.append(prefix + name)
            parents.append(parent)
            numbers.append(number)
            children = _children(module)
            if children:
                open_.append((len(paths) - 1, f"{prefix}{name}.", iter(children.items())))
                break
        else:
            open_.pop()
        if len(paths) > MAX_NAMES:
            raise ModelError(f"the model has more than {MAX_NAMES:,} module names", hint=_MULTIPLIED)
    return Tree(paths, parents, numbers, modules)


_MULTIPLIED = "Modules that share their children multiply the names; plan a part of the model."


def _inner(child: nn.Module, bare: set[type]) -> Any:
    """The module inside any wrappers; ``bare`` learns the classes that are none."""
    if not wraps(type(child)):
        bare.add(type(child))
    return unwrapped(child)


def _holds(number: int, position: int, parents: list[int], numbers: list[int]) -> bool:
    """Whether a module stands at a position or above it."""
    while position >= 0 and numbers[position] != number:
        position = parents[position]
    return position >= 0


def _children(module: nn.Module) -> dict[str, Any]:
    children: dict[str, Any] = module._modules
    if "parametrizations" in children and parametrize.is_parametrized(module):
        return {name: child for name, child in children.items() if name != "parametrizations"}
    return children if type(children) is dict else dict(children.items())  # a scripted module has its own kind


class _Walk:
    """Collects columns: one make for all modules that are alike, one entry for each name."""

    def __init__(self) -> None:
        self.tensors: list[torch.Tensor] = []
        self._makes: dict[object, int] = {}
        self._made: list[Make] = []
        self._readers: dict[type, _Reader] = {}
        self._known: dict[object, int] = {}  # makes, by all that the quick look at a module sees
        self._types: dict[type, tuple[TypeName, ...]] = {}
        self._class_attributes: dict[type, dict[str, Value]] = {}
        self._configs: dict[int, dict[str, Value]] = {}

    def run(self, model: Any) -> Columns:
        paths, parents, numbers, modules = tree(model)  # keeps the modules, so that ids stay unique
        made: list[int] = []
        starts = [0]
        for module in modules:
            made.append(self._make(module))
            starts.append(len(self.tensors))
        turns = bent(paths, parents) if isinstance(model, Stage) else frozenset[int]()
        columns = Columns(self._made, paths, parents, numbers, made, starts, bent=turns)
        if len(paths) == len(made) and self._untied():
            return columns
        return shared(columns, [_identity(tensor) for tensor in self.tensors])

    def _untied(self) -> bool:
        """Whether no tensor begins where another does; if one does, a closer look is due."""
        try:
            begins = {t.data_ptr() or -id(t) if type(t) in _PLAIN else _identity(t) for t in self.tensors}
        except RuntimeError:  # a tensor without storage
            return False
        return len(begins) == len(self.tensors)

    def _make(self, module: Any) -> int:
        """The number of a module's make; what was seen before in all that counts is not read again."""
        if not isinstance(module, nn.Module):
            return self._read(module, ())
        before = len(self.tensors)
        look = self._look(module)
        number = self._known.get(look)
        if number is None:
            del self.tensors[before:]
            number = self._read(module, tuple(own_tensors(module)))
            if look is not None:
                self._known[look] = number
        return number

    def _look(self, module: nn.Module) -> object | None:
        """All that a make depends on, as a key that is quick to take; None where it takes a reading.

        Leaves the tensors that it meets among ``tensors``.
        """
        kind, own = type(module), module.__dict__
        reader = self._readers.get(kind)
        if reader is None or reader.keys != tuple(own):
            reader = self._readers[kind] = _reader(tuple(own))
        try:
            values = reader.plain(own)
            parameters, buffers, hooks, children = _HELD(own)
            found: tuple[object, ...] = (kind, reader.plain, marshal.dumps(values, 2), *map(type, values))
        except (ValueError, KeyError):  # functions, modules, configs: nothing that can be compared in one go
            return None
        if hooks or "parametrizations" in children:
            return None
        for held in (parameters, buffers) if buffers else (parameters,):
            for local, tensor in held.items():
                if tensor is None:
                    continue
                if type(tensor) not in _PLAIN:
                    return None
                found += (local, _FACTS(tensor))
                self.tensors.append(tensor)
            found += (None,)
        return found

    def _read(self, module: Any, own: tuple[tuple[str, torch.Tensor, bool, tuple[str, ...]], ...]) -> int:
        """The number of a module's make, after reading all of it."""
        self.tensors += [tensor for _, tensor, _, _ in own]
        facts = tuple((one[0], _facts(module, *one)) for one in own)
        attributes = self._attributes(module)
        make = Make(Module(self._mro(type(module)), attributes, reset_method(module)), facts)
        key = (type(module), make.module.types, make.module.resets, marshal.dumps(sorted(attributes.items()), 2), facts)
        number = self._makes.setdefault(key, len(self._made))
        if number == len(self._made):
            self._made.append(make)
        return number

    def _mro(self, kind: type) -> tuple[TypeName, ...]:
        if kind not in self._types:
            self._types[kind] = tuple(TypeName(one.__name__, importable_names(one)) for one in original_classes(kind))
        return self._types[kind]

    def _attributes(self, module: Any) -> dict[str, Value]:
        kind = type(module)
        if kind not in self._class_attributes:
            self._class_attributes[kind] = class_attributes(kind)
        own = vars(module) if isinstance(module, nn.Module) else {} if isinstance(module, Mapping) else items_of(module)
        found = {**self._class_attributes[kind], **recorded(own)}
        for name in CONFIGS:
            config = own.get(name)
            if config is not None and not isinstance(config, nn.Module):
                if id(config) not in self._configs:
                    self._configs[id(config)] = recorded(items_of(config))
                found |= {f"{name}.{key}": value for key, value in self._configs[id(config)].items()}
        return found


_PLAIN = frozenset({nn.Parameter, torch.Tensor})


_HELD = itemgetter("_parameters", "_buffers", "_forward_pre_hooks", "_modules")
_FACTS = attrgetter("shape", "dtype", "device", "requires_grad")


class _Reader(NamedTuple):
    """Takes what may be recorded out of the dict of a module that has these keys."""

    keys: tuple[str, ...]
    plain: Callable[[Any], tuple[Any, ...]]


@functools.lru_cache(maxsize=1024)
def _reader(keys: tuple[str, ...]) -> _Reader:
    wanted = [key for key in keys if is_recorded(key)]
    return _Reader(keys, itemgetter(*wanted, *["training"] * max(0, 2 - len(wanted))))


def _facts(module: nn.Module, local: str, tensor: torch.Tensor, buffer: bool, wraps: tuple[str, ...]) -> Facts:
    if is_divided(tensor):
        raise ModelError(f"DeepSpeed has divided the model: '{type(module).__name__}.{local}' is empty", hint=_GATHER)
    if wraps:
        shape = effective_shape(dict(chains(module))[local])
    else:
        shape = UNKNOWN_SHAPE if nn.parameter.is_lazy(tensor) else tuple(tensor.shape)
    return Facts(
        shape=shape,
        dtype=str(tensor.dtype).removeprefix("torch."),
        device=tensor.device.type,
        requires_grad=tensor.requires_grad,
        buffer=buffer,
        parametrized=wraps,
        placement=str(tensor.placements) if hasattr(tensor, "placements") else None,
    )


_GATHER = "Plan and apply inside 'deepspeed.zero.GatheredParameters(list(model.parameters()), modifier_rank=0)'."


def own_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor, bool, tuple[str, ...]]]:
    """A module's own tensors: local name, tensor, whether it is a buffer, what it is wrapped in.

    Parametrized ones come first, where a weight stood before torch moved it.
    """
    for local, chain in chains(module):
        original = originals(chain)[0]
        yield local, original, not isinstance(original, nn.Parameter), tuple(wrap_name(one) for one in chain)
    hidden = stored_names(module)
    for local, tensor in module._parameters.items():
        if tensor is not None and local not in hidden:
            yield local, tensor, False, ()
    for local, buffer in module._buffers.items():
        if buffer is not None and local not in hidden:
            yield local, buffer, True, ()


def stored_by_path(model: Any) -> dict[str, tuple[torch.Tensor, ...]]:
    """All that is stored for every name: several tensors for a weight that is split, as by weight_norm."""
    found: dict[str, tuple[torch.Tensor, ...]] = {}
    for path, _, module in modules_by_path(model):
        if isinstance(module, nn.Module):
            prefix = f"{path}." if path else ""
            found |= {prefix + local: (tensor,) for local, tensor, _, _ in own_tensors(module)}
            found |= {prefix + local: originals(chain) for local, chain in chains(module)}
    return found


def _identity(tensor: torch.Tensor) -> object:
    """Equal for one tensor under several names, also when two objects view exactly the same memory."""
    if tensor.device.type == "meta" or nn.parameter.is_lazy(tensor) or not tensor.numel():
        return id(tensor)
    try:
        memory = tensor.data_ptr()
    except RuntimeError:  # a tensor sub-class without storage of its own
        memory = 0
    # DTensors say 0: they keep their values in another tensor
    return (memory, tuple(tensor.shape), tensor.stride(), tensor.dtype) if memory else id(tensor)
