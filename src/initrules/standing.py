"""What must hold for a model whatever its seed: its structure, finite values, padding rows, fresh estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from initrules.blank import PROBES, is_blank
from initrules.decision import Row
from initrules.effective import estimates, weight, whole
from initrules.inventory import Inventory, Parameter
from initrules.places import Place
from initrules.planning import PlanData
from initrules.verdict import Problem
from initrules.wrapping import is_finite

_FRESH = 0.99  # of the largest singular value: after apply, which iterates until nothing changes
_ABOUT = 0.8  # after torch's own 15 rounds


def structure_problems(planned: PlanData, live: Inventory) -> Iterator[Problem]:
    """Parameters that are gone, new, of another kind, or no longer one tensor."""
    now = {name.path: parameter for parameter in live.parameters for name in parameter.names}
    known = {name.path for row in planned.rows for name in row.parameter.names}
    for row in planned.rows:
        path = row.path
        if path not in now:
            yield Problem(path, "structure", "is not in the model")
            continue
        yield from _other_kind(row.parameter, now[path])
        for name in row.parameter.names[1:]:
            if now.get(name.path) is not now[path]:
                yield Problem(name.path, "tie", f"is no longer one tensor with '{path}'")
    for parameter in live.parameters:
        if parameter.path not in known:
            yield Problem(parameter.path, "structure", "is not in the plan")


def _other_kind(planned: Parameter, now: Parameter) -> Iterator[Problem]:
    if now.device == "meta":
        yield Problem(now.path, "structure", "is on the meta device and has no values")
    if now.lazy:
        yield Problem(now.path, "structure", "is lazy and has no values yet")
    elif now.shape != planned.shape:
        shapes = ["×".join(map(str, one.shape)) or "scalar" for one in (now, planned)]
        yield Problem(now.path, "structure", f"has shape {shapes[0]}, the plan is for {shapes[1]}")
    if now.dtype != planned.dtype:
        yield Problem(now.path, "structure", f"is {now.dtype}, the plan is for {planned.dtype}")


def row_problems(row: Row, place: Place, *, applied: bool) -> Iterator[Problem]:
    """Everything about one tensor that needs no knowledge of its values; ``applied``: by this package."""
    if row.parameter.buffer and row.value is None:
        return  # a mask may hold infinities
    tensor = weight(place)
    if not _all_finite(tensor):
        bad = tensor.numel() - int(tensor.float().isfinite().sum())
        if bad <= PROBES < tensor.numel() and is_blank(tensor):
            yield _about(row, "unchanged", "was built under 'no_init' and never written")
            return
        wraps = f" after its parametrization ({', '.join(_wraps(place))})" if place.parametrized else ""
        yield _about(row, "finite", f"has {bad:,} values of {tensor.numel():,} that are not finite{wraps}")
        return
    explicit = row.value is not None and row.value.actions[0].explicit
    padding = row.target.padding
    if padding is not None and not explicit and bool(tensor[padding].any()):
        yield _about(row, "padding", f"is not zero in row {padding}, the padding row")
    for held, better in estimates(place, hooks=applied):
        if held < (_FRESH if applied else _ABOUT) * better:
            yield _about(row, "parametrization", _stale(held, better))


def _all_finite(tensor: torch.Tensor) -> bool:
    """By the least and the largest value, where these can be had: without a mask as large as the tensor."""
    if tensor.is_complex() or tensor.itemsize < 2 or not tensor.numel():
        return is_finite(tensor)
    low, high = torch.aminmax(tensor)  # NaN if any is
    return bool(low.isfinite() & high.isfinite())


def _stale(held: float, better: float) -> str:
    norm = f"{better / held:.4g}" if held > 0 else "a wrong one"
    said = f"its vectors u and v estimate {held:.4g}, the largest singular value is {better:.4g}"
    return f"has spectral norm {norm} instead of 1: {said}"


def _wraps(place: Place) -> Mapping[str, Any]:
    return dict.fromkeys(type(one).__name__.lstrip("_").removesuffix("Hook") for one in place.chain)


def _about(row: Row, check: str, message: str) -> Problem:
    decision = row.value
    return Problem(
        row.path, check, message,
        rule=None if decision is None else decision.rule, span=None if decision is None else decision.span,
    )  # fmt: skip


def head(place: Place) -> bytes:
    """The first entries of what is stored, to find copies."""
    flat = whole(place.tensor()).reshape(-1)[:256]
    return flat.contiguous().view(torch.uint8).cpu().numpy().tobytes()
