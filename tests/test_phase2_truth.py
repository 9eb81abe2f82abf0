"""Ground truth of the small world: linear solves against sums over time, and what PHASE 2 is known to give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from objective import Objective
from truth import evaluate, score, soft_fixed_point, uniform
from world import GOALS, HUMANS, IDLE, ROBOT_ACTIONS, START, STATES, Array, world

OBJECTIVE = Objective()


def some_policy() -> Array:
    weights = np.random.default_rng(0).uniform(0.1, 1, (STATES, len(ROBOT_ACTIONS)))
    found: Array = weights / weights.sum(axis=1, keepdims=True)
    return found


def test_the_ends_of_the_scale() -> None:
    assert evaluate(uniform(), OBJECTIVE).v_r[START] == pytest.approx(-22.53, abs=0.01)
    assert soft_fixed_point(OBJECTIVE)[1].v_r[START] == pytest.approx(-21.09, abs=0.01)


def test_v_is_the_discounted_chance_summed_over_time() -> None:
    policy, known = some_policy(), world()
    found = evaluate(policy, OBJECTIVE).v_h_e
    for human in range(HUMANS):
        for goal in range(GOALS):
            steps = np.einsum("sa,ast->st", policy, known.transitions[human, goal])
            reached, chance = known.reached[human, goal], np.zeros(STATES)
            arriving = steps @ reached  # the chance to arrive in exactly that many steps
            for time in range(250):
                chance += OBJECTIVE.gamma**time * arriving
                arriving = steps @ ((1 - reached) * arriving)
            assert np.allclose(found[human, goal], chance, atol=1e-9)


def test_v_r_is_the_discounted_utility_summed_over_time() -> None:
    policy = some_policy()
    found = evaluate(policy, OBJECTIVE)
    steps = np.einsum("sa,ast->st", policy, world().robot_transitions())
    total, later = np.zeros(STATES), found.u_r
    for time in range(300):
        total += OBJECTIVE.gamma**time * later
        later = steps @ later
    assert np.allclose(found.v_r, total, atol=1e-9)
    assert np.allclose(found.v_r, found.u_r + (policy * found.q_r).sum(axis=1))


def test_x_and_u_are_their_formulas() -> None:
    found = evaluate(some_policy(), OBJECTIVE)
    assert np.allclose(found.x_h[1, 7], np.mean(found.v_h_e[1, :, 7] ** 2))
    assert found.u_r[7] == pytest.approx(-(np.mean(1 / found.x_h[:, 7]) ** 1.1))


def test_the_soft_fixed_point_is_one_and_beats_others() -> None:
    policy, values = soft_fixed_point(OBJECTIVE)
    assert np.allclose(policy, (-values.q_r) ** -5 / ((-values.q_r) ** -5).sum(axis=1, keepdims=True), atol=1e-8)
    assert values.v_r[START] > evaluate(some_policy(), OBJECTIVE).v_r[START]


def chosen(action: int) -> Array:
    q = np.full((STATES, len(ROBOT_ACTIONS)), -20.0)
    q[:, action] = -10
    return q


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        pytest.param(np.full((STATES, 3), -20.0), 0.0, id="all alike is the uniform policy"),
        pytest.param(soft_fixed_point(OBJECTIVE)[1].q_r, 1.0, id="the truth"),
        pytest.param(soft_fixed_point(OBJECTIVE)[1].q_r * 3, 1.0, id="a factor changes no policy"),
        pytest.param(np.full((STATES, 3), math.nan), math.nan, id="diverged"),
    ],
)
def test_score(q: Array, expected: float) -> None:
    assert score(q, OBJECTIVE) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_a_robot_that_idles_scores_below_one_that_does_anything() -> None:
    assert score(chosen(IDLE), OBJECTIVE) < -1
