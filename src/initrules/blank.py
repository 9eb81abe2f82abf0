"""Blank parameters: ``no_init`` left out what would have drawn them, and put NaN into their memory.

It stands in the first, the middle and the last entry and touches three pages at most. Copies and casts keep
it, whatever is computed from it is NaN, and writing the whole tensor ends it: nothing has to remember which
parameters are blank, and nothing can be computed with them unseen.
"""

from __future__ import annotations

import cmath
import math
import threading

import torch

PROBES = 3  # entries that are NaN, at most
_LEFT = threading.Event()  # set once anything is left blank in this process, so that other models need no look


def leave_blank_(tensor: torch.Tensor) -> None:
    """Make a tensor that can be blank so, in place, without touching the rest of its memory."""
    _LEFT.set()
    numbers = tensor.detach()
    for index in _probes(numbers.shape):
        numbers[index] = math.nan


def is_blank(tensor: torch.Tensor) -> bool:
    """Whether nothing was written since it was left blank."""
    return can_be_blank(tensor) and all(_probed(tensor))


def has_blanks(tensor: torch.Tensor) -> bool:
    """Whether it is NaN where blank ones are, in a process that left any blank: not all of it was written since."""
    return _LEFT.is_set() and can_be_blank(tensor) and any(_probed(tensor))


def can_be_blank(tensor: torch.Tensor) -> bool:
    """Whether the tensor is a plain one of floating-point numbers with memory of its own kind."""
    return (
        (tensor.is_floating_point() or tensor.is_complex())
        and type(tensor) in _PLAIN
        and tensor.layout == torch.strided
        and not tensor.is_meta
        and tensor.numel() > 0
    )


_PLAIN = (torch.Tensor, torch.nn.Parameter)


def _probed(tensor: torch.Tensor) -> list[bool]:
    numbers = tensor.detach()
    return [cmath.isnan(numbers[index].item()) for index in _probes(numbers.shape)]


def _probes(shape: torch.Size) -> list[tuple[int, ...]]:
    """The indices of the first, the middle and the last entry."""
    places = ((0, size // 2, size - 1) for size in shape)
    return [*dict.fromkeys(zip(*places, strict=True))] if shape else [()]
