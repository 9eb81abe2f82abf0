"""Replicas are equal and shards are not: told from what each rank holds, and in worlds of two ranks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

import initrules
from initrules.replicas import Piece, across_ranks, digest, digests, disagreements
from ranks import world
from support import isolated

RULES = (
    "initrules: 1\nrules: [{rule: r, select: {type: Linear}, set: {weight: {normal: {std: 1}}, bias: zeros}},"
    " {rule: e, select: {type: Embedding}, set: {weight: {orthogonal: {gain: 2}}}}]"
)


def piece(digest_: str, *shard: int, entries: int = 100) -> Piece:
    return Piece(shard, digest_, entries)


@pytest.mark.parametrize(("ranks", "found"), [
    pytest.param({0: {"w": piece("a")}, 1: {"w": piece("a")}}, [], id="equal replicas"),
    pytest.param({0: {"w": piece("a")}, 3: {"w": piece("b")}},
                 [("w", "differs between rank 0 and rank 3, which hold replicas of it")], id="different replicas"),
    pytest.param({0: {"w": piece("a", 0)}, 1: {"w": piece("b", 1)}}, [], id="different shards"),
    pytest.param({0: {"w": piece("a", 0)}, 1: {"w": piece("a", 1)}},
                 [("w", "has equal shards on rank 0 and rank 1, which were drawn as one")], id="equal shards"),
    pytest.param({0: {"b": piece("a", 0)}, 1: {"b": piece("a", 1)}}, [], id="equal shards of a constant"),
    pytest.param({0: {"w": piece("a", 0, entries=2)}, 1: {"w": piece("a", 1, entries=2)}}, [], id="of few values"),
    pytest.param({0: {"w": piece("a", 0)}, 1: {"w": piece("b", 1)}, 2: {"w": piece("c", 0)}},
                 [("w", "differs between rank 0 and rank 2, which hold replicas of it")], id="replicas of a shard"),
    pytest.param({0: {"w": piece("a")}, 1: {"v": piece("b")}}, [], id="stages of a pipeline"),
])  # fmt: skip
def test_disagreements(ranks: dict[int, dict[str, Piece]], found: list[tuple[str, str]]) -> None:
    assert list(disagreements(ranks, frozenset({"w", "v"}))) == found


def test_digests_are_those_of_the_bytes() -> None:
    zero = torch.zeros(2, 3)
    assert digest(zero) == digest(zero.T.contiguous().T) == digest(torch.zeros(6))
    assert digest(zero) != digest(-zero) != digest(torch.ones(2, 3))
    assert digest(torch.zeros(())) != digest(torch.zeros((), dtype=torch.float64))
    lazy: Any = nn.Sequential(isolated(nn.Linear)(2, 2), nn.LazyLinear(3), nn.Linear(2, 2, device="meta"))
    assert set(digests(lazy)) == {"0.weight", "0.bias"}


def test_without_other_ranks() -> None:
    assert across_ranks(isolated(nn.Linear)(2, 2)) == {}


def built() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 8), nn.Embedding(6, 6))


def told(verdict: initrules.Verification) -> list[tuple[str, str, str]]:
    return [(problem.subject, problem.check, problem.message) for problem in verdict.problems]


def replicated(rank: int, size: int) -> list[Any]:
    """A data-parallel model, right and then with a rank that went its own way."""
    del size
    model = DistributedDataParallel(built())
    plan = initrules.plan(model, initrules.from_text(RULES))
    plan.apply_(seed=0)
    right = [told(initrules.verify(model, plan, seed=seed)) for seed in (0, None)]
    if rank == 1:
        with torch.no_grad():
            model.module[0].weight[0, 0] += 0.01
    return [right, told(initrules.verify(model, plan))]


def sharded(rank: int, size: int) -> list[Any]:
    """A sharded model, right and then with one seed on every rank."""
    mesh = init_device_mesh("cpu", (size,))
    model = built()
    model[0].weight = nn.Parameter(distribute_tensor(model[0].weight.detach(), mesh, [Shard(0)]))
    plan = initrules.plan(model, initrules.from_text(RULES))
    plan.apply_(seed=0)
    right = [told(initrules.verify(model, plan, seed=seed)) for seed in (0, None)]
    weight: DTensor = model[0].weight
    with torch.no_grad():
        weight.to_local().copy_(torch.randn(4, 12, generator=torch.Generator().manual_seed(0)))
    wrong = told(initrules.verify(model, plan))
    assert dist.get_rank() == rank
    return [right, wrong]


def test_a_data_parallel_model() -> None:
    wrong = [("0.weight", "replica", "differs between rank 0 and rank 1, which hold replicas of it")]
    assert world(2, replicated) == [[[[], []], wrong]] * 2


def test_a_sharded_model() -> None:
    for right, wrong in world(2, sharded):
        assert right == [[], []]
        assert [one for one in wrong if one[1] != "copies"] == [
            ("0.weight", "replica", "has equal shards on rank 0 and rank 1, which were drawn as one")
        ]
