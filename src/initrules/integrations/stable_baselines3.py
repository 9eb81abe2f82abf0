"""Policies of stable-baselines3 that start by rules.

``PPO(ruled(ActorCriticPolicy), env, policy_kwargs=policy_kwargs("preset:ppo", seed=1))``
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.policies import BasePolicy
from torch import nn

from initrules import ruleset
from initrules.api import Plan
from initrules.integrations.starting import Rules, started
from initrules.ruleset import RuleSet
from initrules.writer import Record

_TARGET = "_target"


def policy_kwargs(
    rules: Rules,
    *,
    seed: int = 0,
    vars: Mapping[str, object] | None = None,  # noqa: A002  # the rule files' own word
    **others: Any,
) -> dict[str, Any]:
    """The ``policy_kwargs`` of a ``ruled`` policy; ``others`` go to the policy as always, ``net_arch`` for example."""
    loaded = rules if isinstance(rules, RuleSet) else ruleset.load(rules)  # a saved agent is loaded without the file
    return {"init_rules": loaded, "init_seed": seed, "init_vars": vars, **others}


@functools.cache
def ruled(policy: type[BasePolicy]) -> Any:
    """The same policy class, for one that is written by the rules of its ``policy_kwargs`` when it is built.

    Every policy that builds its networks in ``_build`` will do: those of PPO, A2C, DQN, SAC and TD3.
    Networks that stable-baselines3 keeps as slow copies (``critic_target``) get the values of what they
    follow, whatever the rules say about them. ``optimize`` of the rules does not count, because
    stable-baselines3 makes the optimizer and sets one learning rate: it is warned of. Once built, the
    policy has the ``init_plan`` and ``init_record``.
    """

    class Ruled(policy):  # type: ignore[misc, valid-type]  # the base is an argument
        init_plan: Plan | None = None
        init_record: Record | None = None

        def __init__(
            self,
            *args: Any,
            init_rules: Rules | None = None,
            init_seed: int = 0,
            init_vars: Mapping[str, object] | None = None,
            **kwargs: Any,
        ) -> None:
            self._init_by = (init_rules, init_seed, init_vars)  # a policy that is loaded has no rules, but values
            super().__init__(*args, **kwargs)

        def _build(self, lr_schedule: Any) -> None:
            super()._build(lr_schedule)
            rules, seed, variables = self._init_by
            if rules is not None:
                self.init_plan, self.init_record = started(
                    self, rules, seed=seed, variables=variables, too_late="Leave it out for stable-baselines3."
                )
                _warn_of_options(self.init_plan)
                _follow_(self)

    Ruled.__name__ = Ruled.__qualname__ = f"Ruled{policy.__name__}"
    return Ruled


def _warn_of_options(plan: Plan) -> None:
    options = sorted({prop for row in plan.rows for prop in row.decisions} - {"set", "parametrize"})
    if options:
        warnings.warn(
            f"stable-baselines3 makes the optimizer itself, so that the rules' {', '.join(options)} does not count",
            stacklevel=2,
        )


def _follow_(policy: nn.Module) -> None:
    """Give each slow copy the values of the network that it follows, as the policy's own code does."""
    networks = dict(policy.named_children())
    for name, network in networks.items():
        if name.endswith(_TARGET) and name.removesuffix(_TARGET) in networks:
            network.load_state_dict(networks[name.removesuffix(_TARGET)].state_dict())
