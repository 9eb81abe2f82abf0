"""The Python side: plan a model, look at the plan, apply it, make optimizer groups."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from initrules import planning, plugins, report, ruleset, snapshot, verification
from initrules import sources as checkpoints
from initrules.actions.table import Table
from initrules.apply import apply_ as write_
from initrules.collector import held_off
from initrules.decision import Row
from initrules.errors import ActionError, ApplyError, Finding
from initrules.groups import Group, param_groups
from initrules.held import drawn, held
from initrules.observing import survey_with
from initrules.planning import PlanData
from initrules.report.html import plan_page
from initrules.report.page_data import Values
from initrules.ruleset import RuleSet
from initrules.snapshot import Snapshot
from initrules.sources import NO_SOURCES, Sources
from initrules.survey import stored_by_path
from initrules.verdict import Verification
from initrules.writer import Record


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """A plan for one model: what would be written, by which rule, over which others.

    ``str(plan)`` and a notebook show it as a table; ``data`` is all of it as plain data.
    """

    data: PlanData
    model: Any
    sources: Sources = NO_SOURCES
    snapshot: Snapshot | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """One row for each parameter and buffer, in registration order."""
        return self.data.rows

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything worth knowing, the worst first."""
        return self.data.findings

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop ``apply_``."""
        return self.data.errors

    def explain(self, name: str) -> str:
        """Why a parameter gets its value: the winner, the losers, the places.

        ``name``: any name of a parameter. Raises ``ModelError`` when there is none of that name.
        """
        return report.explain_text(self.data, name)

    def apply_(self, model: Any = None, *, seed: int = 0, device: str | torch.device | None = None) -> Record:
        """Write the plan into ``model`` (by default the one that was planned), in place.

        Raises ``RuleError`` before the first write when anything can be known to fail.
        """
        target = self.model if model is None else model
        return write_(target, self.data, seed=seed, sources=self.sources, device=device, snapshot=self.snapshot)

    def materialize_(self, model: Any = None, *, seed: int = 0, device: str | torch.device = "cpu") -> Record:
        """Give a model on the meta device memory on ``device`` and the values of the plan; see ``materialize_``."""
        target = self.model if model is None else model
        found = self.snapshot
        return write_(target, self.data, seed=seed, sources=self.sources, device=device, snapshot=found, complete=True)

    def param_groups(self, lr: float, weight_decay: float = 0.0, model: Any = None) -> list[Group]:
        """Groups for a torch optimizer: each trainable parameter once, with ``lr`` times its scale.

        ``model``: the one whose parameters are meant, by default the one that was planned.
        """
        target = self.model if model is None else model
        return param_groups(self.data, stored_by_path(target), lr=lr, weight_decay=weight_decay)

    def to_dict(self) -> dict[str, Any]:
        """The plan as versioned, sorted, JSON-ready data."""
        return report.as_json(self.data)

    def to_html(self, *, draw: int | None = None, held_by: Any = None) -> str:
        """The plan as a page: one file that needs no network.

        ``draw``: a seed; histograms show what ``apply_`` would write with it, computed without
        writing. ``held_by``: a model whose present values are shown instead, after ``apply_`` for
        example. Raises ``ApplyError`` for ``draw`` with ``stream: global``.
        """
        values: list[Values | None] = [None if held_by is None else held(held_by, self.rows)]
        if draw is not None:
            if self.data.rules.stream == "global":
                raise ApplyError(
                    "a global stream depends on all that was drawn before",
                    hint="Call apply_, and show what the model holds: to_html(held_by=model).",
                )
            values = [drawn(self.model, self.data, seed=draw, sources=self.sources)]
        return plan_page([self.data], [self.data.rules.files[-1]], title=type(self.model).__name__, values=values)

    def __str__(self) -> str:
        return report.plan_text(self.data)

    def __repr__(self) -> str:
        return f"<Plan: {report.counts(self.data)}>"

    def _repr_html_(self) -> str:
        return report.plan_html_table(self.data)


def plan(
    model: Any,
    rules: str | os.PathLike[str] | RuleSet,
    *,
    vars: Mapping[str, object] | None = None,  # noqa: A002  # the rule files' own word
    actions: Table | None = None,
    sources: Mapping[str, Any] | None = None,
    inputs: Any = None,
) -> Plan:
    """Decide how every parameter of ``model`` starts; touches no weight and no random state.

    ``model``: an ``nn.Module``, or a dict or dataclass of modules, on any device, meta included.
    ``rules``: a file, ``preset:NAME``, or a ``RuleSet``; ``vars`` replaces variables by name;
    ``actions`` adds actions of your own to the built-in ones and those of installed packages;
    ``sources`` gives checkpoints by name, as files or as tensors at hand (a state_dict); ``inputs``
    are example inputs, on which the model is run, without a trace, if rules ask for a gain ``auto``.
    Raises ``RuleError`` with every problem of the rules.
    """
    if actions and isinstance(rules, RuleSet):
        raise ActionError("actions are read together with the rules", hint="Give the file, not a RuleSet.")
    loaded = rules if isinstance(rules, RuleSet) else ruleset.load(rules, tables=plugins.tables().plus(actions or {}))
    if vars:
        loaded = loaded.with_variables(vars, origin="vars")
    opened = checkpoints.read(loaded, sources)
    with held_off():
        inventory = survey_with(model, inputs if loaded.reads_observed else None)
        return Plan(planning.make(loaded, inventory, opened.catalogs), model, opened, snapshot.take(model))


def materialize_(
    model: Any,
    plan: Plan | str | os.PathLike[str] | RuleSet,
    *,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Record:
    """Give a model on the meta device memory on ``device``, and every parameter the value of the plan.

    ``model``: built under ``torch.device("meta")`` or ``no_init(meta=True)``; all of it is on ``device``
    afterwards. ``plan``: a plan for it, or the rules to plan it by. Tied parameters stay tied. Buffers on
    the meta device get the value of a rule, or what their owner's reset method or the ``_init_weights`` of
    transformers computes; others are an error, because only the constructor knows them:
    ``no_init(meta=True)`` keeps them as built. Raises ``RuleError`` before anything is changed.
    """
    made = plan if isinstance(plan, Plan) else _plan(model, plan)
    return made.materialize_(model, seed=seed, device=device)


def verify(
    model: Any,
    plan: Plan | str | os.PathLike[str] | RuleSet,
    inputs: Any = None,
    seed: int | None = None,
    *,
    before: Mapping[str, str] | None = None,
) -> Verification:
    """Check that ``model`` has the values that a plan gives it, and the outputs that its rules expect.

    ``plan``: the plan, or the rules to make it by. ``seed``: that of ``apply_``; each value is then computed again
    and compared. Without it, for a model that another program initialised, values are tested statistically: a
    correct model has an error once in a million. ``inputs``: what the root's ``forward`` takes (a tensor, a tuple,
    a mapping of named arguments), or a mapping from paths of modules to such; the file's ``expect`` is checked on
    them in train and eval mode. ``before``: ``digests`` of the model before it was initialised, which show what
    was never written. The model is left as it is. In a process group all ranks call this together.
    """
    made = plan if isinstance(plan, Plan) else _plan(model, plan, inputs=inputs)
    return verification.verify(model, made.data, seed=seed, sources=made.sources, inputs=inputs, before=before)


_plan = plan  # where an argument has its name


def apply_(
    model: Any,
    rules: str | os.PathLike[str] | RuleSet,
    *,
    seed: int = 0,
    vars: Mapping[str, object] | None = None,  # noqa: A002
    actions: Table | None = None,
    sources: Mapping[str, Any] | None = None,
    inputs: Any = None,
) -> Record:
    """Plan ``model`` by ``rules`` and write the plan, in place; see ``plan``."""
    return plan(model, rules, vars=vars, actions=actions, sources=sources, inputs=inputs).apply_(seed=seed)
