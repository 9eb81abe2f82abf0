"""Five coupled value networks that share encoders.

One robot team helps several humans whose goals it does not know. ``v_h_e`` estimates how well a
human reaches a goal, ``x_h`` how well a human reaches goals at all, ``u_r`` what that is worth to
the robots, ``q_r`` and ``v_r`` the discounted worth of joint robot actions and of states::

    v_h_e(state, goal, agent)   SoftClamp(0, 1)
    x_h(state, agent)           SoftClamp(0, 1)
    u_r(state)                  -(1 + exp(x))**eta
    q_r(state)                  -softplus(x), one per combination of robot actions
    v_r(state)                  -softplus(-x)

``x`` is what the last Linear layer of the network's head gives. ``state_encoder`` and
``agent_encoder`` are one object each under several paths; ``own_*`` encoders belong to one network.
By default a head is as wide as ``q_r`` has outputs (8**2 = 64), so that width tells nothing about
which layer is the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, ROWS, COLUMNS = STATE = (3, 2, 3)  # an image: what stands where in a 2×3 world
PIXELS = CHANNELS * ROWS * COLUMNS
GOALS = 3  # a goal vector is one-hot
HUMANS = 2
AGENT_FEATURES = 16


class SoftClamp(nn.Module):
    """While training: the identity on [low, high], bent smoothly to ``margin`` beyond either end.

    The slope is 1 at the ends and positive everywhere, so that values outside are pulled back. In
    eval mode: a hard clamp.
    """

    def __init__(self, low: float = 0.0, high: float = 1.0, margin: float = 0.5) -> None:
        super().__init__()
        self.low, self.high, self.margin = low, high, margin

    def forward(self, x: Tensor) -> Tensor:
        inner = x.clamp(self.low, self.high)
        if not self.training:
            return inner
        return inner + self.margin * torch.tanh((x - inner) / self.margin)


class StateEncoder(nn.Module):
    """A state image to features; ``channels``: of each convolution."""

    def __init__(self, features: int, channels: tuple[int, ...] = (16, 32)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((CHANNELS, *channels)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        self.grid_conv = nn.Sequential(*layers)
        self.output_fc = nn.Linear(channels[-1] * ROWS * COLUMNS, features)

    def forward(self, state: Tensor) -> Tensor:
        return functional.relu(self.output_fc(self.grid_conv(state).flatten(1)))


class GoalEncoder(nn.Module):
    """A goal vector to features."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.fc = nn.Linear(GOALS, features)

    def forward(self, goal: Tensor) -> Tensor:
        return functional.relu(self.fc(goal))


class AgentEncoder(nn.Module):
    """The index of a human to features."""

    def __init__(self) -> None:
        super().__init__()
        self.index_embedding = nn.Embedding(HUMANS, AGENT_FEATURES)

    def forward(self, agent: Tensor) -> Tensor:
        features: Tensor = self.index_embedding(agent)
        return features


def head(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """Three Linear layers: at 0, 3, 6 with dropout and at 0, 2, 4 without."""
    layers: list[nn.Module] = []
    for width in (inputs, hidden):
        layers += [nn.Linear(width, hidden), nn.ReLU()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


def joined(*features: Tensor) -> Tensor:
    """All features of each example in one row; an image or a bare index counts as features too."""
    return torch.cat([part.reshape(len(part), -1) for part in features], dim=1)


class HumanGoalValue(nn.Module):
    """V_h^e: the chance that a human reaches a goal, one value per example."""

    def __init__(self, state: nn.Module, goal: nn.Module, agent: nn.Module, value_head: nn.Module) -> None:
        super().__init__()
        self.state_encoder = state
        self.goal_encoder = goal
        self.agent_encoder = agent
        self.value_head = value_head
        self.clamp = SoftClamp()

    def forward(self, state: Tensor, goal: Tensor, agent: Tensor) -> Tensor:
        features = joined(self.state_encoder(state), self.goal_encoder(goal), self.agent_encoder(agent))
        out: Tensor = self.clamp(self.value_head(features)).squeeze(-1)
        return out


class HumanValue(nn.Module):
    """X_h: how well a human reaches goals at all, one value per example."""

    def __init__(
        self, encoders: tuple[nn.Module, nn.Module], own: tuple[nn.Module, nn.Module], value_head: nn.Module
    ) -> None:
        super().__init__()
        self.state_encoder, self.agent_encoder = encoders
        self.own_state_encoder, self.own_agent_encoder = own
        self.value_head = value_head
        self.clamp = SoftClamp()

    def forward(self, state: Tensor, agent: Tensor) -> Tensor:
        features = joined(
            self.state_encoder(state),
            self.agent_encoder(agent),
            self.own_state_encoder(state),
            self.own_agent_encoder(agent),
        )
        out: Tensor = self.clamp(self.value_head(features)).squeeze(-1)
        return out


class RobotUtility(nn.Module):
    """U_r = -(1 + exp(x))**eta: what the humans' abilities are worth, below -1."""

    def __init__(self, state: nn.Module, own_state: nn.Module, y_head: nn.Module, eta: float) -> None:
        super().__init__()
        self.state_encoder = state
        self.own_state_encoder = own_state
        self.y_head = y_head
        self.eta = eta

    def forward(self, state: Tensor) -> Tensor:
        x: Tensor = self.y_head(joined(self.state_encoder(state), self.own_state_encoder(state)))
        return -((1 + x.exp()) ** self.eta).squeeze(-1)


class RobotActionValue(nn.Module):
    """Q_r = -softplus(x): one value per combination of robot actions, all negative."""

    def __init__(self, state: nn.Module, own_state: nn.Module, q_head: nn.Module) -> None:
        super().__init__()
        self.state_encoder = state
        self.own_state_encoder = own_state
        self.q_head = q_head

    def forward(self, state: Tensor) -> Tensor:
        return -functional.softplus(self.q_head(joined(self.state_encoder(state), self.own_state_encoder(state))))


class RobotValue(nn.Module):
    """V_r = -softplus(-x): one negative value per state; it *rises* with x, unlike Q_r."""

    def __init__(self, state: nn.Module, own_state: nn.Module, value_head: nn.Module) -> None:
        super().__init__()
        self.state_encoder = state
        self.own_state_encoder = own_state
        self.value_head = value_head

    def forward(self, state: Tensor) -> Tensor:
        x: Tensor = self.value_head(joined(self.state_encoder(state), self.own_state_encoder(state)))
        return -functional.softplus(-x).squeeze(-1)


class RandomNetworkDistillation(nn.Module):
    """Novelty of a state: how far ``predictor`` is from a random network that nobody trains.

    Source: Burda et al. 2019.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.target = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.predictor = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.target.requires_grad_(requires_grad=False)

    def forward(self, state: Tensor) -> Tensor:
        error: Tensor = self.predictor(state) - self.target(state)
        return error.square().mean(dim=1)


@dataclass(frozen=True, kw_only=True)
class Phase2Networks:
    """The root: modules by name, ``None`` where an environment goes without."""

    v_h_e: HumanGoalValue
    x_h: HumanValue | None = None
    u_r: RobotUtility | None = None
    q_r: RobotActionValue
    v_r: RobotValue | None = None
    rnd: RandomNetworkDistillation | None = None
    human_rnd: RandomNetworkDistillation | None = None


def build(
    *,
    dropout: float = 0.5,
    share: bool = True,
    hidden: int = 64,
    robots: int = 2,
    actions: int = 8,
    eta: float = 1.1,
    goal_features: int = 64,
    channels: tuple[int, ...] = (16, 32),
) -> Phase2Networks:
    """All five networks; with ``share`` they have ``v_h_e``'s state and agent encoders in common."""
    shared_state, shared_agent = StateEncoder(hidden, channels), AgentEncoder()

    def state() -> nn.Module:
        return shared_state if share else StateEncoder(hidden, channels)

    both = 2 * hidden  # the shared and the own state features
    return Phase2Networks(
        v_h_e=HumanGoalValue(
            shared_state,
            GoalEncoder(goal_features),
            shared_agent,
            value_head=head(hidden + goal_features + AGENT_FEATURES, hidden, 1, dropout),
        ),
        x_h=HumanValue(
            (state(), shared_agent if share else AgentEncoder()),
            own=(StateEncoder(hidden, channels), AgentEncoder()),
            value_head=head(both + 2 * AGENT_FEATURES, hidden, 1, dropout),
        ),
        u_r=RobotUtility(state(), StateEncoder(hidden, channels), y_head=head(both, hidden, 1, dropout), eta=eta),
        q_r=RobotActionValue(
            state(), StateEncoder(hidden, channels), q_head=head(both, hidden, actions**robots, dropout)
        ),
        v_r=RobotValue(state(), StateEncoder(hidden, channels), value_head=head(both, hidden, 1, dropout)),
        rnd=RandomNetworkDistillation(hidden),
    )


def build_small(*, hidden: int = 32, robots: int = 1, actions: int = 4, eta: float = 1.1) -> Phase2Networks:
    """A second environment: no dropout, nothing shared, Identity where inputs need no encoder."""
    plain = hidden + PIXELS  # encoded state beside the raw image
    return Phase2Networks(
        v_h_e=HumanGoalValue(
            StateEncoder(hidden), nn.Identity(), nn.Identity(), value_head=head(hidden + GOALS + 1, hidden, 1, 0)
        ),
        x_h=HumanValue(
            (StateEncoder(hidden), nn.Identity()),
            own=(nn.Identity(), nn.Identity()),
            value_head=head(plain + 2, hidden, 1, 0),
        ),
        u_r=RobotUtility(StateEncoder(hidden), nn.Identity(), y_head=head(plain, hidden, 1, 0), eta=eta),
        q_r=RobotActionValue(StateEncoder(hidden), nn.Identity(), q_head=head(plain, hidden, actions**robots, 0)),
        v_r=RobotValue(StateEncoder(hidden), nn.Identity(), value_head=head(plain, hidden, 1, 0)),
    )


def example_inputs(batch: int = 8, seed: int = 0) -> dict[str, tuple[Tensor, ...]]:
    """For each network by name, the arguments of its ``forward``."""
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(batch, *STATE, generator=generator)
    goal = functional.one_hot(torch.randint(GOALS, (batch,), generator=generator), GOALS).float()
    agent = torch.randint(HUMANS, (batch,), generator=generator)
    return {
        "v_h_e": (state, goal, agent),
        "x_h": (state, agent),
        "u_r": (state,),
        "q_r": (state,),
        "v_r": (state,),
        "rnd": (state,),
    }
