"""Writes a plan into a model, in fixed phases: check → materialise → draw → parametrize.

Everything that can fail is checked before the first write. This is the only module that writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from initrules import planning
from initrules.decision import Decision, Row
from initrules.draw import KeyedDraw, seeded_globally, stream_key
from initrules.errors import ApplyError, Problems, RuleError
from initrules.planning import PlanData
from initrules.survey import modules_by_path, survey


@dataclass(frozen=True, slots=True)
class Record:
    """What an application wrote: the seed, the plan's fingerprint, the parameters by name."""

    seed: int
    fingerprint: str
    written: tuple[str, ...]
    parametrized: tuple[str, ...]


class WriteError(ApplyError):
    """A write that failed half-way; ``record`` says what had been written before."""

    def __init__(self, message: str, record: Record, hint: str | None = None) -> None:
        super().__init__(message, None, hint)
        self.record = record


def apply_(
    model: Any,
    planned: PlanData,
    *,
    seed: int = 0,
    device: str | torch.device | None = None,
    on_row: Callable[[], None] | None = None,
) -> Record:
    """Write every decision of a plan into ``model``, in place.

    A parameter's value depends on (seed, canonical name) and its action alone. ``device``: where a
    model on the meta device is materialised, by default the CPU. ``on_row`` is called after each row.
    Raises ``Problems`` before the first write when anything can be known to fail, ``WriteError``
    when a write fails after that.
    """
    current = _same_decisions(model, planned)
    places = _places(model)
    problems = [*_plan_problems(current), *_problems(current, places)]
    if problems:
        raise Problems(problems)
    with torch.no_grad():
        _materialise(current, places, torch.device(device or "cpu"))
        return _Writer(current, places, seed).run(on_row or _nothing)


def _same_decisions(model: Any, planned: PlanData) -> PlanData:
    """The plan for this very model; refuses when a decision would differ from the plan given."""
    inventory = survey(model)
    if inventory.fingerprint() == planned.inventory.fingerprint():
        return PlanData(
            tuple(_now(row, p) for row, p in zip(planned.rows, inventory.parameters, strict=True)),
            planned.findings,
            planned.tallies,
            planned.rules,
            inventory,
        )
    current = planning.make(planned.rules, inventory)
    if current.fingerprint() != planned.fingerprint():
        raise ApplyError(
            f"this is not the model that was planned: {_difference(planned, current)}",
            hint="Plan this model again.",
        )
    return current


def _now(row: Row, parameter: Any) -> Row:
    return Row(parameter, row.target, row.decisions, row.moments)


def _difference(planned: PlanData, current: PlanData) -> str:
    before = {row.path: (row.parameter.shape, {k: d.actions for k, d in row.decisions.items()}) for row in planned.rows}
    after = {row.path: (row.parameter.shape, {k: d.actions for k, d in row.decisions.items()}) for row in current.rows}
    gone, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    if gone or new:
        words = [f"'{name}' is gone" for name in gone[:3]] + [f"'{name}' is new" for name in new[:3]]
        return f"{', '.join(words)} ({len(gone)} gone, {len(new)} new)"
    changed = [name for name in before if before[name] != after[name]]
    return f"{len(changed)} parameters would be decided differently, the first is '{changed[0]}'"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one name of a parameter lives in the model."""

    owner: nn.Module
    local: str

    @property
    def parametrized(self) -> bool:
        return parametrize.is_parametrized(self.owner, self.local)

    def tensor(self) -> torch.Tensor:
        """The tensor that is stored: of a parametrized weight the first original."""
        if self.parametrized:
            chain: Any = self.owner.parametrizations[self.local]  # type: ignore[index]
            original: torch.Tensor = chain.original if chain.is_tensor else chain.original0
            return original
        stored = self.owner._parameters.get(self.local)
        found = self.owner._buffers[self.local] if stored is None else stored
        assert found is not None
        return found

    def replace(self, tensor: torch.Tensor) -> None:
        """Put another tensor in its place."""
        store: Any = self.owner._parameters if self.local in self.owner._parameters else self.owner._buffers
        store[self.local] = tensor


def _places(model: Any) -> Mapping[str, _Place]:
    """The owner and local name behind every name in the inventory."""
    found: dict[str, _Place] = {}
    for path, _, module in modules_by_path(model):
        if isinstance(module, nn.Module):
            prefix = f"{path}." if path else ""
            locals_ = [*module._parameters, *module._buffers]
            if parametrize.is_parametrized(module):
                locals_ += list(module.parametrizations)  # type: ignore[arg-type]
            found.update((prefix + local, _Place(module, local)) for local in locals_)
    return found


def _plan_problems(planned: PlanData) -> Iterator[RuleError]:
    for finding in planned.errors:
        yield ApplyError(finding.message, finding.span, finding.hint)


def _problems(planned: PlanData, places: Mapping[str, _Place]) -> Iterator[RuleError]:
    """Everything about the live tensors that would make a write fail."""
    on_meta = [row for row in planned.rows if row.parameter.device == "meta"]
    empty = [row.path for row in on_meta if row.value is None or not row.value.writes]
    if empty:
        yield ApplyError(
            f"{len(empty)} tensors on the meta device have no value and no rule that gives one: {', '.join(empty[:5])}"
            f"{' ...' if len(empty) > 5 else ''}",
            hint="Add a rule or a default for them, or build the model on a real device.",
        )
    for row in planned.rows:
        place = places[row.path]
        if row.value is not None and row.value.writes:
            problem = _unwritable(place, place.tensor())
            if problem:
                yield ApplyError(f"'{row.path}' {problem}", row.value.span)
        wrap = row.decisions.get("parametrize")
        if wrap is not None and wrap.writes:
            yield from _unwrappable(row, wrap, place)


def _unwritable(place: _Place, tensor: torch.Tensor) -> str | None:
    if tensor.is_inference():
        return "was made in inference mode, so that it cannot be written"
    if any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)):
        return "is expanded: several of its entries are one number in memory"
    if place.parametrized:
        if tensor.device.type == "meta":
            return "is parametrized and on the meta device; build the model on a real device"
        chain: Any = place.owner.parametrizations[place.local]  # type: ignore[index]
        lacking = [type(one).__name__ for one in chain if not hasattr(one, "right_inverse")]
        if lacking:
            return f"is wrapped in {lacking[0]}, which has no right_inverse to write through"
    return None


def _unwrappable(row: Row, wrap: Decision, place: _Place) -> Iterator[RuleError]:
    if row.value is not None and row.value.writes:
        return  # the plan knows the new value
    tensor = place.tensor()
    divides = any(getattr(action, "nan_on_zero", False) for action in wrap.actions)
    if divides and tensor.device.type != "meta" and not bool(tensor.any()):
        yield ApplyError(
            f"{wrap.actions[0].name} divides '{row.path}' by its norm, and the value it has is zero: the result is NaN",
            wrap.span,
            "Give it a value with 'set', or leave it out of the rule.",
        )


def _materialise(planned: PlanData, places: Mapping[str, _Place], device: torch.device) -> None:
    """Give tensors on the meta device memory; all names of one tensor get the same one."""
    for row in planned.rows:
        old = places[row.path].tensor()
        if old.device.type != "meta":
            continue
        made = torch.empty_strided(old.shape, old.stride(), dtype=old.dtype, device=device)
        new = nn.Parameter(made, old.requires_grad) if isinstance(old, nn.Parameter) else made
        for name in row.parameter.names:
            places[name.path].replace(new)


def _nothing() -> None:
    """Report no progress."""


class _Writer:
    """Runs the writing phases and keeps the record."""

    def __init__(self, planned: PlanData, places: Mapping[str, _Place], seed: int) -> None:
        self.planned = planned
        self.places = places
        self.seed = seed
        self.written: list[str] = []
        self.wrapped: list[str] = []

    def run(self, on_row: Callable[[], None]) -> Record:
        for row in self.planned.rows:
            if row.value is not None and row.value.writes:
                with self._named(row):
                    self._write(row, row.value)
                self.written.append(row.path)
            on_row()
        for row in self.planned.rows:
            wrap = row.decisions.get("parametrize")
            if wrap is not None and wrap.writes:
                with self._named(row):
                    self._wrap(row, wrap)
                self.wrapped.append(row.path)
        return self._record()

    def _record(self) -> Record:
        return Record(self.seed, self.planned.fingerprint(), tuple(self.written), tuple(self.wrapped))

    @contextlib.contextmanager
    def _named(self, row: Row) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise WriteError(
                f"writing '{row.path}' failed after {len(self.written)} others were written: {error}", self._record(),
                "Build the model again before the next try.",
            ) from error  # fmt: skip

    def _write(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        stored = place.tensor()
        value = self._value(row, decision, stored, place)
        if row.target.padding is not None and any(not action.transforms for action in decision.actions):
            value[row.target.padding] = 0
        if place.parametrized:
            write_through_(place.owner, place.local, value.to(stored.device, stored.dtype))
        else:
            stored.copy_(value)

    def _value(self, row: Row, decision: Decision, stored: torch.Tensor, place: _Place) -> torch.Tensor:
        """The new value in working precision on the CPU."""
        value = torch.empty(row.parameter.shape, dtype=_working(stored.dtype))
        for slot, action in enumerate(decision.actions):
            if action.name == "keep":
                value.copy_(stored)
                continue
            key = stream_key(self.seed, row.path, f"{slot}" if slot else "")
            action.write_(value, row.target, KeyedDraw(key, place.owner, place.local))
        return value

    def _wrap(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        action = decision.actions[0]
        with seeded_globally(stream_key(self.seed, row.path, "parametrize")), torch.enable_grad():
            wrap_(place.owner, place.local, action)


def _working(dtype: torch.dtype) -> torch.dtype:
    """The precision to draw in: at least float32."""
    if dtype.is_floating_point and dtype.itemsize < 4:
        return torch.float32
    return dtype


def write_through_(owner: nn.Module, local: str, value: torch.Tensor) -> None:
    """Write the effective value of a parametrized weight, and make sure that it arrived."""
    chain: Any = owner.parametrizations[local]  # type: ignore[index]
    setattr(owner, local, value)
    norms = [one for one in chain if type(one).__name__ == "_SpectralNorm"]
    for one in norms:
        refresh_spectral_norm_(one, chain.original)
    arrived = chain.original if norms else getattr(owner, local)
    tolerance = 64 * torch.finfo(value.dtype).eps * max(1.0, float(value.abs().max())) if value.numel() else 0.0
    if not torch.allclose(arrived, value, rtol=0, atol=tolerance):
        raise ApplyError("the parametrization gives another value than the one written to it")


def refresh_spectral_norm_(norm: Any, weight: torch.Tensor) -> None:
    """Let the power iteration find the singular vectors of the new weight."""
    if weight.ndim > 1:
        norm._power_method(norm._reshape_weight_to_matrix(weight), 15)  # as many as torch runs at registration


def wrap_(owner: nn.Module, local: str, action: Any) -> None:
    """Register a parametrization on a weight, with torch's own function."""
    match action.name:
        case "spectral_norm":
            parametrizations.spectral_norm(owner, local, action.n_power_iterations, action.eps, action.dim)
        case "weight_norm":
            parametrizations.weight_norm(owner, local, action.dim)
        case _:
            parametrizations.orthogonal(
                owner, local, action.orthogonal_map, use_trivialization=action.use_trivialization
            )
