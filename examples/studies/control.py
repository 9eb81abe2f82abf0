"""PPO on classic control with stable-baselines3: does it matter how the agent starts?

The agent is stable-baselines3's own MlpPolicy, built with PyTorch's defaults (``ortho_init=False``), so that the
rules of an arm decide everything else: two Tanh layers each in ``mlp_extractor.policy_net`` and
``mlp_extractor.value_net``, the heads ``action_net`` and ``value_net``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from torch import Tensor, nn

from initrules.ablation.training import Initialise, Log

ENVIRONMENTS = 8
LAST_SHARE = 0.1  # of training, whose episodes are the final score


def train(
    initialise: Initialise, seed: int, log: Log, *, env: str, steps: int, learning_rate: float = 1e-3
) -> dict[str, float]:
    """Train one agent. Metrics: the mean return of all its episodes, and of the last ones; units: reward.

    Raises ``ValueError`` when no episode ended.
    """
    world = make_vec_env(env, n_envs=ENVIRONMENTS, seed=seed)
    agent = PPO(
        "MlpPolicy", world, learning_rate=learning_rate, n_steps=64, batch_size=256, n_epochs=10, gamma=0.99,
        gae_lambda=0.95, ent_coef=0.0, seed=seed, device="cpu", policy_kwargs={"ortho_init": False},
    )  # fmt: skip
    initialise(agent.policy)
    first = torch.as_tensor(world.reset(), dtype=torch.float32)
    with torch.no_grad():
        chosen: Any = agent.policy.get_distribution(first).distribution
        log.outputs(probabilities=chosen.probs, values=agent.policy.predict_values(first))
    watcher = Watcher(log, networks(agent.policy))
    agent.learn(steps, callback=watcher)
    if not watcher.episodes:
        raise ValueError(f"no episode ended within {steps} steps of {ENVIRONMENTS} environments; train for longer")
    last = [ended for ended in watcher.episodes if ended[0] > (1 - LAST_SHARE) * steps]
    returns = [total for _, total in watcher.episodes]
    final = [total for _, total in last] or returns[-ENVIRONMENTS:]
    return {"return": float(np.mean(returns)), "final": float(np.mean(final)), "episodes": len(returns)}


def networks(policy: Any) -> dict[str, list[nn.Module]]:
    """The modules of the actor and of the critic, which share nothing."""
    extractor = policy.mlp_extractor
    return {"actor": [extractor.policy_net, policy.action_net], "critic": [extractor.value_net, policy.value_net]}


class Watcher(BaseCallback):
    """Logs returns, and the gradients of each network before stable-baselines3 clips them."""

    def __init__(self, log: Log, watched: Mapping[str, list[nn.Module]]) -> None:
        super().__init__()
        self._log = log
        self.episodes: list[tuple[int, float]] = []  # (steps taken in all environments, return)
        self._logged = 0
        self._squares = {name: Sum() for name in watched}
        for name, modules in watched.items():
            for parameter in (p for module in modules for p in module.parameters()):
                parameter.register_post_accumulate_grad_hook(self._squares[name].add)  # type: ignore[no-untyped-call]

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self.episodes.append((self.num_timesteps, float(info["episode"]["r"])))
        return True

    def _on_rollout_end(self) -> None:
        """After each rollout: the episodes that ended in it, and the updates before it."""
        fresh = [total for _, total in self.episodes[self._logged :]]
        self._logged = len(self.episodes)
        found = {f"gradients/{name}": square.taken() for name, square in self._squares.items()}
        values = {name: value for name, value in found.items() if value > 0}
        if fresh:
            values["return"] = float(np.mean(fresh))
        self._log(self.num_timesteps, values)


class Sum:
    """The root of the mean of squared gradient norms over the updates since it was last taken."""

    def __init__(self) -> None:
        self._total = 0.0
        self._counts: dict[int, int] = {}

    def add(self, parameter: Tensor) -> None:
        """Count one parameter's gradient; called by autograd before any clipping."""
        assert parameter.grad is not None
        self._total += float(parameter.grad.square().sum())
        self._counts[id(parameter)] = self._counts.get(id(parameter), 0) + 1

    def taken(self) -> float:
        """The norm, 0 before the first update; starts again."""
        updates = max(self._counts.values(), default=0)
        found = float(np.sqrt(self._total / updates)) if updates else 0.0
        self._total, self._counts = 0.0, {}
        return found
