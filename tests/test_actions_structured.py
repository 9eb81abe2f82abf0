"""Identities and sparse matrices, against torch.nn.init."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from initrules.apply import apply_
from support import isolated, messages, planned


@isolated
def model() -> Any:
    return nn.ModuleDict(
        {
            "fc": nn.Linear(6, 4), "conv": nn.Conv2d(3, 5, 3), "grouped": nn.Conv1d(4, 8, 5, groups=2),
            "down": nn.Conv2d(5, 3, 3),
        }
    )  # fmt: skip


def weight(layer: str, value: str) -> torch.Tensor:
    net = model()
    apply_(net, planned(f"rules: [{{rule: r, select: {layer}, set: {{weight: {value}}}}}]", net))
    found: torch.Tensor = getattr(net, layer).weight.detach()
    return found


def test_eye_as_torch() -> None:
    assert torch.equal(weight("fc", "eye"), nn.init.eye_(torch.empty(4, 6)))


@pytest.mark.parametrize(("layer", "shape", "groups"), [("conv", (5, 3, 3, 3), 1), ("grouped", (8, 2, 5), 2)])
def test_dirac_as_torch(layer: str, shape: tuple[int, ...], groups: int) -> None:
    assert torch.equal(weight(layer, "dirac"), nn.init.dirac_(torch.empty(shape), groups))


def test_a_delta_orthogonal_convolution_keeps_the_norm_of_its_input() -> None:
    kernel = weight("conv", "{delta_orthogonal: {gain: 2}}")
    with torch.no_grad():
        out = nn.functional.conv2d(torch.ones(1, 3, 1, 1), kernel, padding=1)
    assert out.norm().item() == pytest.approx(2 * 3**0.5, rel=1e-5)
    assert kernel[:, :, 0, 0].abs().sum() == 0


def test_sparse_clears_the_share_of_each_column() -> None:
    found = weight("fc", "{sparse: {sparsity: 0.5, std: 2}}")
    assert (found == 0).sum(dim=0).tolist() == [2] * 6


@pytest.mark.parametrize(
    ("layer", "value", "moments"),
    [
        pytest.param("fc", "eye", (4 / 24, (4 / 24 * 20 / 24) ** 0.5), id="eye"),
        pytest.param("conv", "dirac", (3 / 135, (3 / 135 * 132 / 135) ** 0.5), id="dirac"),
        pytest.param("conv", "delta_orthogonal", (0, (3 / 135) ** 0.5), id="delta_orthogonal"),
        pytest.param("fc", "{sparse: {sparsity: 0.5, std: 2}}", (0, 2 * 0.5**0.5), id="sparse"),
    ],
)
def test_expected_moments_are_those_of_the_values(layer: str, value: str, moments: tuple[float, float]) -> None:
    row = planned(f"rules: [{{rule: r, select: {layer}, set: {{weight: {value}}}}}]", model()).row(f"{layer}.weight")
    assert row is not None
    assert row.moments == pytest.approx(moments)


@pytest.mark.parametrize(
    ("layer", "value", "wanted"),
    [
        pytest.param("conv", "eye", "eye needs 2 dimensions, this parameter has 4", id="eye of a kernel"),
        pytest.param("fc", "dirac", "dirac needs 3 to 5 dimensions, this parameter has 2", id="dirac of a matrix"),
        pytest.param(
            "fc",
            "delta_orthogonal",
            "delta_orthogonal needs 3 to 5 dimensions, this parameter has 2",
            id="delta of a matrix",
        ),
        pytest.param(
            "down",
            "delta_orthogonal",
            "delta_orthogonal needs at least as many outputs as inputs, not 3 and 5",
            id="narrowing",
        ),
        pytest.param(
            "conv", "{sparse: {sparsity: 0.1}}", "sparse needs 2 dimensions, this parameter has 4", id="sparse kernel"
        ),
        pytest.param(
            "fc", "{sparse: {sparsity: 2}}", "sparsity is a share of each column, at most 1, not 2", id="too sparse"
        ),
    ],
)
def test_refused(layer: str, value: str, wanted: str) -> None:
    plan = planned(f"rules: [{{rule: r, select: {layer}, set: {{weight: {value}}}}}]", model())
    assert messages(plan, "value")[0].split("\n")[0].endswith(f": {wanted}, for '{layer}.weight'")
