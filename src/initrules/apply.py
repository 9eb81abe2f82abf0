"""Writes a plan into a model, in fixed phases: check → materialise → draw → parametrize.

Everything that can fail is checked before the first write. This is the only module that writes.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from initrules import planning
from initrules.decision import Decision, Row
from initrules.draw import KeyedDraw, seeded_globally, stream_key
from initrules.errors import ApplyError, Problems, RuleError
from initrules.planning import PlanData
from initrules.survey import modules_by_path, survey
from initrules.wrapping import is_finite, settle_, wrap_, write_through_


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
    home = _usable(device or "cpu")
    with torch.inference_mode(mode=False), torch.no_grad():
        writer = _Writer(current, places, seed)
        problems = [*_plan_problems(current), *_problems(current, places)]
        problems = problems or list(writer.rehearsal())
        if problems:
            raise Problems(problems)
        return writer.run(home, on_row or _nothing)


def _usable(device: str | torch.device) -> torch.device:
    """The device, after making sure that it holds tensors."""
    try:
        found = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ApplyError(f"the device '{device}' cannot be used: {reason}", hint="Leave it out for the CPU.") from None
    if found.type == "meta":
        raise ApplyError("the meta device holds no values", hint="Give a real device, or leave it out for the CPU.")
    return found


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

    @property
    def chain(self) -> Any:
        """The parametrizations of a parametrized weight."""
        return self.owner.parametrizations[self.local]  # type: ignore[index]

    def tensor(self) -> torch.Tensor:
        """The tensor that is stored: of a parametrized weight the first original."""
        if self.parametrized:
            original: torch.Tensor = self.chain.original if self.chain.is_tensor else self.chain.original0
            return original
        stored = self.owner._parameters.get(self.local)
        found = self.owner._buffers[self.local] if stored is None else stored
        assert found is not None
        return found

    def replace(self, tensor: torch.Tensor) -> None:
        """Put another tensor in its place."""
        setattr(self.owner, self.local, tensor)  # some modules, RNNs among them, keep a list of their own


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
    empty = [row.path for row in on_meta if row.value is None or row.value.actions[0].name == "keep"]
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
    if tensor.layout != torch.strided:
        return f"is stored as {tensor.layout}, and only dense tensors can be written"
    if any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)):
        return "is expanded: several of its entries are one number in memory"
    if place.parametrized:
        if tensor.device.type == "meta":
            return "is parametrized and on the meta device; build the model on a real device"
        lacking = [type(one).__name__ for one in place.chain if not hasattr(one, "right_inverse")]
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


def _materialise(row: Row, places: Mapping[str, _Place], device: torch.device) -> None:
    """Give a tensor on the meta device memory; all its names get the same one."""
    old = places[row.path].tensor()
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

    def rehearsal(self) -> Iterator[RuleError]:
        """Try on copies the writes that only the module's own code can judge."""
        for row in self.planned.rows:
            place = self.places[row.path]
            if row.value is None or not row.value.writes or not (place.parametrized or _resets_its_own_way(row, place)):
                continue
            try:
                value = self._value(row, row.value, place)
                if place.parametrized:
                    write_through_(copy.deepcopy(place.chain), value, self._key(row, "parametrize"))
            except Exception as error:  # noqa: BLE001  # whatever that code raises
                hint = error.hint if isinstance(error, RuleError) else None
                yield ApplyError(f"'{row.path}' cannot be written: {_message(error)}", row.value.span, hint)

    def run(self, device: torch.device, on_row: Callable[[], None]) -> Record:
        for row in self.planned.rows:
            if self.places[row.path].tensor().device.type == "meta":
                with self._named(row):
                    _materialise(row, self.places, device)
        # Buffers first: a reset method may read those of its module.
        for row in sorted(self.planned.rows, key=lambda row: not row.parameter.buffer):
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
                f"writing '{row.path}' failed after {len(self.written)} others were written: {_message(error)}",
                self._record(),
                "Build the model again before the next try.",
            ) from error  # fmt: skip

    def _write(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        value = self._value(row, decision, place)
        if place.parametrized:
            write_through_(place.chain, value, self._key(row, "parametrize"))
        else:
            place.tensor().copy_(value)

    def _key(self, row: Row, slot: str) -> int:
        return stream_key(self.seed, row.path, slot)

    def _value(self, row: Row, decision: Decision, place: _Place) -> torch.Tensor:
        """The new value: drawn in working precision on the CPU, then cast to where it belongs."""
        stored = place.tensor()
        value = torch.empty(row.parameter.shape, dtype=_working(stored.dtype), device="cpu")
        for slot, action in enumerate(decision.actions):
            if action.name == "keep":
                value.copy_(place.chain() if place.parametrized else stored)
                continue
            draw = KeyedDraw(self._key(row, f"{slot}" if slot else ""), place.owner, place.local)
            action.write_(value, row.target, draw)
        if row.target.padding is not None and any(not action.transforms for action in decision.actions):
            value[row.target.padding] = 0
        value = value.to(stored.dtype)
        if not is_finite(value):
            raise ApplyError(f"its value would not be finite in {row.parameter.dtype}")
        return value if stored.device.type == "meta" else value.to(stored.device)

    def _wrap(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        key = self._key(row, "parametrize")
        with seeded_globally(key), torch.enable_grad():
            wrap_(place.owner, place.local, decision.actions[0])
        settle_(place.chain, key)


def _message(error: Exception) -> str:
    return error.message if isinstance(error, RuleError) else f"{type(error).__name__}: {error}"


def _resets_its_own_way(row: Row, place: _Place) -> bool:
    """Whether a reset method runs that is not torch's own."""
    own = not type(place.owner).__module__.startswith("torch.nn.")
    return own and row.value is not None and any(action.name == "reset" for action in row.value.actions)


def _working(dtype: torch.dtype) -> torch.dtype:
    """The precision to draw in: at least float32."""
    if dtype.is_floating_point and dtype.itemsize < 4:
        return torch.float32
    return dtype
