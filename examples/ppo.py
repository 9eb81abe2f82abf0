"""A PPO agent: two small Tanh networks, the critic registered before the actor.

The layout is the one of CleanRL's ``ppo.py`` (Huang et al. 2022), so that rules written for this
agent fit that one: ``critic.{0,2,4}`` and ``actor.{0,2,4}`` are Linear, ``actor.4`` is the policy head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Agent(nn.Module):
    """Critic and actor without shared layers.

    ``forward`` gives (policy outputs, values): logits for discrete actions, means for continuous
    ones, whose standard deviation is the parameter ``log_std``.
    """

    def __init__(self, observations: int, actions: int, hidden: int, *, continuous: bool) -> None:
        super().__init__()
        self.critic = network(observations, hidden, 1)
        self.actor = network(observations, hidden, actions)
        if continuous:
            self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        return self.actor(observation), self.critic(observation).squeeze(-1)


def network(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Three Linear layers with Tanh between them."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Tanh(),
        nn.Linear(hidden, hidden),
        nn.Tanh(),
        nn.Linear(hidden, outputs),
    )


def build(observations: int = 4, actions: int = 2, hidden: int = 64, *, continuous: bool = False) -> Agent:
    """An agent of the size that CartPole needs."""
    return Agent(observations, actions, hidden, continuous=continuous)


def example_inputs(observations: int = 4, batch: int = 8, seed: int = 0) -> Tensor:
    """A batch of observations, each coordinate from N(0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, observations, generator=generator)
