"""Hydra chooses the rules: which file, which variables, which seed; each run keeps its plan.

Run with: python examples/sweep/train.py init.vars.policy_gain=1
A sweep:  python examples/sweep/train.py --multirun init=ppo,humanoid seed=0,1
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

import initrules

LOG = logging.getLogger(__name__)


def build(observations: int = 4, actions: int = 2, hidden: int = 32) -> nn.ModuleDict:
    """Actor and critic with the names that ``preset:ppo`` selects."""

    def network(outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(observations, hidden), nn.Tanh(), nn.Linear(hidden, outputs))

    return nn.ModuleDict({"actor": network(actions), "critic": network(1)})


def train(model: nn.ModuleDict, config: DictConfig) -> tuple[float, float]:
    """The first loss and the last: the actor learns the sign of the first observation, the critic their sum."""
    observations = torch.randn(256, 4, generator=torch.Generator().manual_seed(config.seed))
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    losses: list[float] = []
    for _ in range(config.steps):
        loss: Tensor = cross_entropy(model["actor"](observations), (observations[:, 0] > 0).long())
        loss = loss + mse_loss(model["critic"](observations).squeeze(-1), observations.sum(-1))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses[0], losses[-1]


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> float:
    """Build without drawing, write by the rules that Hydra chose, keep the plan, train."""
    with initrules.no_init():
        model = build()
    variables: Any = OmegaConf.to_container(config.init.vars)
    plan = initrules.plan(model, config.init.rules, vars=variables)
    plan.apply_(seed=config.seed)
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "plan.json").write_text(json.dumps(plan.to_dict()), encoding="utf-8")
    first, last = train(model, config)
    LOG.info("%s, seed %d: loss %.4f, then %.4f", config.init.rules, config.seed, first, last)
    return last


if __name__ == "__main__":
    main()
