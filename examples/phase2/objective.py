"""What the robot wants: that every human can reach many goals, the worst off before the others.

The formulas take numpy arrays and torch tensors alike, so that ground truth and training mean the
same by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The exponents, the discount and how decided the robot is."""

    gamma: float = 0.9  # the discount of a step, for humans and robot
    zeta: float = 2.0  # above 1: a sure goal is worth more than two coin flips
    xi: float = 1.0  # how much more the worse-off human counts
    eta: float = 1.1  # how much more worse times count
    beta: float = 5.0  # 0 is a random robot, infinity a greedy one
    least_ability: float = 0.01  # X is a power mean of chances; 0 would make U minus infinity

    def ability(self, v: Any) -> Any:
        """X from V: the mean over goals of V^zeta. (humans, goals, states) to (humans, states)."""
        return (v**self.zeta).mean(1)

    def utility(self, x: Any) -> Any:
        """U = -(mean over humans of X^-xi)^eta. (humans, states) to (states)."""
        return -((x.clip(self.least_ability) ** -self.xi).mean(0) ** self.eta)

    def policy(self, q: Any, beta: float | None = None) -> Any:
        """The robot's policy, proportional to (-Q)^-beta. (states, actions) to (states, actions)."""
        weights = (q / q.mean(-1, keepdims=True)) ** -(self.beta if beta is None else beta)  # a ratio stays near 1
        return weights / weights.sum(-1, keepdims=True)
