"""Fans by module role: how many inputs and outputs one entry of a weight connects.

``torch.nn.init`` reads fans from the shape alone: dimension 1 is the input, dimension 0 the
output, the rest is the receptive field. That is wrong for transposed and grouped convolutions, for
GPT-2's ``Conv1D`` and for packed weights, so torch's own classes are known by their role.
Other classes are read by shape, as torch does; a user's own class that only shares a name is one of them.
``layout="torch"`` gives what torch would read.
Source: Glorot & Bengio 2010 (fan_in, fan_out); He et al. 2015, sec. 2.2 (one filter's inputs).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from initrules.evaluation import Missing
from initrules.inventory import Module, Parameter, torch_names

_NOBODY = Module(types=())


class Fans(NamedTuple):
    """Inputs and outputs that one entry of a weight connects to."""

    fan_in: int
    fan_out: int


class Part(NamedTuple):
    """A named slice along dimension ``dim`` of a packed weight: entries ``start`` to ``stop``."""

    name: str
    dim: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Target:
    """What an action may know about the parameter that it gives a value to.

    ``each``: fans by module role of one part, ``whole``: of the weight as one. ``layout`` and
    ``split`` are what actions do unless they are told otherwise: fans by role and part by part, or
    as torch does. ``padding`` is the row that stays zero, ``resets`` the owner's reset method. ``met``
    is the name by which the value's rule met the parameter: what the value reads belongs to its owner.
    ``beside``: the names of the parts that are filled together with this one. ``stored``: the shape of
    the whole parameter, where this is a slice of it.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    each: Fans | Missing
    whole: Fans | Missing
    parts: tuple[Part, ...] = ()
    padding: int | None = None
    resets: str | None = None
    layout: str = "role"
    split: bool = True
    owner: Module = _NOBODY
    local: str = ""
    met: str = ""
    beside: tuple[str, ...] = ()
    stored: tuple[int, ...] | None = None

    @property
    def numel(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def part_shape(self) -> tuple[int, ...]:
        """The shape of one part, or the whole shape of a weight that is not packed."""
        return _part_shape(self.shape, self.parts)

    def fans(self, layout: str | None = None, parts: str | None = None) -> Fans | Missing:
        """Fans by ``layout`` (role or torch) of ``parts`` (each or whole)."""
        each = self.split if parts is None else parts == "each"
        if (layout or self.layout) == "torch":
            return shape_fans(self.part_shape if each else self.shape)
        return self.each if each else self.whole

    def slice(self, dim: int, start: int, stop: int) -> Target:
        """Entries ``start`` to ``stop`` along ``dim`` as a target of its own, with fans of its shape."""
        shape = (*self.shape[:dim], stop - start, *self.shape[dim + 1 :])
        stored = self.stored or self.shape
        fans = role_fans(self.owner, self.local, shape, stored)
        return replace(self, shape=shape, each=fans, whole=fans, parts=(), padding=None, stored=stored)


def target(
    parameter: Parameter,
    owner: Module,
    local: str,
    *,
    met: str = "",
    padding: int | None = None,
    as_torch: bool = False,
) -> Target:
    """Describe ``parameter`` as ``owner`` knows it under the local name ``local``, that is by the name ``met``."""
    shape = parameter.shape
    parts = parts_of(owner, local, shape)
    return Target(
        path=parameter.path,
        met=met or parameter.path,
        shape=shape,
        dtype=parameter.dtype,
        each=role_fans(owner, local, _part_shape(shape, parts)),
        whole=role_fans(owner, local, shape),
        parts=parts,
        padding=padding,
        resets=owner.resets,
        layout="torch" if as_torch else "role",
        split=not as_torch,
        owner=owner,
        local=local,
    )


def padding_row(owner: Module, local: str) -> int | None:
    """The row that an embedding keeps at zero."""
    row = owner.attributes.get("padding_idx") if local == "weight" and _is(owner, "Embedding", "EmbeddingBag") else None
    return row if isinstance(row, int) else None


def _part_shape(shape: tuple[int, ...], parts: tuple[Part, ...]) -> tuple[int, ...]:
    if not parts:
        return shape
    _, dim, start, stop = parts[0]
    return (*shape[:dim], stop - start, *shape[dim + 1 :])


def shape_fans(shape: tuple[int, ...]) -> Fans | Missing:
    """What ``torch.nn.init`` reads from a shape."""
    if len(shape) < 2:
        return Missing(f"a parameter with {len(shape)} dimension{'s' * (len(shape) != 1)} has no fans")
    field = math.prod(shape[2:])
    return Fans(shape[1] * field, shape[0] * field)


def role_fans(
    owner: Module, local: str, shape: tuple[int, ...], stored: tuple[int, ...] | None = None
) -> Fans | Missing:
    """Fans of a weight of this shape in this owner; ``stored`` is the whole of which it is a slice, if it is one."""
    whole = stored or shape
    if len(shape) < 2:
        return shape_fans(shape)
    field = math.prod(shape[2:])
    kinds = torch_names(owner.types)
    if local == "weight":
        groups = owner.attributes.get("groups", 1)
        groups = groups if isinstance(groups, int) else 1
        if kinds & _TRANSPOSED:  # weight (in, out / groups, *kernel)
            return Fans(max(1, shape[0] // groups) * field, shape[1] * field)
        if kinds & _CONVOLUTIONS:  # weight (out, in / groups, *kernel)
            return Fans(shape[1] * field, max(1, shape[0] // groups) * field)
        if "Bilinear" in kinds and len(shape) == 3:  # weight (out, in1, in2)
            return Fans(shape[1] * shape[2], shape[0])
        if _is_conv1d(owner, whole):  # weight (in, out)
            return Fans(shape[0], shape[1])
    if _is_expert_stack(owner, whole):  # one (out, in) matrix for each expert, or one (in, out)
        fan_in, fan_out = (1, 2) if _is_transposed_stack(owner, local, whole) else (2, 1)
        return Fans(shape[fan_in], shape[fan_out])
    return shape_fans(shape)


_CONVOLUTIONS = frozenset({"Conv1d", "Conv2d", "Conv3d"})
_TRANSPOSED = frozenset({"ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"})


def _is(owner: Module, *names: str) -> bool:
    return not torch_names(owner.types).isdisjoint(names)


def _is_conv1d(owner: Module, shape: tuple[int, ...]) -> bool:
    """GPT-2's layer of that name, which stores its weight as (in, out = ``nf``)."""
    named = any(kind.name == "Conv1D" for kind in owner.types)
    return named and len(shape) == 2 and owner.attributes.get("nf", shape[1]) == shape[1]


def _is_expert_stack(owner: Module, shape: tuple[int, ...]) -> bool:
    named = any("experts" in kind.name.lower() for kind in owner.types)
    return named and len(shape) == 3 and owner.attributes.get("num_experts", shape[0]) == shape[0]


def _is_transposed_stack(owner: Module, local: str, shape: tuple[int, ...]) -> bool:
    """Whether experts store (in, out): their class says so, or the width of the stream stands where inputs would."""
    told = owner.attributes.get("is_transposed")
    if isinstance(told, bool):
        return told
    width = owner.attributes.get("hidden_size", owner.attributes.get("hidden_dim"))
    stream = 2 if _reads_stream(local) else 1  # where (out, in) has the width of the stream
    return _reads_stream(local) is not None and width == shape[3 - stream] != shape[stream]


def _reads_stream(local: str) -> bool | None:
    """Whether a projection of an expert reads the stream, or writes into it; None when its name does not say."""
    if "down" in local:
        return False
    return True if "gate" in local or "up" in local else None


_GATES: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("i", "f", "g", "o"), "LSTMCell": ("i", "f", "g", "o"),
    "GRU": ("r", "z", "n"), "GRUCell": ("r", "z", "n"),
}  # fmt: skip


def parts_of(owner: Module, local: str, shape: tuple[int, ...]) -> tuple[Part, ...]:
    """The named parts of a packed weight or bias: ``q k v``, ``i f g o``, ``r z n``; else none."""
    if not shape or shape[0] <= 0:
        return ()
    if _is(owner, "MultiheadAttention") and local in {"in_proj_weight", "in_proj_bias"}:
        return _split(("q", "k", "v"), shape[0])
    if local.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
        for kind, gates in _GATES.items():
            if _is(owner, kind):
                return _split(gates, shape[0])
    return ()


def _split(names: tuple[str, ...], size: int) -> tuple[Part, ...]:
    each, rest = divmod(size, len(names))
    return () if rest else tuple(Part(name, 0, i * each, (i + 1) * each) for i, name in enumerate(names))
