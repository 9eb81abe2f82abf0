"""What is seen of drawn values: chains, parts, repetitions, and what cannot be tested."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

import initrules
from initrules.actions.law import normal, uniform
from initrules.places import places_of
from initrules.planning import PlanData
from initrules.samples import Sums
from initrules.statistical import Floor, Look, Measured, Untestable, examine, judged, like
from support import isolated, planned
from writing import One


def seen(module: nn.Module, value: str, *, key: str = "weight", change: Any = None) -> list[Look | Measured]:
    """What is seen of one parameter after its rule was applied."""
    plan: PlanData = planned(f"rules: [{{rule: r, select: '', set: {{{key}: {value}}}}}]", module)
    initrules.apply_(module, plan.rules, seed=0)
    tensor = places_of(module)[key].tensor()
    if change is not None:
        with torch.no_grad():
            change(tensor)
    row = plan.row(key)
    assert row is not None
    assert row.value is not None
    with torch.no_grad():
        return list(examine(row.value.actions, tensor, row.target))


def odd(found: list[Look | Measured]) -> list[str]:
    """The checks that say what no correct model shows."""
    looks = [look for one in found for look in (judged(one) if isinstance(one, Measured) else (one,))]
    return [look.check for look in looks if look.probability < 1e-9]


PARTS = "{parts: {i: orthogonal, f: eye, '*': {normal: {std: 1}}}}"
LEVEL = "[{normal: {std: 1}}, {normalize: {norm: 2, per: row}}]"


def linear(rows: int = 60, columns: int = 60) -> Any:
    return isolated(nn.Linear)(columns, rows)


@pytest.mark.parametrize(("module", "key", "value", "change", "check"), [
    pytest.param(isolated(nn.LSTM)(20, 20), "weight_hh_l0", "orthogonal", None, [], id="parts, each orthogonal"),
    pytest.param(isolated(nn.LSTM)(20, 20), "weight_hh_l0", "orthogonal", lambda t: t[:20].mul_(2),
                 ["orthogonality"], id="one of them is not"),
    pytest.param(isolated(nn.LSTM)(20, 20), "weight_hh_l0", PARTS,
                 None, [], id="parts of different kinds"),
    pytest.param(isolated(nn.LSTM)(20, 20), "weight_hh_l0", PARTS,
                 lambda t: t[60:].mul_(1.5), ["spread"], id="the last of them scaled"),
    pytest.param(isolated(nn.Conv2d)(8, 16, 3), "weight", "{delta_orthogonal: {gain: 2}}", None, [], id="a kernel"),
    pytest.param(isolated(nn.Conv2d)(8, 16, 3), "weight", "{delta_orthogonal: {gain: 2}}",
                 lambda t: t[:, :, 0].fill_(1), ["value"], id="with something beside the middle"),
    pytest.param(linear(), "weight", "[orthogonal, {scale: 0.5}]", None, [], id="orthogonal and scaled"),
    pytest.param(linear(), "weight", "{orthogonal: {gain: 0}}", None, [], id="orthogonal with gain 0"),
    pytest.param(linear(), "weight", "[{sparse: {sparsity: 0.5}}, {scale: 3}]", None, [], id="sparse and scaled"),
    pytest.param(linear(), "weight", "[{sparse: {sparsity: 0.5}}, {scale: 3}]", lambda t: t.mul_(2),
                 ["spread", "shape"], id="scaled once more"),
    pytest.param(linear(), "weight", "{sparse: {sparsity: 1}}", None, [], id="nothing but zeros"),
    pytest.param(linear(), "weight", "[{normal: {std: 1}}, {repeat: {times: 3}}]", None, [], id="repeated"),
    pytest.param(linear(), "weight", LEVEL, None, [], id="normalized"),
    pytest.param(linear(), "weight", LEVEL, lambda t: t[3].mul_(1.1),
                 ["value"], id="but for one row"),
    pytest.param(linear(), "weight", "{normal: {std: 0, mean: 2}}", None, [], id="without a spread"),
    pytest.param(linear(), "weight", "{normal: {std: 0, mean: 2}}", lambda t: t[0].add_(1),
                 ["value"], id="but with one"),
    pytest.param(linear(), "weight", "{uniform: {bound: 1}}", lambda t: t.sign_(),
                 ["spread", "shape"], id="only the ends"),
    pytest.param(linear(100, 100), "weight", "{normal: {std: 1}}", lambda t: t.tanh_().div_(t.std()),
                 ["shape"], id="the right spread, another shape"),
    pytest.param(linear(4, 4), "weight", "{normal: {std: 1}}", lambda t: t.mul_(9),
                 ["spread"], id="as few as can be tested"),
    pytest.param(One(torch.empty(0, 4)), "weight", "{orthogonal: {gain: 1}}", None, [], id="an empty matrix"),
    pytest.param(One(torch.empty(0, 4)), "weight", "{normal: {std: 0}}", None, [], id="no values"),
])  # fmt: skip
def test_what_is_seen(module: nn.Module, key: str, value: str, change: Any, check: list[str]) -> None:
    assert odd(seen(module, value, key=key, change=change)) == check


@pytest.mark.parametrize(("module", "value", "reason"), [
    pytest.param(One(torch.zeros(4, 4, dtype=torch.complex64)), "{normal: {std: 1}}",
                 "complex values are only recomputed", id="complex"),
    pytest.param(isolated(nn.Embedding)(9, 9, padding_idx=0), "orthogonal", "a padding row was cleared afterwards",
                 id="a padding row of an orthogonal matrix"),
    pytest.param(linear(), "[{normal: {std: 1}}, {formula: x**3}]", "it is not known how 'normal' spreads its values",
                 id="a formula of a draw"),
])  # fmt: skip
def test_what_cannot_be_tested(module: nn.Module, value: str, reason: str) -> None:
    with pytest.raises(Untestable) as caught:
        seen(module, value)
    assert str(caught.value) == reason


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_is_no_problem(dtype: torch.dtype) -> None:
    """The values of a normal around 1 whose std is a step of the dtype."""
    module = isolated(nn.Linear)(300, 300).to(dtype)
    std = 2 * torch.finfo(dtype).eps
    assert odd(seen(module, f"{{normal: {{mean: 1, std: {std}}}}}")) == []


def test_the_floor_is_that_of_the_dtype() -> None:
    law = uniform(-1, 1)
    assert Floor.of(torch.int64, law) == (0, 0)
    single, half = Floor.of(torch.float32, law), Floor.of(torch.bfloat16, law)
    assert single.mean == pytest.approx(math.sqrt(3) * 2**-23)
    assert half.mean == pytest.approx(math.sqrt(3) * 2**-7)
    assert Floor.of(torch.float16, normal(0, 1e-7)).variance > 0.3  # subnormal: steps of 6e-8


def test_samples_of_one_law_are_alike() -> None:
    one, other = (torch.randn(500, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert like(one, other, "that").probability > 0.01
    look = like(one, 2 * other, "that")
    assert look.probability < 1e-6
    assert look.message.startswith("has another distribution than that: its cumulative shares are 0.1")


def test_messages_say_which_moment_is_off() -> None:
    law = normal(0, 1)
    spread, mean = judged(Measured(law, Sums(100, 0.0, 144.0, -1, 1), Floor(0, 0)))
    assert spread.message == "has std 1.2 about its mean, the rule gives 1"
    spread, mean = judged(Measured(law, Sums(100, 50.0, 125.0, -1, 1), Floor(0, 0)))
    assert spread.message == "is 1.118 away from 0 (root mean square), the rule's std is 1"
    assert mean.message == "has mean 0.5, the rule gives 0"
