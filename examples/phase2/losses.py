"""What the networks are trained towards: exact one-step targets made from target networks.

All targets are computed for all states at once, so nothing is sampled but the states of a batch::

    v_h_e   sum_a pi(a) sum_s' P(s') (reached + (1 - reached) gamma V')
    x_h     mean over goals of V^zeta
    u_r     -(mean over humans of X^-xi)^eta
    q_r     gamma sum_s' P(s') (U' + pi Q')
    v_r     U + pi Q
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from networks import Phase2Networks
from objective import Objective
from torch import Tensor
from torch.nn import functional
from world import GOALS, HUMANS, STATES, world

Outputs = dict[str, Tensor]  # by the name of the network
NETWORKS = ("v_h_e", "x_h", "u_r", "q_r", "v_r")  # each is made from those before it


@dataclass(frozen=True, slots=True)
class Tables:
    """The world as float32 tensors."""

    transitions: Tensor  # (humans, goals, actions, states, states)
    robot: Tensor  # (actions, states, states)
    reached: Tensor  # (humans, goals, states)
    images: Tensor  # (states, channels, yards, cells)


@functools.cache
def tables() -> Tables:
    """Built once; nobody writes to them."""
    known = world()
    arrays = (known.transitions, known.robot_transitions(), known.reached, known.images)
    return Tables(*(torch.from_numpy(array).float() for array in arrays))


def inputs(states: Tensor) -> dict[str, tuple[Tensor, ...]]:
    """The arguments of each network's ``forward`` for these states: with every human and every goal.

    ``states``: (n) indices. v_h_e gets humans × goals × n rows in this order, x_h humans × n, the others n.
    """
    images, n = tables().images[states], len(states)
    agents = torch.arange(HUMANS).repeat_interleave(GOALS * n)
    goals = functional.one_hot(torch.arange(GOALS).repeat_interleave(n), GOALS).float().repeat(HUMANS, 1)
    every = images.repeat(HUMANS * GOALS, 1, 1, 1)
    return {
        "v_h_e": (every, goals, agents),
        "x_h": (every[: HUMANS * n], torch.arange(HUMANS).repeat_interleave(n)),
        **dict.fromkeys(("u_r", "q_r", "v_r"), (images,)),
    }


def outputs(networks: Phase2Networks, states: Tensor, names: tuple[str, ...] = NETWORKS) -> Outputs:
    """What networks give, with one dimension for each of humans, goals, states: the shapes of ``truth.Values``."""
    n, given = len(states), inputs(states)
    shapes = {"v_h_e": (HUMANS, GOALS, n), "x_h": (HUMANS, n), "q_r": (n, -1)}
    return {name: getattr(networks, name)(*given[name]).reshape(shapes.get(name, (n,))) for name in names}


def everywhere(networks: Phase2Networks) -> Outputs:
    """The outputs in all states, without gradients."""
    with torch.no_grad():
        return outputs(networks, torch.arange(STATES))


def targets(given: Mapping[str, Tensor], objective: Objective, beta: float) -> Outputs:
    """One step of dynamic programming from ``given`` outputs in all states, to targets in all states."""
    known, gamma = tables(), objective.gamma
    policy = objective.policy(given["q_r"], beta)
    gained = known.reached + (1 - known.reached) * gamma * given["v_h_e"]
    by_action = (known.transitions @ gained[:, :, None, :, None])[..., 0]
    value = given["u_r"] + (policy * given["q_r"]).sum(1)
    return {
        "v_h_e": torch.einsum("sa,hgas->hgs", policy, by_action),
        "x_h": objective.ability(given["v_h_e"]),
        "u_r": objective.utility(given["x_h"]),
        "q_r": gamma * (known.robot @ value).T,
        "v_r": value,
    }


def losses(found: Outputs, wanted: Outputs, states: Tensor) -> dict[str, Tensor]:
    """The mean squared error of each network in ``found``, which has these states only."""
    at = {name: wanted[name][states] if name == "q_r" else wanted[name][..., states] for name in found}
    return {name: functional.mse_loss(found[name], at[name]) for name in found}
