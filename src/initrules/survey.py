"""Reads a live model into an inventory: one structural walk that touches no value.

The walk is iterative, in order of registration, and keeps aliases. Wrappers (``torch.compile``,
DDP, DataParallel, FSDP, activation checkpointing) leave no trace in paths; a parametrized weight
has one name, ``layer.weight``.
"""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from initrules.errors import ModelError
from initrules.expression import Scalar, Value
from initrules.hooked import SpectralNormHook, WeightNormHook, hooks_of, stored_names
from initrules.inventory import UNKNOWN_SHAPE, Inventory, Module, ModuleName, Parameter, ParameterName, TypeName
from initrules.stage import Stage

MAX_NAMES = 1_000_000
MAX_LIST = 256
CONFIGS = ("config", "cfg", "hparams", "args")

# Where each wrapper keeps the module it wraps, by the qualified name of the wrapper's class.
WRAPPERS = {
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel": "_fsdp_wrapped_module",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.ActivationWrapper": "_checkpoint_wrapped_module",
}
# Attributes of nn.Module itself and of train/eval mode: no facts about the architecture.
_MACHINERY = frozenset({*nn.Module().__dict__, "call_super_init", "dump_patches", "T_destination", "parametrizations"})
# What torch.compile, FSDP, DDP and transformers leave on the modules they touch.
_MARKS = ("_is_torch_compile", "_compiled", "_torchdynamo", "_dynamo", "_is_fsdp", "_fsdp", "_ddp", "_is_hf")


def survey(model: Any) -> Inventory:
    """Describe a module, or a dict or dataclass of modules (entries may be None).

    Reads structure, shapes and recorded attributes only. Raises ``ModelError`` when the model is
    none of these, or has more than a million names.
    """
    walk = _Walk()
    walk.run(model)
    return Inventory(tuple(walk.modules), tuple(walk.names), tuple(walk.parameters()))


def unwrapped(module: Any) -> Any:
    """The module inside any wrappers; a wrapper's sub-class with more modules of its own is none."""
    while isinstance(module, nn.Module):
        inner = next((WRAPPERS[name] for name in _qualified_mro(type(module)) if name in WRAPPERS), None)
        if inner is None or [*module._modules] != [inner] or module._modules[inner] is None:
            return module
        module = module._modules[inner]
    return module


def _qualified_mro(kind: type) -> Iterator[str]:
    for one in kind.__mro__:
        yield f"{one.__module__}.{one.__qualname__}"


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


def modules_by_path(model: Any) -> Iterator[tuple[str, int | None, nn.Module]]:
    """Every path to every module, aliases included: path, position of its parent, module.

    For a dict or dataclass root the first entry is ``("", None, model)`` itself.
    """
    if isinstance(model, Stage):
        yield from ((model.name(path), parent, module) for path, parent, module in modules_by_path(model.module))
        return
    entries = root_entries(model)
    if entries is None and not isinstance(model, nn.Module):
        raise ModelError(
            f"the model is a {type(model).__name__}, not a module",
            hint="Give an nn.Module, or a dict or dataclass whose values are modules or None.",
        )
    # Each frame holds one module still to be visited, with the chain of modules above it.
    stack: list[tuple[str, int | None, Any, frozenset[int]]] = [("", None, unwrapped(model), frozenset())]
    position = 0
    while stack:
        path, parent, module, above = stack.pop()
        yield path, parent, module
        position += 1
        if position > MAX_NAMES:
            raise ModelError(
                f"the model has more than {MAX_NAMES:,} module names",
                hint="Modules that share their children multiply the names; plan a part of the model.",
            )
        children = entries if module is model and entries is not None else dict(_children(module))
        below = above | {id(module)}
        for name, child in reversed(children.items()):
            inner = unwrapped(child)
            if id(inner) not in below:  # a module that holds itself is not walked again
                stack.append((f"{path}.{name}" if path else name, position - 1, inner, below))


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module._modules.items():
        if child is not None and not (name == "parametrizations" and parametrize.is_parametrized(module)):
            yield name, child


class _Walk:
    """Collects modules, names and parameters; one record for each object."""

    def __init__(self) -> None:
        self.modules: list[Module] = []
        self.names: list[ModuleName] = []
        self._module_ids: dict[int, int] = {}
        self._tensors: dict[object, tuple[torch.Tensor, bool, tuple[str, ...], list[ParameterName]]] = {}
        self._effective: dict[int, tuple[int, ...]] = {}  # shapes of parametrized weights, by their original
        self._types: dict[type, tuple[TypeName, ...]] = {}
        self._class_attributes: dict[type, dict[str, Value]] = {}
        self._alive: list[Any] = []  # keeps ids unique while the walk runs

    def run(self, model: Any) -> None:
        siblings: dict[int, int] = {}
        for path, parent, module in modules_by_path(model):
            position = len(self.names)
            self.names.append(ModuleName(path, self._record(module), parent))
            if parent is not None:
                before = siblings.get(parent)
                if before is not None:
                    self.names[before] = dataclasses.replace(self.names[before], next=position)
                siblings[parent] = position
            if isinstance(module, nn.Module):
                self._own_tensors(module, position, path)

    def _record(self, module: Any) -> int:
        known = self._module_ids.get(id(module))
        if known is not None:
            return known
        self._alive.append(module)
        self._module_ids[id(module)] = len(self.modules)
        self.modules.append(Module(self._mro(type(module)), self._attributes(module), _reset_method(module)))
        return len(self.modules) - 1

    def _mro(self, kind: type) -> tuple[TypeName, ...]:
        if kind not in self._types:
            self._types[kind] = tuple(TypeName(one.__name__, importable_names(one)) for one in _original_classes(kind))
        return self._types[kind]

    def _attributes(self, module: Any) -> dict[str, Value]:
        kind = type(module)
        if kind not in self._class_attributes:
            self._class_attributes[kind] = _class_attributes(kind)
        own = vars(module) if isinstance(module, nn.Module) else {} if isinstance(module, Mapping) else _items(module)
        found = {**self._class_attributes[kind], **_recorded(own)}
        for name in CONFIGS:
            config = own.get(name)
            if config is not None and not isinstance(config, nn.Module):
                found |= {f"{name}.{key}": value for key, value in _recorded(_items(config)).items()}
        return found

    def _own_tensors(self, module: nn.Module, position: int, path: str) -> None:
        prefix = f"{path}." if path else ""
        for local, tensor, buffer, wraps in own_tensors(module):
            key = _identity(tensor)
            if wraps:
                self._effective[id(tensor)] = _effective_shape(dict(chains(module))[local])
            entry = self._tensors.setdefault(key, (tensor, buffer, wraps, []))
            entry[3].append(ParameterName(position, local, prefix + local))

    def parameters(self) -> Iterator[Parameter]:
        for tensor, buffer, wraps, names in self._tensors.values():
            lazy = nn.parameter.is_lazy(tensor)
            shape = self._effective.get(id(tensor), tuple(tensor.shape) if not lazy else UNKNOWN_SHAPE)
            yield Parameter(
                names=tuple(names),
                shape=shape,
                dtype=str(tensor.dtype).removeprefix("torch."),
                device=tensor.device.type,
                requires_grad=tensor.requires_grad,
                buffer=buffer,
                parametrized=wraps,
                placement=str(tensor.placements) if hasattr(tensor, "placements") else None,
            )


def own_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor, bool, tuple[str, ...]]]:
    """A module's own tensors: local name, tensor, whether it is a buffer, what it is wrapped in.

    Parametrized ones come first, where a weight stood before torch moved it.
    """
    for local, chain in chains(module):
        original = _originals(chain)[0]
        yield local, original, not isinstance(original, nn.Parameter), tuple(_wrap_name(one) for one in chain)
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
            found |= {prefix + local: _originals(chain) for local, chain in chains(module)}
    return found


def chains(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The parametrizations of a module by the local name of what they wrap, old hooks among them."""
    if parametrize.is_parametrized(module):
        wrapped: Any = module.parametrizations
        yield from wrapped.items()
    yield from hooks_of(module).items()


def _originals(chain: Any) -> tuple[torch.Tensor, ...]:
    """What is stored for a parametrized weight, the largest first (weight_norm's direction)."""
    if isinstance(chain, WeightNormHook | SpectralNormHook):
        return chain.stored
    if chain.is_tensor:
        return (chain.original,)
    several = [getattr(chain, f"original{n}") for n in range(chain.ntensors)]
    return tuple(sorted(several, key=lambda tensor: (tensor.numel(), tensor.ndim), reverse=True))


def _effective_shape(chain: Any) -> tuple[int, ...]:
    """The shape of a parametrized weight as the module sees it.

    torch's own parametrizations keep the shape of the largest original. Others are asked on the
    meta device, where they have neither values to read nor buffers to change.
    """
    largest = _originals(chain)[0]
    if nn.parameter.is_lazy(largest):
        return UNKNOWN_SHAPE
    if all(_wrap_name(one) in _SAME_SHAPE for one in chain):
        return tuple(largest.shape)
    held = {**dict(chain.named_parameters()), **dict(chain.named_buffers())}
    on_meta = {name: torch.empty_like(tensor, device="meta") for name, tensor in held.items()}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return tuple(torch.func.functional_call(chain, on_meta, ()).shape)
    except Exception:  # noqa: BLE001  # a user's code that needs values; the stored shape is the best guess
        return tuple(largest.shape)


_OWN_WRAPS = {
    "_SpectralNorm": "spectral_norm", "_WeightNorm": "weight_norm", "_Orthogonal": "orthogonal",
    "SpectralNormHook": "spectral_norm", "WeightNormHook": "weight_norm",
}  # fmt: skip
_SAME_SHAPE = frozenset(_OWN_WRAPS.values())


def _wrap_name(parametrization: nn.Module) -> str:
    kind = type(parametrization).__name__
    return _OWN_WRAPS.get(kind, kind)


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


def _original_classes(kind: type) -> list[type]:
    """The MRO below nn.Module, without classes that parametrize and FSDP2 make on the fly."""
    found = [one for one in kind.__mro__ if one not in {nn.Module, object}]
    made = {"torch.nn.utils.parametrize", "torch.distributed.fsdp._fully_shard._fully_shard"}
    return [one for one in found if one.__module__ not in made]


def importable_names(kind: type) -> tuple[str, ...]:
    """Every dotted name under which a class can be imported, shortest first."""
    found = {f"{kind.__module__}.{kind.__qualname__}"}
    parts = kind.__module__.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        if getattr(sys.modules.get(package), kind.__name__, None) is kind:
            found.add(f"{package}.{kind.__name__}")
    return tuple(sorted(found, key=lambda name: (name.count("."), name)))


def _reset_method(module: Any) -> str | None:
    return next(
        (name for name in ("reset_parameters", "_reset_parameters") if callable(getattr(type(module), name, None))),
        None,
    )


def _class_attributes(kind: type) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for one in reversed(_original_classes(kind)):
        found |= _recorded(vars(one))
    return found


def _items(config: Any) -> dict[str, Any]:
    """What a config, or a dataclass of modules, holds by name."""
    if isinstance(config, Mapping):
        return {str(key): value for key, value in config.items()}
    items = dict(getattr(config, "__dict__", {}))
    if dataclasses.is_dataclass(config):
        items |= {f.name: getattr(config, f.name, None) for f in dataclasses.fields(config)}
    aliases = getattr(type(config), "attribute_map", None)
    for alias, name in aliases.items() if isinstance(aliases, Mapping) else ():
        if name in items:  # transformers: hidden_size of a GPT-2 config is its n_embd
            items.setdefault(alias, items[name])
    return {name: value for name, value in items.items() if not name.startswith("_")}


def _recorded(items: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in items.items():
        if name in _MACHINERY or name.startswith(("__", *_MARKS)):
            continue
        plain = _plain(value)
        if plain is not None:
            found[name] = plain
    return found


def _plain(value: Any) -> Value | None:
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        items = [_scalar(item) for item in value[: MAX_LIST + 1]]
        if len(items) > MAX_LIST or any(item is None for item in items):
            return None
        return tuple(item for item in items if item is not None)
    return _scalar(value)


def _scalar(value: Any) -> Scalar | None:
    if isinstance(value, enum.Enum):  # a member that is itself a number or text, as of StrEnum
        return _scalar(value.value) if isinstance(value, int | float | str) else None
    if isinstance(value, bool | int | float | str):
        return value if type(value) in {bool, int, float, str} else _base(value)
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return _scalar(value.item())
    return None


def _base(value: float | str) -> Scalar:
    """A sub-class of a number or of str, as the plain value that it is."""
    return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))
