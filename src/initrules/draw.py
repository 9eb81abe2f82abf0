"""The random draws of one parameter, from the stream keyed by (seed, canonical name, slot).

A parameter's values depend on its key alone: not on other layers, their order or the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from initrules import formula
from initrules.densities import cut_normal
from initrules.errors import ApplyError
from initrules.expression import Expression
from initrules.filling import Bell, Even, Fill, Flat, blocks, write_
from initrules.haar import orthogonal
from initrules.resetting import reset_copy, seeded_globally
from initrules.sharding import local
from initrules.streams import stream_key, stream_of, words_


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Values from outside one parameter: other parameters, parts just filled, checkpoints."""

    value: Callable[[str], torch.Tensor]
    stored: Callable[[str, str], torch.Tensor]
    parts: dict[str, torch.Tensor] = field(default_factory=dict)

    def parameter(self, path: str) -> torch.Tensor:
        """A part that was just filled, or another parameter as it is now."""
        return self.parts[path] if path in self.parts else self.value(path)


def at_once(fill: Fill) -> None:
    """Draw a fill now, on this thread."""
    for block in blocks(fill):
        write_(block)


class KeyedDraw:
    """Draws for one slot of one parameter, into tensors of working precision or of the parameter's own.

    ``later`` takes the fills; without it they are drawn at once. A second draw from the same slot has a
    stream of its own, numbered in the order of the calls.
    """

    def __init__(
        self,
        seed: int,
        name: str,
        owner: nn.Module,
        local: str,
        elsewhere: Elsewhere | None = None,
        slot: str = "",
        later: Callable[[Fill], None] = at_once,
    ) -> None:
        self._seed = seed
        self._name = name
        self._slot = slot
        self._owner = owner
        self._local = local
        self._elsewhere = elsewhere
        self._later = later
        self._drawn = 0

    def at(self, slot: str) -> KeyedDraw:
        """The draws of a slot below this one: another place in a chain, or another part."""
        below = f"{self._slot}/{slot}" if self._slot else slot
        return KeyedDraw(self._seed, self._name, self._owner, self._local, self._elsewhere, below, self._later)

    def parameter(self, path: str) -> torch.Tensor:
        """The value of another parameter after this run, or of a part."""
        assert self._elsewhere is not None
        return self._elsewhere.parameter(path)

    def remember(self, name: str, tensor: torch.Tensor) -> None:
        """Keep a part for formulas that name it."""
        assert self._elsewhere is not None
        self._elsewhere.parts[name] = tensor

    def computed(
        self, expression: Expression, tensor: torch.Tensor, tensors: Mapping[str, torch.Tensor], *, changes: bool
    ) -> torch.Tensor:
        """In double precision."""
        return in_double(expression, tensor, tensors, changes=changes)

    def stored(self, source: str, name: str) -> torch.Tensor:
        """A tensor of a checkpoint."""
        assert self._elsewhere is not None
        return self._elsewhere.stored(source, name)

    def permutation(self, size: int) -> torch.Tensor:
        """A random order of ``size`` indices: that of as many random words."""
        words = words_(np.arange(size, dtype=np.uint64), stream_of(self._next_key()))
        return torch.from_numpy(np.argsort(words, kind="stable"))

    def constant_(self, tensor: torch.Tensor, value: float) -> None:
        """Fill with one number."""
        here, section = local(tensor)
        self._later(Fill(here, None, Even(value), section))

    def uniform_(self, tensor: torch.Tensor, low: float, high: float) -> None:
        """Fill with draws from U(low, high)."""
        self._fill(tensor, Flat(low, high))

    def normal_(self, tensor: torch.Tensor, mean: float, std: float) -> None:
        """Fill with draws from N(mean, std²); a complex entry has variance std² in all."""
        if tensor.is_complex():
            at_once(self._request(torch.view_as_real(tensor), Bell(cut_normal(), 0.0, std / math.sqrt(2))))
            tensor.add_(mean)
        else:
            self._fill(tensor, Bell(cut_normal(), mean, std))

    def trunc_normal_(
        self, tensor: torch.Tensor, mean: float, std: float, low: float, high: float, *, inverse: bool = True
    ) -> None:
        """Fill with draws from N(mean, std²) cut to [low, high]."""
        del inverse  # the table of a cut density is as good for a wide interval as for a narrow one
        density = cut_normal((low - mean) / std, (high - mean) / std)
        self._fill(tensor, Bell(density, mean, std, (low, high)))

    def orthogonal_(self, tensor: torch.Tensor, gain: float) -> None:
        """Fill with a Haar-distributed (semi-)orthogonal matrix times ``gain``."""
        rows, columns = tensor.shape[0], tensor[0].numel()
        tall = torch.empty((min(rows, columns), max(rows, columns)), dtype=tensor.dtype, device="cpu")
        self.normal_(tall, 0.0, 1.0)
        matrix = orthogonal(tall, gain)
        tensor.copy_((matrix if rows < columns else matrix.mT).reshape(tensor.shape))

    def reset_(self, tensor: torch.Tensor) -> None:
        """Run the owner's reset method on a scratch copy and take this parameter's value from it.

        The method draws from torch's global generator, which is set from the key and put back. Raises
        ``ApplyError`` when the method does not write this parameter.
        """
        with seeded_globally(self._next_key()):
            scratch = reset_copy(self._owner)
        found = getattr(scratch, self._local).detach()
        if found.isnan().any():  # as the copy's parameters are until they are written
            raise ApplyError(
                f"the reset method of {type(self._owner).__name__} does not give it a value",
                hint="Name the distribution instead, or 'keep'.",
            )
        tensor.copy_(found)

    def _fill(self, tensor: torch.Tensor, law: Flat | Bell) -> None:
        self._later(self._request(torch.view_as_real(tensor) if tensor.is_complex() else tensor, law))

    def _request(self, tensor: torch.Tensor, law: Flat | Bell) -> Fill:
        here, section = local(tensor)
        return Fill(here, self._next_key(), law, section)

    def _next_key(self) -> int:
        slot = f"{self._slot}#{self._drawn}" if self._drawn else self._slot
        self._drawn += 1
        return stream_key(self._seed, self._name, slot)


def in_double(
    expression: Expression, tensor: torch.Tensor, tensors: Mapping[str, torch.Tensor], *, changes: bool
) -> torch.Tensor:
    """The value of a formula in double precision, on the CPU."""
    named = {name: _wide(one) for name, one in tensors.items()}
    value = formula.compute(expression, _wide(tensor) if changes else None, tuple(tensor.shape), named)
    return torch.as_tensor(np.array(value), device="cpu")


def _wide(tensor: torch.Tensor) -> Any:
    """The entries as numpy's, in double precision."""
    here = tensor.detach().cpu()
    return here.to(torch.complex128 if here.is_complex() else torch.float64).resolve_conj().numpy()
