"""A callback that initialises the model of a Hugging Face ``Trainer`` by rules, and logs the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback

from initrules.api import Plan
from initrules.integrations.starting import Rules, started
from initrules.integrations.tracking import Writer, log_plan
from initrules.writer import Record


class InitCallback(TrainerCallback):
    """Writes a plan into the model when the trainer is made: before checkpoints are loaded and optimizers made.

    A trainer with ``model_init`` makes another model for each ``train``; that one is written when training
    begins, unless it resumes. ``writer``: a TensorBoard writer that gets the plan. Afterwards ``plan`` and
    ``record`` say what was done.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        seed: int = 0,
        vars: Mapping[str, object] | None = None,  # noqa: A002  # the rule files' own word
        writer: Writer | None = None,
    ) -> None:
        self.rules = rules
        self.seed = seed
        self.vars = vars
        self.writer = writer
        self.plan: Plan | None = None
        self.record: Record | None = None

    def on_init_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Initialise the trainer's model."""
        del args, state, control
        self._apply(given["model"], wrap=True)

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Initialise a model that was made since; log the plan."""
        del args, control
        if state.global_step:
            return  # resumed
        model = given["model"]
        if self.plan is None or self.plan.model is not model:
            self._apply(model, wrap=False)
        if self.writer is not None and state.is_world_process_zero:
            assert self.plan is not None
            log_plan(self.writer, self.plan, record=self.record)

    def _apply(self, model: Any, *, wrap: bool) -> None:
        too_late = None if wrap else "Call initrules.apply_ in 'model_init' instead."
        self.plan, self.record = started(model, self.rules, seed=self.seed, variables=self.vars, too_late=too_late)
