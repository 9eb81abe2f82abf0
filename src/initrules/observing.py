"""What stands around each layer, observed while the model runs: facts that no inventory has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from initrules.errors import ModelError
from initrules.expression import Value
from initrules.followers import LAYER, Follower, of_module
from initrules.inventory import Inventory
from initrules.readings import Fact
from initrules.running import calls_of, restored, roots, run, tensors
from initrules.survey import modules_by_path, survey
from initrules.tracing import Span, Trace

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def observe(model: Any, inputs: Any) -> tuple[Fact, ...]:
    """What stands around each linear layer and convolution, in registration order; leaves no trace.

    ``model``: in eval mode, on any device, meta included. ``inputs``: as for ``running.calls_of``. Raises
    ``ModelError`` when the model cannot be run.
    """
    modules = {path: module for path, _, module in modules_by_path(model) if isinstance(module, nn.Module)}
    first = {id(module): path for path, module in reversed(modules.items())}
    layers = {path: one for path, one in modules.items() if first[id(one)] == path and _is_layer(one)}
    with restored(model):
        for parameter in _parameters(model):  # so that the graph is whole
            parameter.requires_grad_(parameter.is_floating_point() or parameter.requires_grad)
        watch = _Watch({id(one): path for path, one in layers.items()})
        handles = [hook for module in {id(m): m for m in modules.values()}.values() for hook in watch.hooks(module)]
        try:
            outputs = _run(model, inputs)
        finally:
            for handle in handles:
                handle.remove()
        trace = Trace(tensors(outputs), watch.spans)
        return tuple(_fact(path, module, watch.calls.get(path, []), trace) for path, module in layers.items())


def survey_with(model: Any, inputs: Any) -> Inventory:
    """What a model is made of, and what a run on ``inputs``, if there are any, shows of its layers.

    Rules read that as attributes ``observed.…`` of modules, and as the gain ``auto``.
    """
    found = survey(model)
    if inputs is None:
        return found
    return found.with_attributes({one.path: _attributes(one) for one in observe(model, inputs)})


def _attributes(fact: Fact) -> dict[str, Value]:
    known: dict[str, Value | None] = {
        "observed.gain": fact.gain,
        "observed.refused": fact.why if fact.gain is None else None,
        "observed.next": fact.follows,
        "observed.previous": fact.precedes,
        "observed.residual": fact.residual,
        "observed.last": fact.last,
    }
    return {name: value for name, value in known.items() if value is not None}


def _parameters(model: Any) -> list[nn.Parameter]:
    return [one for root in roots(model) for one in root.parameters()]


def _run(model: Any, inputs: Any) -> tuple[Any, ...]:
    """What the model returns, with gradients also of what goes in: then a shortcut from there is seen."""
    devices = {one.device.type for one in _parameters(model)}
    meta = devices == {"meta"}  # what follows what needs no values

    def prepared(tensor: Tensor) -> Tensor:
        found = tensor.detach().to("meta") if meta else tensor.detach()
        return found.requires_grad_(found.is_floating_point())

    calls = [
        replace(call, positional=pytree.tree_map_only(Tensor, prepared, call.positional),
                named=pytree.tree_map_only(Tensor, prepared, dict(call.named)))
        for call in calls_of(model, inputs)
    ]  # fmt: skip
    try:
        return run(model, tuple(calls), "eval")
    except ModelError as error:
        if not meta:
            raise
        hint = "The model is on the meta device, where nothing has a value; '--device cpu' builds it with values."
        raise ModelError(error.message, hint=hint) from error


def _is_layer(module: nn.Module) -> bool:
    kind = type(module)
    return isinstance(module, _LAYERS) or (kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers."))


def _has_own_forward(module: nn.Module) -> bool:
    """Whether a layer may do more than its class of torch does."""
    base = next((one for one in _LAYERS if isinstance(module, one)), type(module))
    return type(module).forward is not base.forward or "forward" in vars(module)


@dataclass(slots=True)
class _Watch:
    """Notes, while the model runs, what layers get and give, and which operations belong to which module."""

    layers: Mapping[int, str]
    calls: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    _started: list[tuple[int, Any]] = field(default_factory=list)

    def hooks(self, module: nn.Module) -> Iterator[Any]:
        follower = LAYER if id(module) in self.layers else of_module(module)
        if follower is not None:
            yield module.register_forward_pre_hook(self._enter, with_kwargs=True)
            # before hooks of the user's, which may give something else
            yield module.register_forward_hook(lambda *call: self._leave(follower, *call), prepend=True)

    def _enter(self, _: nn.Module, positional: Any, named: Any) -> None:
        given = [one for one in pytree.tree_leaves((positional, named)) if isinstance(one, Tensor)]
        self._started.append((_number(), _node(given[0]) if given else None))

    def _leave(self, follower: Follower, module: nn.Module, _: Any, output: Any) -> None:
        start, source = self._started.pop()
        # the node of the output now: an operation in place will give the tensor another one
        node = _node(output)
        self.spans.append(Span(start, _number(), follower, node))
        if id(module) in self.layers:
            self.calls.setdefault(self.layers[id(module)], []).append((source, node))


def _number() -> int:
    """The number that autograd gives to the next operation."""
    return int(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]


def _node(value: Any) -> Any:
    """The node of the graph whose value a tensor is; None for constants."""
    if isinstance(value, Tensor) and value.requires_grad:
        return torch.autograd.graph.get_gradient_edge(value).node
    return None


def _fact(path: str, module: nn.Module, calls: Sequence[tuple[Any, Any]], trace: Trace) -> Fact:
    if not calls:
        return Fact(path, "it was not called as a module on these inputs")
    if any(node is None for _, node in calls):
        return Fact(path, "it runs without gradients, so that nothing shows what follows")
    found = [trace.around(source, node) for source, node in calls]
    names = sorted({one.follower.name for one in found})
    refused = next((one.follower for one in found if one.follower.gain is None), None)
    gain, why = found[0].follower.gain, found[0].follower.why
    if len(names) > 1:
        gain, why = None, f"it is called {len(calls)} times, and {' and '.join(names)} follow"
    elif refused is not None:
        gain, why = None, refused.why
    elif _has_own_forward(module):
        gain, why = None, f"{type(module).__name__} has a forward of its own, which may do more"
    return Fact(
        path, why, gain,
        follows=names[0] if len(names) == 1 else "several",
        precedes=found[0].previous if len({one.previous for one in found}) == 1 else "several",
        residual=all(one.residual for one in found),
        last=all(one.last for one in found),
    )  # fmt: skip
