"""A callback that initialises a Lightning module by rules before training, and logs the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from initrules.api import Plan
from initrules.integrations.starting import Rules, started
from initrules.integrations.tracking import log_plan
from initrules.writer import Record

try:
    from lightning.pytorch import Callback
except ModuleNotFoundError:  # the same under its older name
    from pytorch_lightning import Callback


class InitCallback(Callback):  # type: ignore[misc]  # one of two modules, which may be missing
    """Writes a plan into the module when fitting begins, before checkpoints are loaded and optimizers are made.

    ``part``: the path of the module that the rules are for, ``""`` for the whole. With a
    ``configure_model`` of the module's own, which builds it later, the plan is written into what it
    has built, unless training resumes. A second ``fit`` goes on with what the first one learned.
    ``log``: whether TensorBoard gets the plan, if a logger of the trainer is one. Afterwards ``plan`` and
    ``record`` say what was done.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        seed: int = 0,
        vars: Mapping[str, object] | None = None,  # noqa: A002  # the rule files' own word
        part: str = "",
        log: bool = True,
    ) -> None:
        super().__init__()
        self.rules = rules
        self.seed = seed
        self.vars = vars
        self.part = part
        self.log_to_tensorboard = log
        self.plan: Plan | None = None
        self.record: Record | None = None

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Initialise what is built already."""
        del trainer
        if stage == "fit" and self.plan is None and not _is_built_later(pl_module):
            self._apply(pl_module)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Initialise what ``configure_model`` has built: its optimizers exist by now."""
        if self.plan is None and trainer.ckpt_path is None:
            self._apply(pl_module, wrap=False)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Log the plan where it was written in this run."""
        if not self.log_to_tensorboard or self.plan is None or trainer.global_step or not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            if hasattr(logger.experiment, "add_histogram_raw"):
                log_plan(logger.experiment, self.plan, self._target(pl_module), record=self.record)

    def _target(self, pl_module: Any) -> Any:
        return pl_module.get_submodule(self.part)

    def _apply(self, pl_module: Any, *, wrap: bool = True) -> None:
        too_late = None if wrap else "Call initrules.apply_ at the end of 'configure_model' instead."
        self.plan, self.record = started(
            self._target(pl_module), self.rules, seed=self.seed, variables=self.vars, too_late=too_late
        )


def _is_built_later(pl_module: Any) -> bool:
    """Whether the module has a ``configure_model`` of its own."""
    return any("configure_model" in vars(kind) for kind in type(pl_module).__mro__ if not _is_lightnings(kind))


def _is_lightnings(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in {"lightning", "pytorch_lightning"}
