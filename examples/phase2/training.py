"""Phase 2 training in the small world."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))

from config import Initialise, Phase2Config, Started, create_phase2_networks, in_mode, modules
from losses import NETWORKS, everywhere, losses, outputs, targets
from networks import Phase2Networks
from schedule import Schedule
from truth import score, soft_fixed_point
from world import STATES


class Log(Protocol):
    """What training tells: as ``initrules.ablation`` gives it to a training function."""

    def __call__(self, step: float, values: Mapping[str, Any], /) -> None: ...
    def gradients(self, step: float, /, **networks: Any) -> None: ...
    def outputs(self, **outputs: Tensor) -> None: ...


def train_phase2(config: Phase2Config, log: Log, initialise: Initialise | None = None) -> dict[str, float]:
    """Train as configured; what is left at the end: ``score``, ``q_error``, ``v_error``, and ``area``.

    ``initialise``: instead of the strategy of ``config``. Random numbers are torch's global ones.
    """
    started = create_phase2_networks(config, initialise)
    networks, schedule = started.networks, Schedule(config.warm_up, config.ramp)
    optimizer = torch.optim.Adam(started.plan.param_groups(lr=config.lr), fused=True)
    trained = {name: owned(networks, name) for name in NETWORKS}
    log.outputs(**everywhere(networks))
    scores = []
    for step in range(config.steps):
        if step % config.target_interval == 0:
            refresh_(started)
            known = everywhere(started.targets)
        wanted = targets(known, config.objective, config.objective.beta * schedule.share_of_beta(step))
        states = torch.randperm(STATES)[: config.batch]
        found = losses(outputs(networks, states, schedule.learning(step)), wanted, states)
        optimizer.zero_grad()
        for name, loss in found.items():
            loss.backward(inputs=trained[name])  # type: ignore[no-untyped-call]
        if step % config.log_interval == 0:
            log(step, {f"loss/{name}": loss for name, loss in found.items()})
            log.gradients(step, **{name: trained[name] for name in found})  # what clipping leaves says nothing
        for name in found:
            nn.utils.clip_grad_norm_(trained[name], config.clip)  # each alone: a loud one does not silence the others
        optimizer.step()
        if (step + 1) % config.evaluation_interval == 0 or step + 1 == config.steps:
            result = evaluation(networks, config)
            scores.append(result["score"])
            log(step + 1, result)
    return {**result, "area": float(np.mean(scores))}


def owned(networks: Phase2Networks, name: str) -> list[nn.Parameter]:
    """The parameters that a network's own loss trains: the shared encoders are ``v_h_e``'s, others only read them."""
    shared = set() if name == "v_h_e" else {id(parameter) for parameter in networks.v_h_e.parameters()}
    return [parameter for parameter in modules(networks)[name].parameters() if id(parameter) not in shared]


def refresh_(started: Started) -> None:
    """Copy the networks into the target networks."""
    copies = modules(started.targets)
    for name, network in modules(started.networks).items():
        copies[name].load_state_dict(network.state_dict())


def evaluation(networks: Phase2Networks, config: Phase2Config) -> dict[str, float]:
    """The score of the learned policy, and how far Q and V are from the truth (root mean square over all states)."""
    found = {name: output.double().numpy() for name, output in everywhere(in_mode(networks, training=False)).items()}
    in_mode(networks, training=True)
    _, truth = soft_fixed_point(config.objective)
    return {
        "score": score(found["q_r"], config.objective),
        "q_error": float(np.sqrt(np.mean((found["q_r"] - truth.q_r) ** 2))),
        "v_error": float(np.sqrt(np.mean((found["v_h_e"] - truth.v_h_e) ** 2))),
    }
