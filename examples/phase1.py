"""The Q network of Phase 1, whose encoders Phase 2 starts from.

One human acts alone: ``q(state, goal, agent)`` has one value per action. The encoders have the names
that they have in ``phase2.py``; the goal encoder is half as wide, and the head has other inputs and
outputs, so that a checkpoint of this network fits the networks of Phase 2 only in part.

``python examples/phase1.py phase1.pt`` writes such a checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))

from phase2 import (  # examples are files, not a package
    AGENT_FEATURES,
    GOALS,
    HUMANS,
    STATE,
    AgentEncoder,
    GoalEncoder,
    StateEncoder,
    head,
    joined,
)

ACTIONS = 8
KEY = "q_network_state_dict"  # where the checkpoint keeps the weights


class QNetwork(nn.Module):
    """Q(state, goal, agent): one value per action of a human."""

    def __init__(self, hidden: int, goal_features: int) -> None:
        super().__init__()
        self.state_encoder = StateEncoder(hidden)
        self.goal_encoder = GoalEncoder(goal_features)
        self.agent_encoder = AgentEncoder()
        self.q_head = head(hidden + goal_features + AGENT_FEATURES, hidden, ACTIONS, dropout=0.5)

    def forward(self, state: Tensor, goal: Tensor, agent: Tensor) -> Tensor:
        features = joined(self.state_encoder(state), self.goal_encoder(goal), self.agent_encoder(agent))
        out: Tensor = self.q_head(features)
        return out


def build(hidden: int = 64, goal_features: int = 32) -> QNetwork:
    """The network of Phase 1; Phase 2's default goal encoder is twice as wide."""
    return QNetwork(hidden, goal_features)


def example_inputs(batch: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments of ``forward``: state images, one-hot goals, indices of humans."""
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(batch, *STATE, generator=generator)
    goal = functional.one_hot(torch.randint(GOALS, (batch,), generator=generator), GOALS).float()
    agent = torch.randint(HUMANS, (batch,), generator=generator)
    return state, goal, agent


def save(path: str | Path, steps: int = 20, seed: int = 0) -> QNetwork:
    """Train for some steps on a made-up target and write the checkpoint; equal seeds give equal files."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for the start, and for dropout
        network = build()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        for step in range(steps):
            state, goal, agent = example_inputs(batch=32, seed=step)
            wanted = -state[:, 0].flatten(1).abs().sum(dim=1, keepdim=True).expand(-1, ACTIONS)
            loss = functional.mse_loss(network(state, goal, agent), wanted)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    torch.save({KEY: network.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "steps": steps}, path)
    return network


if __name__ == "__main__":
    save(sys.argv[1] if len(sys.argv) > 1 else "phase1.pt")
