"""What can be chosen, and networks that start as it was chosen."""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import initrules
from initrules import Plan

sys.path.insert(0, str(Path(__file__).parent))

import networks as architecture
from losses import inputs
from networks import Phase2Networks
from objective import Objective
from world import ROBOT_ACTIONS, STATES

Strategy = Literal["default", "output-aware", "orthogonal", "xavier", "full", "transfer"]
Initialise = Callable[[Any], Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase2Config:
    """One run. ``None`` for an ``init_`` knob leaves it as the strategy's rule file has it."""

    init_strategy: Strategy = "full"
    init_output_bias_v_h_e: float | None = None
    init_output_bias_q_r: float | None = None
    init_use_spectral_norm: bool | None = None
    init_checkpoint: Path | None = None  # of Phase 1; 'transfer' needs it
    seed: int = 0

    objective: Objective = Objective()  # noqa: RUF009  # frozen
    hidden: int = 64
    dropout: float = 0.0
    share: bool = True
    channels: tuple[int, ...] = (32,)

    steps: int = 300
    warm_up: int = 120  # steps in which the networks join one after the other
    ramp: int = 60  # steps after that in which the policy goes from uniform to decided
    batch: int = 32  # states
    lr: float = 3e-3
    clip: float = 10.0  # the largest norm of the gradients of a network
    target_interval: int = 5  # steps between copies into the target networks
    log_interval: int = 10  # steps between losses and gradient norms in the log
    evaluation_interval: int = 20

    @property
    def rules(self) -> str:
        """The rule set of the strategy."""
        return f"preset:phase2/{self.init_strategy}"

    def variables(self) -> dict[str, object]:
        """The rule set's variables, as this configuration has them."""
        objective = self.objective
        knobs = {
            "output_bias_v_h_e": self.init_output_bias_v_h_e,
            "output_bias_q_r": self.init_output_bias_q_r,
            "use_spectral_norm": self.init_use_spectral_norm,
        }
        chosen = {name: value for name, value in knobs.items() if value is not None}
        return {"gamma": objective.gamma, "xi": objective.xi, "eta": objective.eta, **chosen}

    def initialise(self, networks: Phase2Networks) -> Plan:
        """Plan the strategy for these networks and write it, in place."""
        sources = {"phase1": self.init_checkpoint} if self.init_checkpoint is not None else None
        plan = initrules.plan(networks, self.rules, vars=self.variables(), sources=sources)
        plan.apply_(seed=self.seed)
        return plan


@dataclass(frozen=True, slots=True)
class Started:
    """Networks, their target networks, and the plan by which both start."""

    networks: Phase2Networks
    targets: Phase2Networks
    plan: Plan


def build(config: Phase2Config | None = None) -> Phase2Networks:
    """Networks for the world of ``world.py``, as their constructors leave them; nothing is random, so no ``rnd``."""
    config = config or Phase2Config()
    built = architecture.build(
        dropout=config.dropout,
        share=config.share,
        hidden=config.hidden,
        robots=1,
        actions=len(ROBOT_ACTIONS),
        eta=config.objective.eta,
        channels=config.channels,
    )
    return dataclasses.replace(built, rnd=None)


def create_phase2_networks(config: Phase2Config, initialise: Initialise | None = None) -> Started:
    """Build the networks, initialise them, and only then copy them: targets start where networks do.

    ``initialise``: what an ablation gives instead of ``config.init_strategy``.
    """
    networks = build(config)
    plan = (initialise or config.initialise)(networks)
    return Started(networks, in_mode(copy.deepcopy(networks), training=False), plan)


def in_mode(networks: Phase2Networks, *, training: bool) -> Phase2Networks:
    """Put all networks into train or eval mode."""
    for network in modules(networks).values():
        network.train(training)
    return networks


def modules(networks: Phase2Networks) -> dict[str, Any]:
    """The networks that there are, by name."""
    return {name: network for name, network in vars(networks).items() if network is not None}


def example_inputs() -> dict[str, tuple[Tensor, ...]]:
    """For each network by name, the arguments of its ``forward``: every state of the world, human and goal."""
    return inputs(torch.arange(STATES))
