"""Checks what a rule file expects of a model: outputs and gradients, on example inputs, in each mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from initrules import formula
from initrules.errors import EvaluationError, ModelError
from initrules.evaluation import Scope, evaluate
from initrules.expression import FUNCTIONS, Expression, parse
from initrules.folding import bound
from initrules.matcher import Matcher
from initrules.planning import PlanData
from initrules.rules import Expectation
from initrules.running import MODES, Call, calls_of, restored, run, tensors
from initrules.scope import Scopes
from initrules.source import Span
from initrules.survey import modules_by_path, own_tensors
from initrules.verdict import Problem

_ROUNDING = 1e-5  # relative: what a mean may be off where no tolerance is given
_MOST = 100  # updates before a gradient is looked at
_STEP = 1e-3  # how far the largest entry of each parameter moves in one update


def check(model: Any, planned: PlanData, inputs: Any) -> list[Problem]:
    """Every expectation that is not met. Raises ``RuleError`` where one has no value, or the model cannot run."""
    scope = Scopes(Matcher(planned.inventory), planned.rules.variables).of_model()
    wanted = [_evaluated(one, scope) for one in planned.rules.expect]
    if not wanted:
        return []
    modules = _modules(model)
    found = [p for one in wanted for p in _unmet_patterns(one, modules)]
    calls = calls_of(model, inputs)
    for mode in MODES:
        asked = [one for one in wanted if mode in one.modes]
        if asked:
            found += _in_mode(model, asked, modules, calls, mode)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Wanted:
    """An expectation with its values."""

    expectation: Expectation
    modes: tuple[str, ...]
    through: str | None = None
    within: tuple[float, float] | None = None
    near: float | None = None
    tolerance: float = 0.0
    varies: bool | None = None
    reaches: bool | None = None
    after: int = 0

    def modules(self, modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """The modules that it is about, by the first path that it meets."""
        met: dict[int, tuple[str, nn.Module]] = {}
        for path, module in modules.items():
            if any(pattern.match(path) is not None for pattern in self.expectation.patterns):
                met.setdefault(id(module), (path, module))
        return dict(met.values())

    def problem(self, subject: str, message: str) -> Problem:
        """A problem at the place of the expectation."""
        return Problem(subject, self.expectation.kind, message, span=self.expectation.span)


def _evaluated(one: Expectation, scope: Scope) -> Wanted:
    given = one.values
    within = given.get("within")
    return Wanted(
        one,
        modes=tuple(given.get("modes") or MODES),
        through=bound(given["through"], scope, {"x"}) if "through" in given else None,
        within=None if within is None else (_number(within[0], scope), _number(within[1], scope)),
        near=_number(given["near"], scope) if "near" in given else None,
        tolerance=_tolerance(given, scope),
        varies=given.get("varies"),
        reaches=given.get("reaches"),
        after=_updates(given["after"], scope) if "after" in given else 0,
    )


def _tolerance(given: Mapping[str, Any], scope: Scope) -> float:
    if "tolerance" in given:
        return _number(given["tolerance"], scope)
    return _ROUNDING * max(1.0, abs(_number(given["near"], scope))) if "near" in given else 0.0


def _updates(given: Expression, scope: Scope) -> int:
    value = _number(given, scope)
    if value != int(value) or not 0 <= value <= _MOST:
        raise EvaluationError(f"'after' must be a whole number from 0 to {_MOST}, not {value:g}", given.span)
    return int(value)


def _number(given: Expression, scope: Scope) -> float:
    value = evaluate(given, scope)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EvaluationError(f"'{given}' must be a number, not {value}", given.span, "Give a number.")
    return float(value)


def _modules(model: Any) -> dict[str, nn.Module]:
    return {path: module for path, _, module in modules_by_path(model) if isinstance(module, nn.Module)}


def _unmet_patterns(wanted: Wanted, modules: Mapping[str, nn.Module]) -> Iterator[Problem]:
    for pattern in wanted.expectation.patterns:
        if not any(pattern.match(path) is not None for path in modules):
            yield wanted.problem(str(pattern), "is no module of this model")


def _in_mode(
    model: Any, asked: Sequence[Wanted], modules: Mapping[str, nn.Module], calls: tuple[Call, ...], mode: str
) -> Iterator[Problem]:
    outputs = [one for one in asked if one.reaches is None]
    watch = _Watch()
    with restored(model), torch.no_grad():
        for one in outputs:
            watch.hook(one.modules(modules))
        run(model, calls, mode)
    for one in outputs:
        for path, module in one.modules(modules).items():
            yield from _output(one, path, watch.seen.get(id(module)), mode)
    gradients = [one for one in asked if one.reaches is not None]
    if gradients:
        yield from _gradients(model, gradients, modules, calls, mode)


@dataclass(slots=True)
class _Watch:
    """Collects what modules return, in double precision on the CPU."""

    seen: dict[int, list[torch.Tensor]] = field(default_factory=dict)

    def hook(self, modules: Mapping[str, nn.Module]) -> None:
        """Watch modules until their hooks are put back."""
        for module in modules.values():
            if id(module) not in self.seen:
                self.seen[id(module)] = []
                module.register_forward_hook(self._note)

    def _note(self, module: nn.Module, _: Any, output: Any) -> None:
        self.seen[id(module)] += [one.detach().to("cpu", torch.float64) for one in tensors(output)]


def _output(wanted: Wanted, path: str, seen: list[torch.Tensor] | None, mode: str) -> Iterator[Problem]:
    if not seen:
        yield wanted.problem(path, f"gave no output in {mode} mode: the inputs do not reach it")
        return
    values = [_transformed(one, wanted.through) for one in seen]
    entries = torch.cat([one.reshape(-1) for one in values])
    where = f"in {mode} mode" if wanted.through is None else f"through {wanted.through} in {mode} mode"
    if not entries.numel() or not bool(entries.isfinite().all()):
        bad = int(entries.numel() - entries.isfinite().sum())
        yield wanted.problem(path, f"has an output with {bad} of {entries.numel()} values not finite {where}")
        return
    low, high, mean = float(entries.min()), float(entries.max()), float(entries.mean())
    if wanted.within is not None and not (wanted.within[0] <= low and high <= wanted.within[1]):
        span = f"[{wanted.within[0]:.6g}, {wanted.within[1]:.6g}]"
        yield wanted.problem(path, f"has outputs from {low:.6g} to {high:.6g} {where}, expected within {span}")
    if wanted.near is not None and not abs(mean - wanted.near) <= wanted.tolerance:
        off = f"expected {wanted.near:.6g} ± {wanted.tolerance:.3g}"
        yield wanted.problem(path, f"has a mean output of {mean:.6g} {where}, {off}")
    if wanted.varies is not None and _varies(values) is not wanted.varies:
        verb = "is the same for all examples" if wanted.varies else "varies between examples"
        yield wanted.problem(path, f"has an output that {verb} {where}")


def _transformed(output: torch.Tensor, through: str | None) -> torch.Tensor:
    if through is None or through == "identity":
        return output
    text = f"{through}(x)" if through in FUNCTIONS else through
    expression = parse(text, Span("through", 1, 1))
    return torch.from_numpy(formula.compute(expression, output.numpy(), tuple(output.shape), {}).copy())


def _varies(values: Sequence[torch.Tensor]) -> bool:
    """Whether any output differs between the examples along its first dimension."""
    return any(one.ndim > 0 and len(one) > 1 and bool((one != one[:1]).any()) for one in values)


def _gradients(
    model: Any, asked: Sequence[Wanted], modules: Mapping[str, nn.Module], calls: tuple[Call, ...], mode: str
) -> Iterator[Problem]:
    last = max(one.after for one in asked)
    with restored(model, parameters=last > 0):
        for step in range(last + 1):
            for parameter in _parameters(modules):
                parameter.grad = None
            _backward(run(model, calls, mode), mode)
            for one in asked:
                if one.after == step:
                    yield from _reached(one, modules, mode)
            if step < last:
                _move_(modules)


def _backward(outputs: tuple[Any, ...], mode: str) -> None:
    """Gradients of a random combination of all outputs, in which none is lost by symmetry."""
    found = [one for output in outputs for one in tensors(output) if one.requires_grad]
    if not found:
        raise ModelError(
            f"no output in {mode} mode depends on a parameter that can be trained", hint="Give other inputs."
        )
    generator = torch.Generator().manual_seed(0)
    weighted = [
        (one * torch.randn(one.shape, generator=generator).to(one)).sum() / math.sqrt(max(1, one.numel()))
        for one in found
    ]
    torch.stack([one.to("cpu", torch.float32) for one in weighted]).sum().backward()  # type: ignore[no-untyped-call]


def _parameters(modules: Mapping[str, nn.Module]) -> list[nn.Parameter]:
    found = {id(p): p for module in modules.values() for p in module.parameters() if p.requires_grad}
    return list(found.values())


def _move_(modules: Mapping[str, nn.Module]) -> None:
    for parameter in _parameters(modules):
        if parameter.grad is not None:
            largest = float(parameter.grad.abs().max()) if parameter.grad.numel() else 0.0
            if largest > 0:
                parameter.data.sub_(parameter.grad / largest * _STEP)


def _reached(wanted: Wanted, modules: Mapping[str, nn.Module], mode: str) -> Iterator[Problem]:
    after = f" after {wanted.after} update{'s' * (wanted.after != 1)}" if wanted.after else ""
    for path, module in wanted.modules(modules).items():
        for local, parameter, buffer, _ in own_tensors(module):
            if buffer or not parameter.requires_grad:
                continue
            name = f"{path}.{local}".lstrip(".")
            gradient = parameter.grad
            if gradient is not None and not bool(gradient.isfinite().all()):
                yield wanted.problem(name, f"gets a gradient that is not finite in {mode} mode{after}")
            elif (gradient is not None and bool(gradient.any())) is not wanted.reaches:
                verb = "gets no gradient" if wanted.reaches else "gets a gradient"
                yield wanted.problem(name, f"{verb} in {mode} mode{after}")
