"""When which network learns, and how decided the policy is: the staged warm-up.

Each network's target is made of the networks before it, so they join one after the other: first
``v_h_e`` alone, then ``x_h``, then ``u_r``, then ``q_r`` and ``v_r``. Until all have joined the
policy is uniform; then beta rises to its value. Without warm-up all learn from the first step.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = (("v_h_e",), ("x_h",), ("u_r",), ("q_r", "v_r"))


@dataclass(frozen=True, slots=True)
class Schedule:
    """``warm_up`` steps, a quarter for each stage, then ``ramp`` steps in which beta rises."""

    warm_up: int
    ramp: int

    def learning(self, step: int) -> tuple[str, ...]:
        """The networks that learn in a step, counted from 0."""
        stage = len(STAGES) if step >= self.warm_up else 1 + step * len(STAGES) // self.warm_up
        return tuple(name for joined in STAGES[:stage] for name in joined)

    def share_of_beta(self, step: int) -> float:
        """0 while the networks join, then linearly to 1."""
        if step < self.warm_up:
            return 0.0
        return 1.0 if self.ramp == 0 else min(1.0, (step - self.warm_up) / self.ramp)
