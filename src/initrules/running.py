"""Runs a model on example inputs and leaves no trace.

Inputs are what the root's ``forward`` takes: a tensor, a tuple of arguments, or a mapping of named ones.
A mapping whose keys are paths of modules says what each of them gets, as a dict of modules needs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from initrules.errors import ModelError, suggestion
from initrules.survey import modules_by_path, root_entries, unwrapped

MODES = ("train", "eval")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a module: the path it was named by and its arguments."""

    path: str
    module: nn.Module
    positional: tuple[Any, ...]
    named: Mapping[str, Any]


def calls_of(model: Any, inputs: Any) -> tuple[Call, ...]:
    """The calls that example inputs ask for. Raises ``ModelError`` when they name no module."""
    modules = {path: module for path, _, module in modules_by_path(model) if isinstance(module, nn.Module)}
    if isinstance(inputs, Mapping):  # a model may go without some of its modules
        inputs = {path: given for path, given in inputs.items() if path not in _left_out(model)}
    if isinstance(inputs, Mapping) and inputs and all(path in modules for path in inputs):
        return tuple(_call(path, modules[path], given) for path, given in inputs.items())
    if "" in modules:
        return (_call("", modules[""], inputs),)
    hint = "Give a dict from the path of a module to its arguments: {'actor': (observation,)}."
    if not isinstance(inputs, Mapping):
        raise ModelError("the model is several modules, and the inputs do not say which of them gets what", hint=hint)
    unknown = [str(path) for path in inputs if path not in modules]
    if not unknown:
        raise ModelError("the inputs are an empty dict", hint=hint)
    entries = [path for path in modules if "." not in path]
    raise ModelError(f"the inputs are for '{unknown[0]}', which is no module", hint=suggestion(unknown[0], entries))


def _left_out(model: Any) -> frozenset[str]:
    """The entries of a dict or dataclass of modules that are None."""
    if isinstance(model, nn.Module):
        return frozenset()
    if isinstance(model, Mapping):
        return frozenset(str(name) for name, value in model.items() if value is None)
    return frozenset(field.name for field in dataclasses.fields(model) if getattr(model, field.name) is None)


def _call(path: str, module: nn.Module, given: Any) -> Call:
    if isinstance(given, Mapping):
        return Call(path, module, (), {str(name): value for name, value in given.items()})
    return Call(path, module, tuple(given) if isinstance(given, tuple | list) else (given,), {})


def run(model: Any, calls: tuple[Call, ...], mode: str) -> tuple[Any, ...]:
    """What each call returns with the whole model in ``mode``, ``"train"`` or ``"eval"``.

    Stands inside ``restored``. Raises ``ModelError`` when the model does.
    """
    for root in roots(model):
        root.train(mode == "train")
    found = []
    for call in calls:
        positional, named = pytree.tree_map_only(torch.Tensor, torch.Tensor.clone, (call.positional, call.named))
        try:
            found.append(call.module(*positional, **named))
        except Exception as error:
            name = f"'{call.path}'" if call.path else "the model"
            raise ModelError(
                f"running {name} in {mode} mode raised {type(error).__name__}: {error}",
                hint="The inputs must be what its forward takes; --debug shows where it was raised.",
            ) from error
    return tuple(found)


def roots(model: Any) -> tuple[nn.Module, ...]:
    """The module itself without wrappers, or the modules of a dict or dataclass."""
    entries = root_entries(model)
    return tuple(unwrapped(one) for one in ([model] if entries is None else entries.values()))


def tensors(output: Any) -> Iterator[torch.Tensor]:
    """The floating-point tensors in what a module returns, however it is nested."""
    if isinstance(output, torch.Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from tensors(value)
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        for field in dataclasses.fields(output):
            yield from tensors(getattr(output, field.name))


@contextlib.contextmanager
def restored(model: Any, *, seed: int = 0, parameters: bool = False) -> Iterator[None]:
    """Put back afterwards whatever running a model changes.

    That is: the random generators, which are seeded with ``seed`` inside; the mode, hooks and attributes of
    every module; buffers with their values; what is frozen; gradients, which are None inside. ``parameters``: their
    values too, which takes as much memory again; inside they are changed through ``.data``, which autograd does not
    count.
    """
    modules = list({id(module): module for root in roots(model) for module in root.modules()}.values())
    before = [_Before.of(module) for module in modules]
    held = list({id(p): p for module in modules for p in module._parameters.values() if p is not None}.values())
    gradients = [(parameter.grad, parameter.requires_grad) for parameter in held]
    values = [parameter.detach().clone() for parameter in held] if parameters else []
    for parameter in held:
        parameter.grad = None
    try:
        with _generators(seed), torch.inference_mode(mode=False), torch.enable_grad():
            yield
    finally:
        for one in before:
            one.put_back()
        for parameter, (gradient, trainable) in zip(held, gradients, strict=True):
            parameter.grad = gradient
            parameter.requires_grad_(trainable)
        for parameter, value in zip(held, values, strict=False):
            parameter.data.copy_(value)


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    """A module as it was: its attributes, what its tables held, and the values of its buffers."""

    module: nn.Module
    attributes: Mapping[str, Any]
    tables: Mapping[str, Mapping[Any, Any]]
    values: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    @classmethod
    def of(cls, module: nn.Module) -> _Before:
        attributes = dict(vars(module))
        tables = {name: dict(value) for name, value in attributes.items() if name in _TABLES}
        buffers = [buffer for buffer in module._buffers.values() if buffer is not None]
        return cls(module, attributes, tables, tuple((buffer, buffer.detach().clone()) for buffer in buffers))

    def put_back(self) -> None:
        now = vars(self.module)
        for name in now.keys() - self.attributes.keys():
            del now[name]
        now.update(self.attributes)
        for name, entries in self.tables.items():
            now[name].clear()
            now[name].update(entries)
        for buffer, value in self.values:
            if not buffer.is_meta and not torch.equal(buffer, value):
                buffer.data.copy_(value)


_TABLES = frozenset(name for name, value in vars(nn.Module()).items() if isinstance(value, dict))


@contextlib.contextmanager
def _generators(seed: int) -> Iterator[None]:
    """torch's, numpy's and Python's own generators seeded, and as they were afterwards."""
    numpys, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002  # what a model may use without saying so
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.default_generator.manual_seed(seed)
        for generator in torch.cuda.default_generators:
            generator.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpys)  # noqa: NPY002
            random.setstate(pythons)
