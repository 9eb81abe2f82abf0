"""Streams: the random numbers of each parameter, keyed by (seed, canonical name, slot).

A parameter's values depend on its key alone: not on other layers, their order or the number of
threads. Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") is keyed with
128 bits of BLAKE2b over seed, name and slot, so that no two parameters share a stream.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from initrules import formula
from initrules.errors import ApplyError
from initrules.expression import Expression
from initrules.hooked import computed, unhook_
from initrules.survey import own_tensors


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Values from outside one parameter: other parameters, parts just filled, checkpoints."""

    value: Callable[[str], torch.Tensor]
    stored: Callable[[str, str], torch.Tensor]
    parts: dict[str, torch.Tensor] = field(default_factory=dict)

    def parameter(self, path: str) -> torch.Tensor:
        """A part that was just filled, or another parameter as it is now."""
        return self.parts[path] if path in self.parts else self.value(path)


class KeyedDraw:
    """Draws for one slot of one parameter, into contiguous CPU tensors of working precision."""

    def __init__(
        self, seed: int, name: str, owner: nn.Module, local: str, elsewhere: Elsewhere | None = None, slot: str = ""
    ) -> None:
        self._seed = seed
        self._name = name
        self._slot = slot
        self._key = stream_key(seed, name, slot)
        self._random = np.random.Generator(np.random.Philox(key=self._key))
        self._owner = owner
        self._local = local
        self._elsewhere = elsewhere

    def at(self, slot: str) -> KeyedDraw:
        """The draws of a slot below this one: another place in a chain, or another part."""
        below = f"{self._slot}/{slot}" if self._slot else slot
        return KeyedDraw(self._seed, self._name, self._owner, self._local, self._elsewhere, below)

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
        """A random order of ``size`` indices."""
        return torch.from_numpy(self._random.permutation(size))

    def uniform_(self, tensor: torch.Tensor, low: float, high: float) -> None:
        """Fill with draws from U(low, high)."""
        flat = _real_entries(tensor)
        drawn = self._random.random(flat.numel(), dtype=_numpy(flat))
        flat.copy_(torch.from_numpy(drawn)).mul_(high - low).add_(low)

    def normal_(self, tensor: torch.Tensor, mean: float, std: float) -> None:
        """Fill with draws from N(mean, std²); a complex entry has variance std² in all."""
        flat = _real_entries(tensor)
        drawn = self._random.standard_normal(flat.numel(), dtype=_numpy(flat))
        flat.copy_(torch.from_numpy(drawn)).mul_(std / math.sqrt(2) if tensor.is_complex() else std)
        tensor.add_(mean)

    def trunc_normal_(
        self, tensor: torch.Tensor, mean: float, std: float, low: float, high: float, *, inverse: bool = True
    ) -> None:
        """Fill with draws from N(mean, std²) cut to [low, high], by the inverse of its distribution."""
        del inverse  # always
        flat = _real_entries(tensor)
        below, above = (math.erf((side - mean) / (std * math.sqrt(2))) for side in (low, high))
        position = torch.from_numpy(self._random.random(flat.numel())).mul_(above - below).add_(below)
        drawn = torch.erfinv(position.clamp_(-1 + 2**-53, 1 - 2**-53)).mul_(std * math.sqrt(2)).add_(mean)
        flat.copy_(drawn.clamp_(low, high))

    def orthogonal_(self, tensor: torch.Tensor, gain: float) -> None:
        """Fill with a Haar-distributed (semi-)orthogonal matrix times ``gain``.

        Source: Mezzadri 2007: QR of a normal matrix, with the signs of R's diagonal made positive.
        """
        rows, columns = tensor.shape[0], tensor[0].numel()
        wide = rows < columns
        drawn = torch.empty((columns, rows) if wide else (rows, columns), dtype=tensor.dtype, device="cpu")
        self.normal_(drawn, 0.0, 1.0)
        with one_thread():
            q, r = torch.linalg.qr(drawn)
        q *= r.diagonal().sgn()
        tensor.copy_((q.mH if wide else q).reshape(tensor.shape)).mul_(gain)

    def reset_(self, tensor: torch.Tensor) -> None:
        """Run the owner's reset method on a scratch copy and take this parameter's value from it.

        The method draws from torch's global generator, which is set from the key and put back. Raises
        ``ApplyError`` when the method does not write this parameter.
        """
        with seeded_globally(self._key):
            scratch = reset_copy(self._owner)
        found = getattr(scratch, self._local).detach()
        if found.isnan().any():  # as the copy's parameters are until they are written
            raise ApplyError(
                f"the reset method of {type(self._owner).__name__} does not give it a value",
                hint="Name the distribution instead, or 'keep'.",
            )
        tensor.copy_(found)


def in_double(
    expression: Expression, tensor: torch.Tensor, tensors: Mapping[str, torch.Tensor], *, changes: bool
) -> torch.Tensor:
    """The value of a formula in double precision, on the CPU."""
    named = {name: _wide(one) for name, one in tensors.items()}
    value = formula.compute(expression, _wide(tensor) if changes else None, tuple(tensor.shape), named)
    return torch.as_tensor(np.array(value), device="cpu")


def reset_copy(owner: nn.Module) -> nn.Module:
    """A scratch copy of a module after its own reset method, which draws from torch's generator."""
    with torch.device("cpu"):
        scratch: Any = scratch_copy(owner)
        (getattr(scratch, "reset_parameters", None) or scratch._reset_parameters)()
    copied: nn.Module = scratch
    return copied


def stream_key(seed: int, name: str, slot: str = "") -> int:
    """The 128-bit key of one stream."""
    text = f"{seed}\0{name}\0{slot}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16, person=b"initrules").digest(), "little")


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
    """Set torch's global generator for the CPU from a key, and put it back afterwards.

    ``torch.manual_seed`` would reseed the generators of every other device too. Only the low 32 bits
    of a key count in this generator.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(key % 2**63)
    try:
        with one_thread():
            yield
    finally:
        generator.set_state(before)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: blocked matrix routines round differently on more of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _real_entries(tensor: torch.Tensor) -> torch.Tensor:
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).view(-1)


def _wide(tensor: torch.Tensor) -> Any:
    """The entries as numpy's, in double precision."""
    here = tensor.detach().cpu()
    return here.to(torch.complex128 if here.is_complex() else torch.float64).resolve_conj().numpy()


def _numpy(flat: torch.Tensor) -> Any:
    return np.float64 if flat.dtype == torch.float64 else np.float32
