"""Building a model without drawing values that a plan will replace, or without memory for them."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from initrules.places import Place
from initrules.planning import PlanData
from initrules.resetting import reset_copy, seeded_globally

# Tensors that hold what was in memory before, with their version when they were left so.
_UNDRAWN: Any = WeakIdKeyDictionary()

_RANDOM = frozenset(
    getattr(torch.Tensor, name)
    for name in ("uniform_", "normal_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_", "random_")
)
_GIVEN = frozenset((
    torch.Tensor.fill_, torch.Tensor.zero_, torch.Tensor.copy_,
    nn.init.constant_, nn.init.ones_, nn.init.zeros_, nn.init.eye_, nn.init.dirac_,
))  # fmt: skip
# torch.nn.init reports these as one call each, before they reach the tensor
_FROM_INIT = frozenset(
    getattr(nn.init, name)
    for name in dir(nn.init)
    if name.startswith(("uniform", "normal", "xavier", "kaiming")) and name.endswith("_")
)
_ELSEWHERE = ("orthogonal_", "sparse_", "trunc_normal_")  # torch.nn.init draws these in other tensors, and copies


def is_undrawn(tensor: torch.Tensor) -> bool:
    """Whether a tensor still holds nothing, because it was built inside ``no_init``."""
    return tensor in _UNDRAWN and _UNDRAWN[tensor] == tensor._version


def any_undrawn() -> bool:
    """Whether there is any such tensor."""
    return len(_UNDRAWN) > 0


@contextlib.contextmanager
def no_init(*, meta: bool = False) -> Iterator[None]:
    """Build modules inside without drawing their parameters, which a plan will write afterwards.

    Random fills of parameters are left out, and so are computations with what they would have given;
    constants, buffers and everything else are built as always. What was left out is remembered: ``apply_``
    refuses a plan that gives such a parameter no value. ``meta``: parameters are put on the meta device as
    they are registered, so that they take no memory until ``materialize_``; buffers stay real. Other
    threads are not concerned.
    """
    if meta:
        with _parameters_on_meta():
            yield
        return
    mode = _Left()
    hook = register_module_parameter_registration_hook(mode.seen)
    try:
        with _copies_left_to(mode), mode:
            yield
    finally:
        hook.remove()
        mode.remember()


class _Left(TorchFunctionMode):
    """Leaves random fills of parameters out, and what would be computed from them."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()
        self._parameters: dict[int, nn.Parameter] = {}
        # Memory of all registered parameters, and of what holds nothing: kept, so that no address is used again.
        self._memory: dict[int, torch.UntypedStorage] = {}
        self._empty: dict[int, torch.UntypedStorage] = {}

    def seen(self, module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        """Note a parameter that a module registers."""
        del module, name
        if parameter is not None and threading.get_ident() == self.thread and not nn.parameter.is_lazy(parameter):
            self._parameters[id(parameter)] = parameter
            self._memory[_memory(parameter)] = parameter.untyped_storage()

    def leave(self, tensor: torch.Tensor) -> bool:
        """Whether a random fill of this tensor is left out; it is empty then."""
        memory = _memory(tensor)
        if not memory or not (isinstance(tensor, nn.Parameter) or memory in self._memory):
            return False
        self._empty[memory] = tensor.untyped_storage()
        return True

    def remember(self) -> None:
        """Keep in mind which parameters hold nothing."""
        for parameter in self._parameters.values():
            if _memory(parameter) in self._empty:
                _UNDRAWN[parameter] = parameter._version

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("tensor")
        first = first if isinstance(first, torch.Tensor) else None
        if first is not None and (func in _RANDOM or func in _FROM_INIT) and self.leave(first):
            return first
        if not self._empty:
            return func(*args, **kwargs)
        return self._beside_empty(func, first, args, kwargs)

    def _beside_empty(
        self, func: Any, first: torch.Tensor | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        tensors = [one for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor)]
        if not any(_memory(one) in self._empty for one in tensors):
            return func(*args, **kwargs)
        if first is not None and _memory(first) in self._empty and _in_place(func):
            if func not in _GIVEN:
                return first  # a change of what is not there
            others = [one for one in tensors if one is not first]
            if _is_whole(first) and not any(_memory(one) in self._empty for one in others):
                self._empty.pop(_memory(first))
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and func not in _GIVEN and _memory(result):
            self._empty[_memory(result)] = result.untyped_storage()
        return result


def _memory(tensor: torch.Tensor) -> int:
    """Where a tensor's storage lies; 0 for none."""
    if tensor.device.type == "meta" or tensor.layout != torch.strided or type(tensor) not in _PLAIN:
        return 0
    return tensor.untyped_storage().data_ptr()


_PLAIN = (torch.Tensor, nn.Parameter)


def _is_whole(tensor: torch.Tensor) -> bool:
    """Whether a tensor is all that its storage holds."""
    return tensor.numel() * tensor.element_size() == tensor.untyped_storage().nbytes()


def _in_place(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    return name.endswith("_") and not name.endswith("__")


@contextlib.contextmanager
def _copies_left_to(mode: _Left) -> Iterator[None]:
    """``torch.nn.init.orthogonal_`` and the like left out on this thread, while the mode is on."""
    before = {name: getattr(nn.init, name) for name in _ELSEWHERE}

    def wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def fill(tensor: torch.Tensor, *arguments: Any, **named: Any) -> Any:
            mine = threading.get_ident() == mode.thread
            return tensor if mine and mode.leave(tensor) else original(tensor, *arguments, **named)

        return fill

    made = {name: wrapped(original) for name, original in before.items()}
    for name, function in made.items():
        setattr(nn.init, name, function)
    try:
        yield
    finally:
        for name, function in made.items():
            if getattr(nn.init, name) is function:
                setattr(nn.init, name, before[name])


@contextlib.contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Parameters go to the meta device when a module registers them; ties survive."""
    thread = threading.get_ident()
    moved: Any = WeakIdKeyDictionary()

    def move(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        del module, name
        if parameter is None or parameter.device.type == "meta" or threading.get_ident() != thread:
            return parameter
        if nn.parameter.is_lazy(parameter):
            return parameter
        if parameter not in moved:
            moved[parameter] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
        found: nn.Parameter = moved[parameter]
        return found

    returns: Any = move  # torch takes what a hook returns, and its annotation does not say so
    hook = register_module_parameter_registration_hook(returns)
    try:
        yield
    finally:
        hook.remove()


def buffers_by_reset(planned: PlanData, places: Mapping[str, Place]) -> dict[str, torch.Tensor]:
    """Values for buffers on the meta device that no rule gives one, where their owner's reset method does.

    The running statistics of a batch norm are such; a table that a constructor computed is not.
    """
    found: dict[str, torch.Tensor] = {}
    copies: dict[int, nn.Module] = {}
    for row in planned.rows:
        place = places[row.path]
        if not row.parameter.buffer or row.parameter.device != "meta" or row.value is not None or not row.target.resets:
            continue
        if id(place.owner) not in copies:
            with seeded_globally(0):
                copies[id(place.owner)] = reset_copy(place.owner)
        value = copies[id(place.owner)].get_buffer(place.local)
        if not (value.is_floating_point() and bool(value.isnan().any())):
            found[row.path] = value
    return found
