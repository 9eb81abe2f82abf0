"""The targets of Phase 2: the truth is their fixed point, and a batch is a part of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from config import Phase2Config, build
from losses import NETWORKS, everywhere, losses, outputs, targets
from objective import Objective
from truth import Values, evaluate, soft_fixed_point, uniform
from world import STATES

from support import isolation

OBJECTIVE = Objective()


def tensors(values: Values) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(getattr(values, name)).float() for name in NETWORKS}


@pytest.mark.parametrize(
    ("values", "beta"),
    [
        pytest.param(soft_fixed_point(OBJECTIVE)[1], OBJECTIVE.beta, id="decided"),
        pytest.param(evaluate(uniform(), OBJECTIVE), 0.0, id="uniform, as while warming up"),
    ],
)
def test_the_exact_values_are_a_fixed_point_of_the_targets(values: Values, beta: float) -> None:
    exact = tensors(values)
    for name, wanted in targets(exact, OBJECTIVE, beta).items():
        assert torch.allclose(wanted, exact[name], atol=1e-5), name


def test_other_values_are_none() -> None:
    exact = tensors(soft_fixed_point(OBJECTIVE)[1])
    for changed in NETWORKS[:-1]:  # no target is made of v_r
        moved = targets({**exact, changed: exact[changed] * 0.9}, OBJECTIVE, OBJECTIVE.beta)
        assert any(not torch.allclose(moved[name], exact[name], atol=1e-3) for name in NETWORKS), changed


def test_ability_near_zero_leaves_utility_finite() -> None:
    x = torch.zeros(2, 4)
    assert torch.allclose(OBJECTIVE.utility(x), torch.tensor(-(100**1.1)))


def test_the_formulas_mean_the_same_for_arrays_and_tensors() -> None:
    values = soft_fixed_point(OBJECTIVE)[1]
    exact = tensors(values)
    assert np.allclose(OBJECTIVE.ability(exact["v_h_e"]).numpy(), values.x_h, atol=1e-6)
    assert np.allclose(OBJECTIVE.utility(exact["x_h"]).numpy(), values.u_r, atol=1e-5)
    assert np.allclose(OBJECTIVE.policy(exact["q_r"], 3.0).numpy(), OBJECTIVE.policy(values.q_r, 3.0), atol=1e-6)


def test_a_batch_is_a_part_of_the_whole() -> None:
    with isolation():
        networks = build(Phase2Config())
    states = torch.tensor([3, 141, 59])
    whole = everywhere(networks)
    assert {name: tuple(output.shape) for name, output in whole.items()} == {
        "v_h_e": (2, 3, STATES), "x_h": (2, STATES), "u_r": (STATES,), "q_r": (STATES, 3), "v_r": (STATES,)
    }  # fmt: skip
    part = outputs(networks, states)
    assert all(
        torch.allclose(part[n], whole[n][states] if n == "q_r" else whole[n][..., states], atol=1e-6) for n in NETWORKS
    )
    assert all(float(loss.detach()) < 1e-10 for loss in losses(part, whole, states).values())
    assert list(losses({"x_h": part["x_h"]}, whole, states)) == ["x_h"]
