"""What a value does not depend on: other layers, their order, other rules, threads, precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import initrules
from support import isolated

TEXT = """initrules: 1
rules:
  - {{rule: all, select: {{type: Linear}}, set: {{weight: {weight}, bias: {{uniform: {{bound: 1}}}}}}}}
  - {{rule: extra, select: extra, optional: true, set: {{weight: {extra}}}}}
"""
WEIGHTS = [
    "{normal: {std: 1}}",
    "orthogonal",
    "xavier_uniform",
    "{trunc_normal: {std: 1}}",
    "{sparse: {sparsity: 0.5}}",
]


def layers(*names: str, dtype: torch.dtype = torch.float32, size: int = 24) -> nn.ModuleDict:
    return isolated(lambda: nn.ModuleDict({name: nn.Linear(size, size, dtype=dtype) for name in names}))()


def written(model: nn.Module, weight: str, extra: str = "zeros", seed: int = 3) -> dict[str, Tensor]:
    initrules.apply_(model, initrules.from_text(TEXT.format(weight=weight, extra=extra)), seed=seed)
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: (layers("extra", "a", "b", "c"), {}), id="a layer is put in front"),
        pytest.param(lambda: (layers("a", "extra", "b", "c"), {}), id="a layer is put between"),
        pytest.param(lambda: (layers("c", "b", "a"), {}), id="another order"),
        pytest.param(lambda: (layers("a", "extra", "b", "c"), {"extra": "orthogonal"}), id="another rule changes"),
        pytest.param(lambda: (layers("a"), {}), id="the others are gone"),
    ],
)
def test_untouched_parameters_are_identical(
    weight: str, change: Callable[[], tuple[nn.Module, dict[str, Any]]]
) -> None:
    before = written(layers("a", "b", "c"), weight)
    model, arguments = change()
    after = written(model, weight, **arguments)
    for name in before.keys() & after.keys():
        assert torch.equal(before[name], after[name]), name


@pytest.mark.parametrize("weight", WEIGHTS)
def test_threads(weight: str) -> None:
    outside, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(written(layers("a", "b", size=600), weight))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(outside)
    assert all(torch.equal(found[0][name], other[name]) for other in found for name in other)


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lower_precision_is_the_same_after_the_cast(weight: str, dtype: torch.dtype) -> None:
    exact, rounded = written(layers("a", "b"), weight), written(layers("a", "b", dtype=dtype), weight)
    assert all(torch.equal(exact[name].to(dtype), rounded[name]) for name in exact)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_another_seed_is_another_model(weight: str) -> None:
    one, other = written(layers("a"), weight), written(layers("a"), weight, seed=4)
    assert not any(torch.equal(one[name], other[name]) for name in one)
