"""A module's own reset method, run on a scratch copy; torch's global generator, set from a key and put back."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from initrules.hooked import computed, unhook_
from initrules.survey import own_tensors


def reset_copy(owner: nn.Module) -> nn.Module:
    """A scratch copy of a module after its own reset method, which draws from torch's generator."""
    with torch.device("cpu"):
        scratch: Any = scratch_copy(owner)
        (getattr(scratch, "reset_parameters", None) or scratch._reset_parameters)()
    copied: nn.Module = scratch
    return copied


def scratch_copy(module: nn.Module) -> nn.Module:
    """A copy on the CPU that shares no tensor with the module, without parametrizations.

    Its parameters are NaN, so that a method that reads one before it writes it is found out; its
    buffers have their values, or are NaN too where the module is on the meta device.
    """
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        blank = torch.zeros(parameter.shape, dtype=parameter.dtype, device="cpu")
        memo[id(parameter)] = nn.Parameter(blank, parameter.requires_grad)
    for buffer in module.buffers():
        made = torch.zeros(buffer.shape, dtype=buffer.dtype, device="cpu")
        memo[id(buffer)] = _blank(made) if buffer.device.type == "meta" else made.copy_(buffer)
    for owner in module.modules():
        memo |= {id(weight): torch.zeros(weight.shape, dtype=weight.dtype) for weight in computed(owner)}
    copied = copy.deepcopy(module, memo)
    for owner in list(copied.modules()):
        unhook_(owner)
        if parametrize.is_parametrized(owner):
            _unwrap_(owner)
    for parameter in copied.parameters():
        _blank(parameter.data)
    return copied


def _unwrap_(owner: nn.Module) -> None:
    """Make parametrized weights plain ones. torch's own function would change the class, which copies share."""
    wrapped = [(local, tensor) for local, tensor, _, wraps in own_tensors(owner) if wraps]
    del owner._modules["parametrizations"]
    owner.__class__ = type(owner).__bases__[0]
    for local, tensor in wrapped:
        owner.register_parameter(local, nn.Parameter(tensor.detach().clone()))


def _blank(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.fill_(math.nan) if tensor.is_floating_point() or tensor.is_complex() else tensor


@contextlib.contextmanager
def seeded_globally(key: int) -> Iterator[None]:
    """Set torch's global generator for the CPU from a 128-bit key, and put it back afterwards.

    ``torch.manual_seed`` would reseed the generators of every other device too, and only the low 32
    bits of a seed count in this generator: two of a few ten thousand keys would give the same numbers.
    So the whole state of its Mersenne twister is set.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.set_state(keyed_generator(key).get_state())
    try:
        with one_thread():
            yield
    finally:
        generator.set_state(before)


_WORDS = 624  # of the Mersenne twister's state (Matsumoto & Nishimura 1998), 64 bits each in torch's record
_AT = 24  # bytes before them: the seed (8), the number left (4), a mark (4), the next (8)


def keyed_generator(key: int) -> torch.Generator:
    """A CPU generator whose Mersenne twister is seeded with all bits of a key.

    Source: Matsumoto & Nishimura 2002, ``init_by_array``, as numpy's ``RandomState`` does it.
    """
    words = [key >> shift & 0xFFFFFFFF for shift in range(0, 128, 32)]
    drawn: Any = np.random.RandomState(words).get_state(legacy=False)  # it takes an array
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state().numpy()
    state[_AT : _AT + 8 * _WORDS] = drawn["state"]["key"].astype(np.uint64).view(np.uint8)
    generator.set_state(torch.from_numpy(state))
    return generator


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: blocked matrix routines round differently on more of them."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
