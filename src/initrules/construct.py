"""Building a model without drawing values that a plan will replace, or without memory for them."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from initrules.blank import can_be_blank, is_blank, leave_blank_


@contextlib.contextmanager
def no_init(*, meta: bool = False) -> Iterator[None]:
    """Build modules inside without drawing their parameters, which a plan will write afterwards.

    Left out are random draws into a whole parameter, in place, by ``torch.nn.init`` or a tensor's own
    methods, whoever asks for them (torch's layers, transformers' ``_init_weights``, your code), and
    arithmetic in place on what they would have given. Everything else is done as always: constants,
    buffers, rows of padding, and values that are computed before they become a parameter, such as
    ``nn.Parameter(torch.randn(8))``. A parameter that was left out holds NaN until it is written, and
    ``apply_`` refuses a plan that gives it no value.

    ``meta``: plain parameters go to the meta device when a module registers them, so that they take no
    memory until ``materialize_`` gives each the value of a rule; ties survive and buffers stay real.
    Contexts may be nested; other threads are not concerned.
    """
    with _WithoutDraws(), _parameters_on_meta() if meta else contextlib.nullcontext():
        yield


class _WithoutDraws(TorchFunctionMode):
    """Sees every call of torch in this thread, and answers draws into parameters itself."""

    def __init__(self) -> None:
        super().__init__()
        self._data: Any = WeakIdKeyDictionary()  # tensors that are the data of a parameter

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        tensor = args[0] if args else kwargs.get("tensor")
        if not (isinstance(tensor, torch.Tensor) and self._is_parameter(tensor)):
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _DRAWS or (name in _ARITHMETIC and is_blank(tensor)):
            leave_blank_(tensor)
            return tensor
        if func == _IS_META and sys._getframe(1).f_code in _ASKING:
            leave_blank_(tensor)
            return True
        result = func(*args, **kwargs)
        if func == _DATA or name == "detach":
            self._data[result] = True
        return result

    def _is_parameter(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is a whole plain parameter, or its data, that can be left blank."""
        return (type(tensor) is nn.Parameter or tensor in self._data) and can_be_blank(tensor)


# Functions are known by their names: transformers puts its own in the place of those of torch.nn.init.
_DRAWS = frozenset((
    "uniform_", "normal_", "kaiming_uniform_", "exponential_", "cauchy_", "log_normal_", "geometric_", "bernoulli_",
    "random_",
))  # fmt: skip
# Arithmetic on NaN gives NaN, but for the last two, and would touch all of the memory.
_ARITHMETIC = frozenset((
    "add_", "sub_", "mul_", "div_", "pow_", "clamp_", "clamp_min_", "clamp_max_", "erfinv_", "exp_", "log_", "sqrt_",
    "neg_", "abs_", "sign_", "nan_to_num_",
))  # fmt: skip
# These leave a tensor alone that says it is on the meta device: so they need no replacement, and are met also
# where they were imported by name. (A torch of before 2.13 may not ask, and draws.)
_ASKING = frozenset(getattr(nn.init, name).__code__ for name in ("orthogonal_", "sparse_", "_no_grad_trunc_normal_"))
_IS_META = torch.Tensor.is_meta.__get__  # type: ignore[attr-defined]
_DATA = torch.Tensor.data.__get__  # type: ignore[attr-defined]


@contextlib.contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Parameters go to the meta device when a module registers them; ties survive."""
    thread = threading.get_ident()
    moved: Any = WeakIdKeyDictionary()

    def move(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        del module, name
        if type(parameter) is not nn.Parameter or parameter.is_meta or threading.get_ident() != thread:
            return parameter
        if parameter not in moved:
            moved[parameter] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
            vars(moved[parameter]).update(vars(parameter))  # marks that the model's own code put on it
        found: nn.Parameter = moved[parameter]
        return found

    returns: Any = move  # torch takes what a hook returns, and its annotation does not say so
    hook = register_module_parameter_registration_hook(returns)
    try:
        yield
    finally:
        hook.remove()
