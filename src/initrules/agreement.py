"""Ranks that write one model together must mean the same: they tell each other before the first write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from initrules.errors import ApplyError, RuleError


class Intent(NamedTuple):
    """What a rank is about to do; ``trouble``: why it will not."""

    rank: int
    seed: int
    fingerprint: str
    trouble: str | None


def groups(model: Any, meshes: Sequence[Any]) -> tuple[Any, ...]:
    """The process groups whose ranks write this model together, or hold copies of it."""
    if isinstance(model, DistributedDataParallel):
        return (model.process_group,)
    found: dict[int, Any] = {}
    for mesh in meshes:
        if mesh.get_coordinate() is not None:
            for axis in range(mesh.ndim):
                group = mesh.get_group(axis)
                found.setdefault(id(group), group)
    return tuple(found.values())


def disagreements(where: Sequence[Any], seed: int, fingerprint: str, trouble: str | None) -> Iterator[RuleError]:
    """Why the ranks of these groups cannot write together; every one of them must ask.

    Raises ``ApplyError`` when a rank does not answer, within the time limit of its group.
    """
    mine = Intent(dist.get_rank(), seed, fingerprint, trouble)
    known = {mine.rank: mine}
    for group in where:  # what is learned along one axis of a mesh is passed on along the next
        for other in _exchanged(known, group):
            known |= other
    yield from _problems(known, mine)


def _exchanged(known: dict[int, Intent], group: Any) -> list[dict[int, Intent]]:
    answers: list[Any] = [None] * dist.get_world_size(group)
    try:
        dist.all_gather_object(answers, known, group=group)
    except (RuntimeError, ValueError) as error:
        reason = re.sub(r"^\[[^]]*\] *", "", str(error)).partition(". ")[0].partition("\n")[0]
        raise ApplyError(
            f"not every rank answered: {reason}",
            hint="A rank has ended, or does not apply the plan; nothing was written on this one.",
        ) from None
    return answers


def _problems(known: Mapping[int, Intent], mine: Intent) -> Iterator[RuleError]:
    ranks = sorted(known)
    for rank in ranks:
        if known[rank].trouble and rank != mine.rank:
            yield ApplyError(
                f"rank {rank} cannot write: {known[rank].trouble}", hint="Nothing was written on any rank."
            )
    for what, values in (
        ("the seed", {rank: known[rank].seed for rank in ranks}),
        ("the plan", {rank: known[rank].fingerprint for rank in ranks}),
    ):
        if len(set(values.values())) > 1:
            yield ApplyError(
                f"{what} is not the same on all ranks: {_sides(values)}",
                hint="Give every rank the same rule files, variables and seed; nothing was written.",
            )


def _sides(values: Mapping[int, object]) -> str:
    """Which ranks have which value, the common one first."""
    common = [value for value, _ in Counter(values.values()).most_common()]
    return "; ".join(
        f"{value} on rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"
        for value in common
        for ranks in [[rank for rank, one in values.items() if one == value]]
    )


def owned_by_one(tensor: Any) -> bool:
    """Whether a whole value can be computed on one rank and told to the others: its mesh is the whole world."""
    return bool(tensor.device_mesh.size() == dist.get_world_size() > 1)


def told(compute: Callable[[], torch.Tensor], like: torch.Tensor, owner: int) -> torch.Tensor:
    """What ``compute`` gives on rank ``owner``, on every rank; ``like``: a tensor of its shape, dtype and device."""
    mine = dist.get_rank() == owner
    value = compute().contiguous() if mine else torch.empty(like.shape, dtype=like.dtype, device=like.device)
    if value.numel():
        dist.broadcast(value.view(-1).view(torch.uint8), owner)
    return value
