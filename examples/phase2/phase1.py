"""Phase 1, whose encoders Phase 2 starts from: each human alone learns to reach its goals.

``q(state, goal, agent)`` has one value for each move of the human, the chance that it reaches the goal,
discounted; the robot does anything. The encoders have the names that they have in ``networks.py``; the
goal encoder is half as wide, and the head has other inputs and outputs, so that a checkpoint of this
network fits the networks of Phase 2 only in part.

``python examples/phase2/phase1.py phase1.pt`` trains it and writes the checkpoint.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))  # examples are files, not a package

from config import Phase2Config
from networks import AGENT_FEATURES, AgentEncoder, GoalEncoder, StateEncoder, head, joined
from world import GOALS, HUMANS, MOVES, STATES, Array, world

KEY = "q_network_state_dict"  # where the checkpoint keeps the weights
GAMMA = 0.9
LR = 3e-3
BATCH = 128  # of all combinations of human, goal and state
TARGET_INTERVAL = 5


class QNetwork(nn.Module):
    """Q(state, goal, agent): one value per move of a human."""

    def __init__(self, hidden: int, goal_features: int, dropout: float, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.state_encoder = StateEncoder(hidden, channels)
        self.goal_encoder = GoalEncoder(goal_features)
        self.agent_encoder = AgentEncoder()
        self.q_head = head(hidden + goal_features + AGENT_FEATURES, hidden, len(MOVES), dropout)

    def forward(self, state: Tensor, goal: Tensor, agent: Tensor) -> Tensor:
        features = joined(self.state_encoder(state), self.goal_encoder(goal), self.agent_encoder(agent))
        out: Tensor = self.q_head(features)
        return out


def build(
    hidden: int = 64, goal_features: int = 32, dropout: float = 0.5, channels: tuple[int, ...] = (16, 32)
) -> QNetwork:
    """The network of Phase 1; Phase 2's default goal encoder is twice as wide."""
    return QNetwork(hidden, goal_features, dropout, channels)


def example_inputs(batch: int = 8, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments of ``forward`` for some combinations of human, goal and state."""
    chosen = torch.randperm(HUMANS * GOALS * STATES, generator=torch.Generator().manual_seed(seed))[:batch]
    state, goal, agent = everything()
    return state[chosen], goal[chosen], agent[chosen]


@functools.cache
def everything() -> tuple[Tensor, Tensor, Tensor]:
    """The arguments of ``forward`` for all humans, goals and states, in the order of ``World.reached``."""
    agent, goal, state = (
        torch.from_numpy(index.ravel()) for index in np.indices((HUMANS, GOALS, STATES), dtype=np.int64)
    )
    images = torch.from_numpy(world().images).float()
    return images[state], functional.one_hot(goal, GOALS).float(), agent


def backup(q: Array) -> Array:
    """One step of value iteration. (humans, goals, states, moves), before and after."""
    known = world()
    gained = known.reached + (1 - known.reached) * GAMMA * q.max(axis=-1)
    backed: Array = np.einsum("hmst,hgt->hgsm", known.moving, gained, optimize=True)
    return backed


def train_(network: QNetwork, steps: int, seed: int = 0) -> None:
    """Train by fitted value iteration; no random state outside is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        optimizer = torch.optim.Adam(network.parameters(), lr=LR)
        for step in range(steps):
            if step % TARGET_INTERVAL == 0:
                wanted = torch.from_numpy(backup(table(network))).float().flatten(0, 2)
            chosen = torch.randperm(len(wanted))[:BATCH]
            loss = functional.mse_loss(network(*(one[chosen] for one in everything())), wanted[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def table(network: QNetwork) -> Array:
    """Q everywhere, (humans, goals, states, moves), without dropout; the network stays in train mode."""
    with torch.no_grad():
        found = network.eval()(*everything()).reshape(HUMANS, GOALS, STATES, len(MOVES))
    network.train()
    return found.double().numpy()  # type: ignore[no-any-return]


def save(path: str | Path, steps: int = 20, seed: int = 0, **sizes: Any) -> QNetwork:
    """Build, train, and write the checkpoint; equal seeds give equal files. ``sizes``: as for ``build``."""
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        network = build(**sizes)
        train_(network, steps, seed)
    unfinished = Path(f"{path}.part")  # what is interrupted leaves no half of a checkpoint
    torch.save({KEY: network.state_dict(), "steps": steps}, unfinished)
    unfinished.replace(path)
    return network


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums have the same order on every machine, however many cores it has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def save_for_study(path: str | Path) -> QNetwork:
    """The checkpoint that the study's ``transfer`` loads: trained from PyTorch's own start until it is good."""
    sizes = Phase2Config()
    return save(path, steps=2000, hidden=sizes.hidden, dropout=sizes.dropout, channels=sizes.channels)


if __name__ == "__main__":
    save_for_study(sys.argv[1] if len(sys.argv) > 1 else "phase1.pt")
