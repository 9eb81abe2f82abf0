"""What goes through a model that has its weights: signals forward, gradients backward, layer by layer.

The gradient is that of the model's own ``loss``, if its output has one; else of the sum of its outputs, each
times a random number of std 1, so that a gradient of 1 reaches every output. Nothing of a run is kept:
numbers are taken where values appear, before an operation in place can change them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from initrules.errors import ModelError
from initrules.readings import Run, Signal
from initrules.running import MODES, calls_of, restored, roots, run, tensors
from initrules.survey import modules_by_path


def signals(model: Any, inputs: Any, *, modes: Sequence[str] = MODES, seed: int = 0) -> tuple[Run, ...]:
    """Run ``model`` forward and backward on example inputs in each mode, and put everything back.

    ``inputs``: as for ``running.calls_of``. Modules without children, and those that own parameters, have a row each,
    in the order in which they ran; those that did not run stand last. Raises ``ModelError`` when the model cannot be
    run, or has no values.
    """
    if any(parameter.is_meta for root in roots(model) for parameter in root.parameters()):
        raise ModelError("the model is on the meta device, where nothing has a value", hint="Build it on 'cpu'.")
    return tuple(_in_mode(model, inputs, mode, seed) for mode in modes)


def _in_mode(model: Any, inputs: Any, mode: str, seed: int) -> Run:
    paths: dict[int, tuple[str, nn.Module]] = {}
    for path, _, module in modules_by_path(model):
        if isinstance(module, nn.Module) and (
            not module._modules or any(p is not None for p in module._parameters.values())
        ):
            paths.setdefault(id(module), (path, module))
    with restored(model, seed=seed):
        watch = _Watch({key: path for key, (path, _) in paths.items()})
        handles = [hook for _, module in paths.values() for hook in watch.hooks(module)]
        try:
            outputs = run(model, calls_of(model, inputs), mode)
        finally:
            for handle in handles:
                handle.remove()
        watch.returned(outputs)
        loss, said = _loss(outputs)
        if loss is not None:
            _backward(loss, mode)
        rows = tuple(_row(path, module, watch.seen.get(path)) for path, module in paths.values())
    order = {path: position for position, path in enumerate(watch.seen)}
    ranked = tuple(sorted(rows, key=lambda one: order.get(one.path, len(order))))
    return Run(mode, ranked, said, watch.first_bad, watch.first_bad_gradient)


def _backward(loss: Tensor, mode: str) -> None:
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        hint = "Look at the operations in place; --debug shows where it was raised."
        raise ModelError(f"the backward pass in {mode} mode raised {error}", hint=hint) from error


def _loss(outputs: tuple[Any, ...]) -> tuple[Tensor | None, str]:
    """What gradients are of, and its name."""
    own = [one.get("loss") if isinstance(one, Mapping) else getattr(one, "loss", None) for one in outputs]
    scalars = [one for one in own if isinstance(one, Tensor) and one.numel() == 1 and one.requires_grad]
    if scalars:
        return torch.stack([one.float() for one in scalars]).sum(), "the model's own loss"
    found = [one for one in tensors(outputs) if one.requires_grad]
    if not found:
        return None, "nothing: no output depends on a trainable parameter"
    parts = [(one.float() * torch.randn(one.shape, device=one.device)).sum() for one in found]
    return torch.stack([part.to(parts[0].device) for part in parts]).sum(), "random directions of std 1"


@dataclass(slots=True)
class _Sums:
    """What is known of one module so far: sums over calls, and which units gave something."""

    calls: int = 0
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    live: Tensor | None = None
    backs: int = 0
    back_squares: float = 0.0
    moved: Tensor | None = None
    problem: str | None = None


@dataclass(slots=True)
class _Watch:
    """Takes the numbers where values appear."""

    paths: Mapping[int, str]
    seen: dict[str, _Sums] = field(default_factory=dict)
    first_bad: str | None = None
    first_bad_gradient: str | None = None
    _since: str = "before the first layer"

    def hooks(self, module: nn.Module) -> Iterator[Any]:
        yield module.register_forward_pre_hook(self._enter, with_kwargs=True)
        yield module.register_forward_hook(self._leave)

    def _enter(self, module: nn.Module, positional: Any, named: Any) -> None:
        path = self.paths[id(module)]
        given = [one for one in pytree.tree_leaves((positional, named)) if isinstance(one, Tensor)]
        if self.first_bad is None and any(_bad(one, mask=True) for one in given if one.is_floating_point()):
            self.first_bad = f"made {self._since}, outside of any layer, and given to {_said(path)}"

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        path = self.paths[id(module)]
        sums = self.seen.setdefault(path, _Sums())
        sums.calls += 1
        for tensor in tensors(output):
            self._look(path, sums, module, tensor)
        self._since = f"after {_said(path)}"

    def returned(self, outputs: Any) -> None:
        """Look at what came out of the model: something after the last layer may have made it."""
        if self.first_bad is None and any(_bad(one, mask=True) for one in tensors(outputs)):
            self.first_bad = f"made {self._since}, outside of any layer, and returned"

    def _look(self, path: str, sums: _Sums, module: nn.Module, tensor: Tensor) -> None:
        values = tensor.detach()
        bad = _bad(values)
        if bad and self.first_bad is None:
            self.first_bad = f"made by {_said(path)}{_culprits(module)}: {bad}"
        sums.problem = sums.problem or bad
        wide = values.double()
        sums.count += wide.numel()
        sums.total += float(wide.sum())
        sums.squares += float(wide.square().sum())
        sums.live = _joined(sums.live, _per_unit(module, values != 0))
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: self._came(path, sums, module, gradient))  # type: ignore[no-untyped-call]

    def _came(self, path: str, sums: _Sums, module: nn.Module, gradient: Tensor) -> None:
        bad = _bad(gradient)
        if bad and self.first_bad_gradient is None:
            self.first_bad_gradient = f"reaches the output of {_said(path)} first: {bad}"
        sums.backs += gradient.numel()
        sums.back_squares += float(gradient.double().square().sum())
        sums.moved = _joined(sums.moved, _per_unit(module, gradient != 0))


def _said(path: str) -> str:
    return f"'{path}'" if path else "the model itself"


def _culprits(module: nn.Module) -> str:
    """The parameters and buffers of a module that are not finite themselves."""
    held = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    names = [f"'{name}'" for name, value in held if value.is_floating_point() and _bad(value)]
    return f", whose {' and '.join(names)} {'is' if len(names) == 1 else 'are'} not finite" if names else ""


def _bad(tensor: Tensor, *, mask: bool = False) -> str | None:
    """What is not finite; with ``mask`` minus infinity alone is fine, as attention masks have it."""
    if bool(tensor.isnan().any()):
        return f"{int(tensor.isnan().sum())} of {tensor.numel()} values are NaN"
    infinite = tensor == math.inf if mask else tensor.isinf()
    return f"{int(infinite.sum())} of {tensor.numel()} values are infinite" if bool(infinite.any()) else None


_CHANNELS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)


def _per_unit(module: nn.Module, true: Tensor) -> Tensor:
    """For each unit whether it holds for any input: channels of images (4 or 5 dimensions), else the last dimension."""
    if not true.ndim:
        return true.reshape(1)
    channel = 1 if true.ndim >= 4 or (isinstance(module, _CHANNELS_FIRST) and true.ndim > 1) else true.ndim - 1
    others = tuple(dim for dim in range(true.ndim) if dim != channel)
    return true.any(dim=others) if others else true


def _joined(before: Tensor | None, now: Tensor) -> Tensor:
    return now if before is None or before.shape != now.shape else before | now


def _row(path: str, module: nn.Module, sums: _Sums | None) -> Signal:
    kind = type(module).__name__.removeprefix("Parametrized")
    if sums is None or not sums.count:
        return Signal(path, kind, sums.calls if sums else 0, weights=_weights(module))
    mean = sums.total / sums.count
    std = math.sqrt(max(sums.squares / sums.count - mean**2, 0.0)) if sums.problem is None else math.nan
    back = math.sqrt(sums.back_squares / sums.backs) if sums.backs else None
    return Signal(
        path, kind, sums.calls, mean, std, _share(sums.live), back, _share(sums.moved), _weights(module), sums.problem
    )  # fmt: skip


def _share(true: Tensor | None) -> float | None:
    return None if true is None or not true.numel() else 1 - float(true.double().mean())


def _weights(module: nn.Module) -> float | None:
    """Norm of the gradients of its own trainable parameters, those under parametrizations included."""
    own = [p for name, p in module.named_parameters() if "." not in name or name.startswith("parametrizations.")]
    trainable = [p for p in own if p.requires_grad]
    if not trainable:
        return None
    return math.sqrt(sum(float(p.grad.detach().double().square().sum()) for p in trainable if p.grad is not None))
