"""What is recorded of a module beside its tensors: its classes, and the attributes that are plain values."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Mapping
from typing import Any

from torch import nn

from initrules.expression import Scalar, Value

MAX_LIST = 256

# Attributes of nn.Module itself and of train/eval mode: no facts about the architecture.
_MACHINERY = frozenset({*nn.Module().__dict__, "call_super_init", "dump_patches", "T_destination", "parametrizations"})
# What torch.compile, FSDP, DDP and transformers leave on the modules they touch.
_MARKS = ("_is_torch_compile", "_compiled", "_torchdynamo", "_dynamo", "_is_fsdp", "_fsdp", "_ddp", "_is_hf")


def original_classes(kind: type) -> list[type]:
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


def reset_method(module: Any) -> str | None:
    """The name of the method by which a module's class draws its parameters anew, if it has one."""
    return next(
        (name for name in ("reset_parameters", "_reset_parameters") if callable(getattr(type(module), name, None))),
        None,
    )


def class_attributes(kind: type) -> dict[str, Value]:
    """The plain values that a class and those above it give to all their modules."""
    found: dict[str, Value] = {}
    for one in reversed(original_classes(kind)):
        found |= recorded(vars(one))
    return found


def items_of(config: Any) -> dict[str, Any]:
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


def recorded(items: Mapping[str, Any]) -> dict[str, Value]:
    """The attributes that are plain values: scalars and flat lists of them."""
    found: dict[str, Value] = {}
    for name, value in items.items():
        plain = _plain(value) if is_recorded(name) else None
        if plain is not None:
            found[name] = plain
    return found


def is_recorded(name: str) -> bool:
    """Whether an attribute of this name says something about the architecture."""
    return not (name in _MACHINERY or name.startswith(("__", *_MARKS)))


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
