"""Whether the entries of a parameter fit the law by which a plan draws them, without knowing the seed.

Each look is one test with a probability: that a correct model looks at least so odd. ``verification`` holds all of
them against one budget.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from initrules import tails
from initrules.actions import chain
from initrules.actions.base import shown
from initrules.actions.law import Law, normal
from initrules.actions.matrix import Orthogonal
from initrules.actions.packed import Parts
from initrules.actions.structured import DeltaOrthogonal, Sparse
from initrules.actions.transform import Normalize, Repeat, Scale
from initrules.fans import Target
from initrules.samples import Sums, distance, distance_between, sample, sums


@dataclass(frozen=True, slots=True)
class Look:
    """One test of a parameter: how likely a correct one looks so odd, and what was seen."""

    check: str
    probability: float
    message: str


class Measured(NamedTuple):
    """Sums that can be pooled with those of others of the same standardised law."""

    law: Law
    sums: Sums
    floor: Floor


class Floor(NamedTuple):
    """What rounding may do to a mean, in units of the std, and to a variance, relative."""

    mean: float
    variance: float

    @classmethod
    def of(cls, dtype: torch.dtype, law: Law) -> Floor:
        """Of entries rounded to a dtype, or drawn on its grid as torch draws uniform values."""
        if not dtype.is_floating_point:
            return cls(0.0, 0.0)
        info = torch.finfo(dtype)
        step = info.smallest_normal * info.eps / law.std
        size = max(abs(law.mean), *(abs(end) for end in (law.low, law.high) if math.isfinite(end)), law.std) / law.std
        rounding = info.eps * size + step
        return cls(rounding, rounding**2 + 8 * torch.finfo(torch.float32).eps)


class Untestable(Exception):  # noqa: N818  # it is no failure
    """Why the entries of a parameter cannot be tested without its seed."""


def examine(actions: Sequence[Any], tensor: torch.Tensor, target: Target) -> Iterator[Look | Measured]:
    """Every test of a drawn value. Raises ``Untestable`` when there is none."""
    if tensor.is_complex():
        raise Untestable("complex values are only recomputed")
    law = chain.law(actions, target)
    cleared = target.padding is not None and not actions[0].explicit
    if cleared and law is None:
        raise Untestable("a padding row was cleared afterwards")
    if isinstance(actions[0], Parts) and len(actions) == 1:
        yield from _parts(actions[0], tensor, target)
    elif isinstance(actions[0], Orthogonal | DeltaOrthogonal) and all(isinstance(one, Scale) for one in actions[1:]):
        gain = actions[0].gain * math.prod(one.factor for one in actions[1:])
        yield from _orthogonal(actions[0], gain, tensor, target)
    elif isinstance(actions[0], Sparse) and all(isinstance(one, Scale) for one in actions[1:]):
        yield from _sparse(actions[0], math.prod(one.factor for one in actions[1:]), tensor)
    elif isinstance(actions[-1], Normalize):
        yield _normalized(actions[-1], tensor)
    elif law is not None:
        yield from _drawn(law, _once(actions, tensor, target))
        yield from _repeated(actions, tensor)
    else:
        raise Untestable(f"it is not known how '{actions[0].name}' spreads its values")


def _once(actions: Sequence[Any], tensor: torch.Tensor, target: Target) -> torch.Tensor:
    """The entries that were drawn: without their repetitions, and without a padding row that is zero."""
    for action in actions:
        if isinstance(action, Repeat):
            tensor = tensor[:: action.times]
    if target.padding is None or actions[0].explicit:
        return tensor
    return torch.cat([tensor[: target.padding], tensor[target.padding + 1 :]])


def _repeated(actions: Sequence[Any], tensor: torch.Tensor) -> Iterator[Look]:
    """Whether each slice stands as often as the last ``repeat`` says."""
    if isinstance(actions[-1], Repeat):
        times = actions[-1].times
        same = torch.equal(tensor, tensor[::times].repeat_interleave(times, dim=0))
        yield Look("value", 1.0 if same else 0.0, f"does not repeat each slice of dimension 0 {times} times")


def _parts(action: Parts, tensor: torch.Tensor, target: Target) -> Iterator[Look | Measured]:
    for part, inner, piece in action.pieces(target):
        if not chain.is_fixed(inner):
            yield from examine(inner, tensor.narrow(part.dim, part.start, part.stop - part.start), piece)


def _drawn(law: Law, tensor: torch.Tensor) -> Iterator[Look | Measured]:
    if law.std <= 0:
        off = float((tensor.double() - law.mean).abs().max()) if tensor.numel() else 0.0
        wrong = off > torch.finfo(tensor.dtype).eps * abs(law.mean)
        yield Look("value", 0.0 if wrong else 1.0, f"is up to {off:.4g} away from {shown(float(law.mean))}")
        return
    found, floor = sums(tensor, law), Floor.of(tensor.dtype, law)
    if found.entries:
        yield Measured(law, found, floor)
        yield _range(law, found, tensor.dtype)
    if found.entries >= tails.LEAST:
        yield _shape(law, tensor, floor)
        yield from repeats(tensor)


def judged(measured: Measured) -> Iterator[Look]:
    """The tests of spread and mean, of one parameter or of several pooled."""
    law, (count, first, second, *_), floor = measured
    excess, deviation = second / count - 1, first / count
    spread = law.std * math.sqrt(max(0.0, second / count - deviation**2))
    yield Look(
        "spread", tails.of_squares(_beyond(excess, floor.variance), count, law),
        f"has std {spread:.4g} about its mean, the rule gives {law.std:.4g}" if abs(deviation) < 0.1 else
        f"is {law.std * math.sqrt(second / count):.4g} away from {law.mean:.4g} (root mean square), the rule's std is "
        f"{law.std:.4g}",
    )  # fmt: skip
    yield Look(
        "mean", tails.of_mean(_beyond(deviation, floor.mean), count, law),
        f"has mean {law.mean + deviation * law.std:.4g}, the rule gives {law.mean:.4g}",
    )  # fmt: skip


def _beyond(value: float, floor: float) -> float:
    """What of a deviation rounding does not explain."""
    return math.copysign(max(0.0, abs(value) - floor), value)


def _range(law: Law, found: Sums, dtype: torch.dtype) -> Look:
    ends = [abs(end) for end in (law.low, law.high) if math.isfinite(end)]
    room = 2 * torch.finfo(dtype).eps * max(ends, default=0.0)
    outside = found.low < law.low - room or found.high > law.high + room
    message = (
        f"has values from {found.low:.4g} to {found.high:.4g}, the rule's lie between {law.low:.4g} and {law.high:.4g}"
    )
    return Look("range", 0.0 if outside else 1.0, message)


def _shape(law: Law, tensor: torch.Tensor, floor: Floor) -> Look:
    entries = sample(tensor)
    room = torch.finfo(tensor.dtype).eps + floor.mean
    away = distance(entries, law)
    return Look(
        "shape", tails.of_distance(max(0.0, away - room), len(entries)),
        f"has another distribution than the rule's: its cumulative shares are {away:.3f} off (Kolmogorov-Smirnov)",
    )  # fmt: skip


def repeats(tensor: torch.Tensor) -> Iterator[Look]:
    """Whether slices of dimension 0 that are drawn one by one are copies of each other."""
    if tensor.ndim < 2 or len(tensor) < 2 or tensor[0].numel() < tails.LEAST:
        return
    heads = tensor.detach().flatten(1)[:_SLICES, :_HEAD].double()
    different = len(torch.unique(heads, dim=0))
    message = f"has slices along dimension 0 that are equal: {len(heads)} of them, {different} different"
    yield Look("copies", 0.0 if different < len(heads) else 1.0, message)


_SLICES, _HEAD = 2048, 64  # what of a weight is looked at for copies


def like(tensor: torch.Tensor, drawn: torch.Tensor, words: str) -> Look:
    """Whether a tensor has the distribution of another one that was drawn from its law."""
    one, other = sample(tensor), sample(drawn)
    away = distance_between(one, other)
    return Look(
        "shape", tails.of_distance_between(away, len(one)),
        f"has another distribution than {words}: its cumulative shares are {away:.3f} off (Kolmogorov-Smirnov)",
    )  # fmt: skip


def _orthogonal(
    action: Orthogonal | DeltaOrthogonal, gain: float, tensor: torch.Tensor, target: Target
) -> Iterator[Look]:
    if isinstance(action, DeltaOrthogonal):
        middle: Any = (slice(None), slice(None), *(size // 2 for size in target.shape[2:]))
        rest = tensor.clone()
        rest[middle] = 0
        around = int(rest.count_nonzero())
        yield Look("value", 0.0 if around else 1.0, f"has {around} entries beside the middle that are not zero")
        yield from _matrix(tensor[middle], gain)
        return
    split = action.splits(target)
    pieces = [tensor.narrow(p.dim, p.start, p.stop - p.start) for p in target.parts] if split else [tensor]
    for piece in pieces:
        yield from _matrix(piece.flatten(1), gain)


def _matrix(matrix: torch.Tensor, gain: float) -> Iterator[Look]:
    """Rows (or columns) of length |gain| that are orthogonal, and no special direction among them."""
    if not matrix.numel():
        return
    eps, single = torch.finfo(matrix.dtype).eps, torch.finfo(torch.float32).eps
    wide = matrix.detach().to(torch.promote_types(matrix.dtype, torch.float32))
    rows = wide if len(wide) <= wide.shape[1] else wide.mT
    largest = rows.shape[1]
    scale = gain**2 or 1.0
    residual = rows @ rows.mT
    residual.diagonal().sub_(gain**2)
    off = float(residual.abs().max()) / scale
    working = eps if matrix.dtype == torch.float64 else single
    allowed = 2 * eps + 8 * math.sqrt(largest) * working
    yield Look(
        "orthogonality", 0.0 if off > allowed else 1.0,
        f"is not orthogonal with gain {gain:.4g}: W·Wᵀ is up to {off * scale:.3g} off, {off / eps:.3g} eps "
        f"(rounding explains {allowed / eps:.3g})",
    )  # fmt: skip
    if off > allowed:
        return
    cosine = float(rows.double().sum()) / (abs(gain) or 1.0) / math.sqrt(rows.numel())
    message = f"is orthogonal, but no random matrix: its sum is {cosine:.3g} of the largest possible one"
    yield Look("shape", tails.of_cap(cosine, largest), message)


def _sparse(action: Sparse, factor: float, tensor: torch.Tensor) -> Iterator[Look | Measured]:
    zeros = math.ceil(action.sparsity * len(tensor))
    found = (tensor == 0).sum(dim=0)
    fewest = int(found.min()) if found.numel() else zeros
    yield Look("value", 0.0 if fewest < zeros else 1.0, f"has a column with {fewest} zeros, the rule gives {zeros}")
    if action.std * factor:
        yield from _drawn(normal(0.0, action.std * abs(factor)), tensor[tensor != 0])


def _normalized(action: Normalize, tensor: torch.Tensor) -> Look:
    dims = tuple(range(1 if action.per == "row" else 0, tensor.ndim))
    wide = tensor.detach().double()
    if action.std is not None:
        size, wanted, word = wide.std(dim=dims), action.std, "std"
    else:
        size, wanted, word = wide.norm(p=2, dim=dims), action.norm or 0.0, "norm"
    off = float((size - wanted).abs().max())
    wrong = off > (16 * torch.finfo(tensor.dtype).eps + 1e-5) * wanted
    return Look("value", 0.0 if wrong else 1.0, f"has a {word} that is up to {off:.3g} away from {wanted:.4g}")
