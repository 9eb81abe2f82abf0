"""Names that are alike, and an inventory with one of each kind."""

from __future__ import annotations

import torch
from torch import nn

from initrules.kinds import Kinds, apart
from initrules.survey import survey
from support import isolated


@isolated
def pairs() -> nn.Module:
    """Two pairs of a layer and an activation: names 0, 1 2 3, 4 5 6; parameters two by two."""
    return nn.Sequential(*(nn.Sequential(nn.Linear(1, 1), nn.ReLU()) for _ in range(2)))


def kinds() -> Kinds:
    return Kinds(survey(pairs()).columns, [0, 1, 2, 3, 1, 2, 3], [0, 1, 2, 3])


def test_apart() -> None:
    inventory = survey(pairs())
    alone = apart(inventory.columns)
    assert (alone.inventory, [*map(tuple, alone.members)]) == (inventory, [(name,) for name in range(7)])


def test_one_of_each_kind() -> None:
    found = kinds().inventory
    assert [name.path for name in found.names] == ["", "0", "0.0", "0.1"]
    assert [(name.parent, name.next) for name in found.names] == [(None, None), (0, 1), (1, 3), (1, None)]
    assert [parameter.path for parameter in found.parameters] == ["0.0.weight", "0.0.bias"]
    assert found.modules == tuple(survey(pairs()).modules)[:4]


def test_what_stands_for_what() -> None:
    some = kinds()
    assert [*map(tuple, some.members)] == [(0,), (1, 4), (2, 5), (3, 6)]
    assert (some.count([0]), some.count([0, 1]), some.count([])) == (2, 4, 0)
    assert (some.modules([0, 2]), some.modules([])) == (3, 0)
    assert [*some.parameters([1])] == [1, 3]
    assert tuple(some.paths([1, 0])) == ("0.0.weight", "0.0.bias", "1.0.weight", "1.0.bias")
    assert [some.reduced(position) for position in range(4)] == [0, 1, 0, 1]


def test_split_tells_apart_what_stands_below_too() -> None:
    found = kinds().split(lambda name: name == 4)
    assert ([*found.of], [*found.firsts]) == ([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6])
    below = kinds().split(lambda name: name == 5)
    assert ([*below.of], [*below.firsts]) == ([0, 1, 2, 3, 1, 4, 3], [0, 1, 2, 3, 5])


def test_shared_tensors_keep_all_their_names() -> None:
    model = isolated(pairs)()
    model[1][0].weight = model[0][0].weight  # type: ignore[index]
    inventory = survey(model)
    assert inventory.columns.alone == {2, 5}
    assert apart(inventory.columns).inventory == inventory
    (weight, *_) = inventory.parameters
    assert [name.path for name in weight.names] == ["0.0.weight", "1.0.weight"]
    assert torch.equal(model[1][0].weight, model[0][0].weight)  # type: ignore[index]
