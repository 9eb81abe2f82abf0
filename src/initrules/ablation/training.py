"""What a training function is given: a way to initialise its model, and a log."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from initrules import report, ruleset
from initrules.ablation.study import Arm, rules_of
from initrules.api import Plan, plan
from initrules.errors import ModelError, Severity
from initrules.running import tensors
from initrules.survey import root_entries, stored_by_path

Start = dict[str, Any]  # how a parameter starts, or the outputs: ready for JSON
NO_RULES = "initrules: 1\nabout: the model as it was built\n"


class Initialise:
    """Applies an arm's rules with the run's seed, and records how each parameter starts."""

    def __init__(
        self, arm: Arm, seed: int, keep: Callable[[Start], None] = lambda _: None, *, allow: tuple[str, ...] = ()
    ) -> None:
        self._seed = seed
        self._keep = keep
        self._sources = dict(arm.sources)
        self._rules = rules_of(arm, allow) or ruleset.from_text(NO_RULES)
        self._names: set[str] = set()

    def __call__(self, model: Any, *, name: str = "", sources: Mapping[str, Any] | None = None) -> Plan:
        """Plan the arm's rules for ``model`` and apply them, in place; the plan makes optimizer groups.

        ``model``: a module, or a dict or dataclass of modules. ``name``: for a second model of a run; the
        rules see its parameters below that name. ``sources``: checkpoints by name, as files or as tensors
        at hand; those that the arm's rules do not know are left out. torch's generators are afterwards
        where they were, so that all arms train on the same random numbers. Raises ``RuleError`` when the
        rules do not fit the model, and ``ModelError`` for a name that is taken.
        """
        if name in self._names:
            raise ModelError(
                f"initialise was called twice for the model '{name}'",
                hint="Give the second one a name of its own: initialise(critic, name='critic').",
            )
        self._names.add(name)
        given = {key: value for key, value in (sources or {}).items() if key in self._rules.sources}
        made = plan({name: model} if name else model, self._rules, sources={**self._sources, **given})
        for finding in made.findings:
            if finding.severity is not Severity.INFO:
                print(report.findings_text([finding]))  # noqa: T201  # into the log of the run
        with _own_random_numbers(self._seed, name):
            made.apply_(seed=self._seed)
        for start in _starts(made):
            self._keep(start)
        return made


@contextlib.contextmanager
def _own_random_numbers(seed: int, name: str) -> Iterator[None]:
    """For rules with ``stream: global``: numbers that training does not see again."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed << 32 | zlib.crc32(b"initialise/" + name.encode()))
        yield


def _starts(made: Plan) -> Iterator[Start]:
    stored = stored_by_path(made.model)
    for row in made.rows:
        if not row.parameter.buffer:
            values = torch.cat([one.detach().flatten().float().cpu() for one in stored[row.path]])
            rule = row.value.rule if row.value is not None else ""
            yield {"parameter": row.path, "shape": list(row.parameter.shape), "rule": rule, **summary(values)}


def summary(values: torch.Tensor) -> dict[str, float | None]:
    """Mean, std, min and max of numbers in any shape, None where they are not finite."""
    if not values.numel():
        return dict.fromkeys(("mean", "std", "min", "max"))
    flat = values.detach().flatten().double().cpu()
    found = {"mean": flat.mean(), "std": flat.std(correction=0), "min": flat.min(), "max": flat.max()}
    return {key: finite(float(value)) for key, value in found.items()}


def finite(value: float) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


class Log:
    """Records numbers by step: ``log(step, loss=0.3)``; gradients; outputs before the first step."""

    def __init__(self, keep: Callable[[float, dict[str, float | None]], None]) -> None:
        self._keep = keep
        self.first_outputs: dict[str, Start] = {}

    def __call__(self, step: float, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Record numbers, or tensors with one entry, at a step. Names with a slash share a section: ``error/q``."""
        found = {**(values or {}), **named}
        self._keep(float(step), {name: finite(_number(name, value)) for name, value in found.items()})

    def gradients(self, step: float, /, **networks: Any) -> None:
        """Record the norm of each network's gradients as ``gradients/NAME``; call it before clipping.

        A network is a module, a dict or dataclass of modules, or an iterable of parameters. One without
        gradients is left out.
        """
        norms = {name: _gradient_norm(network) for name, network in networks.items()}
        self(step, {f"gradients/{name}": norm for name, norm in norms.items() if norm is not None})

    def outputs(self, **outputs: Any) -> None:
        """Record the range of outputs before the first step. Raises ``ModelError`` for a name that is taken.

        An output is a tensor, or anything nested that holds tensors.
        """
        for name, output in outputs.items():
            if name in self.first_outputs:
                raise ModelError(
                    f"the first outputs of '{name}' were recorded before", hint="Call it once, before training."
                )
            found = [tensor.detach().flatten().double().cpu() for tensor in tensors(output)]
            if not found:
                raise ModelError(f"the output '{name}' holds no tensor", hint="Give what the network returns.")
            self.first_outputs[name] = summary(torch.cat(found))


def _number(name: str, value: Any) -> float:
    if isinstance(value, torch.Tensor):
        value = value.detach()
    try:
        return float(value.item() if isinstance(value, torch.Tensor | np.ndarray) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"the logged '{name}' is no number: {error}", hint="Log numbers.") from None


def _gradient_norm(network: Any) -> float | None:
    entries = root_entries(network)
    modules = [network] if isinstance(network, nn.Module) else list((entries or {}).values())
    parameters = [p for module in modules for p in module.parameters()] if modules else list(network)
    gradients = [p.grad for p in parameters if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else None
