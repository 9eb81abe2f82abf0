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
from torch.utils.weak import WeakIdKeyDictionary

from initrules import planning
from initrules.actions import chain
from initrules.actions.base import Draw
from initrules.decision import Decision, Row
from initrules.draw import Elsewhere, KeyedDraw, seeded_globally, stream_key
from initrules.errors import ApplyError, Problems, RuleError
from initrules.global_draw import GlobalDraw
from initrules.places import Place, half_wrapped, materialise_, places_of, unwritable
from initrules.planning import PlanData
from initrules.sequence import in_order
from initrules.sources import NO_SOURCES, Sources
from initrules.survey import survey
from initrules.wrapping import divides_by_zero, is_finite, settle_, wrap_, write_through_


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
    sources: Sources = NO_SOURCES,
    device: str | torch.device | None = None,
    on_row: Callable[[], None] | None = None,
) -> Record:
    """Write every decision of a plan into ``model``, in place.

    A parameter's value depends on (seed, canonical name) and its action alone; with ``stream: global``
    it is drawn from torch's own generator instead, and ``seed`` is not used. ``sources``: the
    checkpoints that ``load`` reads. ``device``: where a model on the meta device is materialised, by
    default the CPU. ``on_row`` is called after each write.
    Raises ``Problems`` before the first write when anything can be known to fail, ``WriteError``
    when a write fails after that.
    """
    current = _same_decisions(model, planned, sources)
    places = places_of(model)
    home = _usable(device or "cpu")
    with torch.inference_mode(mode=False), torch.no_grad():
        writer = _Writer(current, places, seed, sources)
        problems = [*_plan_problems(current), *_problems(current, places)]
        problems = problems or writer.rehearsal()
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


def _same_decisions(model: Any, planned: PlanData, sources: Sources) -> PlanData:
    """The plan for this very model; refuses when a decision would differ from the plan given."""
    inventory = survey(model)
    if inventory.fingerprint() == planned.inventory.fingerprint():
        return PlanData(
            tuple(_now(row, p) for row, p in zip(planned.rows, inventory.parameters, strict=True)),
            planned.findings,
            planned.tallies,
            planned.rules,
            inventory,
            planned.transfers,
        )
    current = planning.make(planned.rules, inventory, sources.catalogs)
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


def _plan_problems(planned: PlanData) -> Iterator[RuleError]:
    for finding in planned.errors:
        yield ApplyError(finding.message, finding.span, finding.hint)


def _problems(planned: PlanData, places: Mapping[str, Place]) -> Iterator[RuleError]:
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
            stored = place.tensor()
            problem = unwritable(place, stored) or half_wrapped(row, places) or _changed_before(row, row.value, stored)
            if problem:
                yield ApplyError(f"'{row.path}' {problem}", row.value.span)
        wrap = row.decisions.get("parametrize")
        if wrap is not None and wrap.writes:
            yield from _unwrappable(row, wrap, place)


# In-place changes by tensor: what changed it, and the tensor's version after that.
_CHANGES: Any = WeakIdKeyDictionary()


def _changes_in_place(decision: Decision) -> bool:
    return len(decision.actions) > 1 and chain.keeps(decision.actions)


def _changed_before(row: Row, decision: Decision, tensor: torch.Tensor) -> str | None:
    """Whether the very same change in place was made before, and nothing was written since."""
    if not _changes_in_place(decision) or tensor.is_inference():
        return None
    if _CHANGES.get(tensor) != (row.path, decision.actions, tensor._version):
        return None
    return (
        f"was changed by this rule before ({decision.summary}) and not written since: once more would change it twice"
    )


def _unwrappable(row: Row, wrap: Decision, place: Place) -> Iterator[RuleError]:
    if row.value is not None and row.value.writes:
        return  # the plan knows the new value
    if place.tensor().device.type != "meta" and divides_by_zero(wrap.actions[0], place.tensor()):
        yield ApplyError(
            f"{wrap.actions[0].name} divides '{row.path}' by a norm that is zero now: the result is NaN",
            wrap.span,
            "Give it a value with 'set', or leave it out of the rule.",
        )


def _nothing() -> None:
    """Report no progress."""


class _Writer:
    """Runs the writing phases and keeps the record."""

    def __init__(self, planned: PlanData, places: Mapping[str, Place], seed: int, sources: Sources) -> None:
        self.planned = planned
        self.places = places
        self.seed = seed
        self.sources = sources
        self.order = in_order(planned.rows, planned.inventory, planned.rules)
        self._reset: dict[int, nn.Module] = {}
        self._tried: dict[str, torch.Tensor] | None = None  # what other parameters will be, while rehearsing
        self.written: list[str] = []
        self.wrapped: list[str] = []

    def rehearsal(self) -> list[RuleError]:
        """Try on copies the writes that only a try can judge; the generators are put back afterwards."""
        self._tried = {}
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            problems = [problem for row in self.order for problem in self._try(row)]
        self._tried = None
        self._reset.clear()
        return problems

    def _try(self, row: Row) -> Iterator[RuleError]:
        place = self.places[row.path]
        if row.value is None or not (place.parametrized or _must_be_tried(row, self.places[row.target.met])):
            return
        try:
            value = self._value(row, row.value, place)
            if place.parametrized:
                self._write_through(row, copy.deepcopy(place.chain), value)
        except Exception as error:  # noqa: BLE001  # whatever that code raises
            hint = error.hint if isinstance(error, RuleError) else None
            yield ApplyError(f"'{row.path}' cannot be written: {_message(error)}", row.value.span, hint)

    def run(self, device: torch.device, on_row: Callable[[], None]) -> Record:
        for row in self.planned.rows:
            if self.places[row.path].tensor().device.type == "meta":
                with self._named(row):
                    materialise_(row, self.places, device)
        for row in self.order:
            assert row.value is not None
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
            self._write_through(row, place.chain, value)
        else:
            place.tensor().copy_(value)
        if _changes_in_place(decision):
            _CHANGES[place.tensor()] = (row.path, decision.actions, place.tensor()._version)

    def _write_through(self, row: Row, chain: Any, value: torch.Tensor) -> None:
        key = self._key(row, "parametrize")
        with seeded_globally(key):  # an orthogonal parametrization completes a matrix with random columns
            write_through_(chain, value, key)

    def _key(self, row: Row, slot: str) -> int:
        return stream_key(self.seed, row.path, slot)

    def _value(self, row: Row, decision: Decision, place: Place) -> torch.Tensor:
        """The new value: drawn in working precision on the CPU, then cast to where it belongs."""
        stored = place.tensor()
        value = self._blank(row, stored)
        if chain.keeps(decision.actions):
            value.copy_(place.chain() if place.parametrized else stored)
        chain.write_(decision.actions, value, row.target, self._draw(row))
        if row.target.padding is not None and not decision.actions[0].explicit:
            value[row.target.padding] = 0
        value = value.to(stored.dtype)
        if not is_finite(value):
            raise ApplyError(f"its value would not be finite in {row.parameter.dtype}")
        return value if stored.device.type == "meta" else value.to(stored.device)

    def _blank(self, row: Row, stored: torch.Tensor) -> torch.Tensor:
        """Room for the new value: in working precision on the CPU; for global streams as it is stored."""
        if self.planned.rules.stream == "global" and stored.device.type != "meta":
            return torch.empty(row.parameter.shape, dtype=stored.dtype, device=stored.device)
        return torch.empty(row.parameter.shape, dtype=_working(stored.dtype), device="cpu")

    def _draw(self, row: Row) -> Draw:
        read = self.places[row.target.met]  # a reset is that of the owner by which the rule met it
        elsewhere = Elsewhere(self._other, self.sources.tensor)
        if self.planned.rules.stream == "global":
            return GlobalDraw(read.owner, read.local, elsewhere, self._reset)
        return KeyedDraw(self.seed, row.path, read.owner, read.local, elsewhere)

    def _other(self, path: str) -> torch.Tensor:
        """Another parameter as it is now: written before, or left as it was; in a rehearsal as it will be."""
        place = self.places[path]
        if self._tried is not None:
            row = self.planned.row(path)
            if row is not None and row.value is not None and row.value.writes:
                if path not in self._tried:
                    self._tried[path] = self._value(row, row.value, place)
                return self._tried[path]
        found: torch.Tensor = place.chain() if place.parametrized else place.tensor()
        return found

    def _wrap(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        key = self._key(row, "parametrize")
        with seeded_globally(key), torch.enable_grad():
            wrap_(place.owner, place.local, decision.actions[0])
        settle_(place.chain, key)


def _message(error: Exception) -> str:
    return error.message if isinstance(error, RuleError) else f"{type(error).__name__}: {error}"


def _must_be_tried(row: Row, place: Place) -> bool:
    """Whether only a try can tell if the value exists: formulas, norms, what is in files, the user's code."""
    own = not type(place.owner).__module__.startswith("torch.nn.")
    actions = row.value.actions if row.value is not None else ()
    names = {action.name for action in actions}
    if not all(type(action).__module__.startswith("initrules.") for action in actions):
        return True
    return bool(names & {"formula", "load", "normalize", "parts"}) or (own and "reset" in names)


def _working(dtype: torch.dtype) -> torch.dtype:
    """The precision to draw in: at least float32."""
    if dtype.is_floating_point and dtype.itemsize < 4:
        return torch.float32
    return dtype
