"""Ground truth: what the five networks should give, by linear solves, for any policy of the robot."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from objective import Objective
from world import ROBOT_ACTIONS, START, STATES, Array, world

SETTLED = 1e-9  # the largest change of a probability that ends the search for the fixed point


@dataclass(frozen=True, slots=True)
class Values:
    """All five functions in all states; the names are those of the networks."""

    v_h_e: Array  # (humans, goals, states)
    x_h: Array  # (humans, states)
    u_r: Array  # (states)
    q_r: Array  # (states, actions)
    v_r: Array  # (states)


def uniform() -> Array:
    """The policy of a robot that does anything: (states, actions)."""
    return np.full((STATES, len(ROBOT_ACTIONS)), 1 / len(ROBOT_ACTIONS))


def evaluate(policy: Array, objective: Objective) -> Values:
    """What a policy is worth. ``policy``: (states, actions), rows sum to 1."""
    known, gamma = world(), objective.gamma
    steps = np.einsum("sa,hgast->hgst", policy, known.transitions, optimize=True)
    onward = np.eye(STATES) - gamma * steps * (1 - known.reached)[:, :, None, :]
    v = np.linalg.solve(onward, steps @ known.reached[..., None])[..., 0]
    x = objective.ability(v)
    u = objective.utility(x)
    robot = known.robot_transitions()
    v_r = np.linalg.solve(np.eye(STATES) - gamma * np.einsum("sa,ast->st", policy, robot), u)
    return Values(v, x, u, gamma * (robot @ v_r).T, v_r)


@functools.cache
def soft_fixed_point(objective: Objective) -> tuple[Array, Values]:
    """The policy that is proportional to (-Q)^-beta of its own Q, and its values.

    Raises ``ArithmeticError`` when 1000 iterations do not find it (for a very large beta).
    """
    policy = uniform()
    for _ in range(1000):
        values = evaluate(policy, objective)
        better = objective.policy(values.q_r)
        if np.abs(better - policy).max() < SETTLED:
            return policy, values
        policy = better
    raise ArithmeticError(f"no soft fixed point was found for beta={objective.beta}; a smaller beta has one")


def score(q: Array, objective: Objective) -> float:
    """How good the policy is that follows from ``q``: 0 as the uniform one, 1 as the soft fixed point.

    ``q``: (states, actions), negative. The worth of a policy is its value in the start state. Not a number where
    ``q`` is not.
    """
    if not np.isfinite(q).all():
        return float("nan")
    worst, best = _ends(objective)
    return float((evaluate(objective.policy(q), objective).v_r[START] - worst) / (best - worst))


@functools.cache
def _ends(objective: Objective) -> tuple[float, float]:
    _, best = soft_fixed_point(objective)
    return float(evaluate(uniform(), objective).v_r[START]), float(best.v_r[START])
