"""Tensors on several ranks: replicas must be equal, shards of drawn values different."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import distributed

from initrules.agreement import groups
from initrules.inventory import Parameter
from initrules.places import places_of
from initrules.sharding import is_sharded, local, meshes
from initrules.survey import survey

_LEAST = 16  # entries: fewer may be equal by chance in a low precision


class Piece(NamedTuple):
    """What a rank holds of one parameter: which shard it is, a digest of its values, how many there are."""

    shard: tuple[int, ...]
    digest: str
    entries: int


def digests(model: Any) -> dict[str, str]:
    """A digest of what is stored for every parameter and buffer, by canonical name.

    Taken before an initialisation and given to ``verify`` as ``before``, they show what was never written.
    """
    return {path: piece.digest for path, piece in _pieces(model).items()}


def _pieces(model: Any) -> dict[str, Piece]:
    places = places_of(model)
    return {one.path: _piece(places[one.path].tensor()) for one in survey(model).parameters if _holds(one)}


def _holds(parameter: Parameter) -> bool:
    return not parameter.lazy and parameter.device != "meta"


def _piece(tensor: torch.Tensor) -> Piece:
    if not is_sharded(tensor):
        return Piece((), digest(tensor), tensor.numel())
    sharded: Any = tensor
    coordinate = sharded.device_mesh.get_coordinate() or ()
    shard = tuple(at for at, kind in zip(coordinate, sharded.placements, strict=False) if not kind.is_replicate())
    here, _ = local(tensor)
    return Piece(shard, digest(here), here.numel())


def digest(tensor: torch.Tensor) -> str:
    """A short hash of the bytes of a tensor."""
    flat: Any = tensor.detach().contiguous().reshape(-1).view(torch.uint8).cpu().numpy()
    return hashlib.blake2b(flat, digest_size=16).hexdigest()


def across_ranks(model: Any) -> Mapping[int, Mapping[str, Piece]]:
    """What every rank holds that has a part in the model, by rank; all of them must ask. Empty without others."""
    where = groups(model, meshes(place.tensor() for place in places_of(model).values()))
    if not where:
        return {}
    known = {distributed.get_rank(): _pieces(model)}
    for group in where:  # what is learned along one axis of a mesh is passed on along the next
        answers: list[Any] = [None] * distributed.get_world_size(group)
        distributed.all_gather_object(answers, known, group)
        known = {rank: pieces for answer in answers for rank, pieces in answer.items()}
    return dict(sorted(known.items()))


def disagreements(ranks: Mapping[int, Mapping[str, Piece]], drawn: frozenset[str]) -> Iterator[tuple[str, str]]:
    """For each parameter that is wrong across ranks: its name, and how."""
    for path in dict.fromkeys(path for rank in ranks.values() for path in rank):
        held = [(number, rank[path]) for number, rank in ranks.items() if path in rank]
        by_shard: dict[tuple[int, ...], tuple[int, Piece]] = {}
        by_digest: dict[str, tuple[int, Piece]] = {}
        for number, piece in held:
            first, replica = by_shard.setdefault(piece.shard, (number, piece))
            if replica.digest != piece.digest:
                yield path, f"differs between rank {first} and rank {number}, which hold replicas of it"
                break
            other, twin = by_digest.setdefault(piece.digest, (number, piece))
            if twin.shard != piece.shard and path in drawn and piece.entries >= _LEAST:
                yield path, f"has equal shards on rank {other} and rank {number}, which were drawn as one"
                break
