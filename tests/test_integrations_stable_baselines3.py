"""Ruled policies in the real algorithms: values, a few steps, slow copies, saving and loading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy

import initrules
from initrules.errors import ApplyError
from initrules.integrations.stable_baselines3 import policy_kwargs, ruled
from support import isolation

RULES = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: {type: Linear}, set: {weight: orthogonal, bias: 0.5}}
""")


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with isolation():
        yield


def ppo(**given: Any) -> Any:
    return PPO(
        ruled(ActorCriticPolicy), "CartPole-v1", policy_kwargs=policy_kwargs(**given), n_steps=32, batch_size=32,
        n_epochs=1, device="cpu",
    )  # fmt: skip


def test_a_policy_starts_by_rules_and_trains() -> None:
    agent = ppo(rules="preset:ppo", seed=3, vars={"policy_gain": 0.5}, net_arch=[16])
    other = PPO("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": [16]}, device="cpu").policy
    initrules.apply_(other, "preset:ppo", seed=3, vars={"policy_gain": 0.5})
    started = agent.policy.state_dict()
    assert all(torch.equal(started[name], one) for name, one in other.state_dict().items())
    assert agent.policy.init_record.seed == 3
    assert agent.policy.init_plan.errors == ()
    before = {name: one.clone() for name, one in started.items()}
    agent.learn(64)
    assert not torch.equal(agent.policy.state_dict()["action_net.weight"], before["action_net.weight"])


@pytest.mark.parametrize(
    ("algorithm", "policy", "environment", "pairs"),
    [
        pytest.param(DQN, DQNPolicy, "CartPole-v1", [("q_net", "q_net_target")], id="DQN"),
        pytest.param(SAC, SACPolicy, "Pendulum-v1", [("critic", "critic_target")], id="SAC"),
        pytest.param(TD3, TD3Policy, "Pendulum-v1", [("critic", "critic_target"), ("actor", "actor_target")], id="TD3"),
    ],
)
def test_slow_copies_have_the_values_of_what_they_follow(
    algorithm: Any, policy: Any, environment: str, pairs: list[tuple[str, str]]
) -> None:
    agent = algorithm(
        ruled(policy), environment, policy_kwargs=policy_kwargs(RULES, net_arch=[8]), learning_starts=8, device="cpu"
    )
    for name, follower in pairs:
        values = getattr(agent.policy, name).state_dict()
        assert bool((values[next(key for key in values if key.endswith("bias"))] == 0.5).all())
        assert all(torch.equal(one, values[key]) for key, one in getattr(agent.policy, follower).state_dict().items())
    agent.learn(12)


def test_a_saved_agent_is_loaded_without_the_rule_file(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("initrules: 1\nrules: [{rule: all, select: {type: Linear}, set: {weight: orthogonal}}]")
    agent = ppo(rules=file)
    agent.learn(32)
    agent.save(tmp_path / "agent")
    agent.policy.save(tmp_path / "policy")
    file.unlink()
    learned = agent.policy.state_dict()
    loaded = PPO.load(tmp_path / "agent", device="cpu").policy
    alone = type(agent.policy).load(tmp_path / "policy", device="cpu")
    for policy in (loaded, alone):
        assert all(torch.equal(one, learned[name]) for name, one in policy.state_dict().items())
    assert alone.init_plan is None


def test_options_for_an_optimizer_are_warned_of() -> None:
    rules = initrules.from_text(
        'initrules: 1\nrules: [{rule: a, select: {type: Linear}, set: {bias: 1}, optimize: {"*": {lr_scale: 2}}}]'
    )
    with pytest.warns(UserWarning, match="lr_scale") as caught:
        ppo(rules=rules)
    assert [str(one.message) for one in caught] == [
        "stable-baselines3 makes the optimizer itself, so that the rules' lr_scale does not count"
    ]


def test_parametrizations_are_refused() -> None:
    body = "{rule: a, select: {type: Linear}, set: {weight: ones}, parametrize: {weight: weight_norm}}"
    rules = initrules.from_text(f"initrules: 1\nrules: [{body}]")
    with pytest.raises(ApplyError) as caught:
        ppo(rules=rules)
    assert str(caught.value).splitlines()[-1] == "  Leave it out for stable-baselines3."


def test_one_class_for_each_policy_class() -> None:
    assert ruled(ActorCriticPolicy) is ruled(ActorCriticPolicy)
    assert ruled(ActorCriticPolicy).__name__ == "RuledActorCriticPolicy"
