"""Runs the writing phases of a plan on a model and keeps the record: materialise → draw → parametrize."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.weak import WeakIdKeyDictionary

from initrules.actions import chain
from initrules.actions.base import Draw
from initrules.agreement import owned_by_one, told
from initrules.decision import Decision, Row
from initrules.draw import Elsewhere, KeyedDraw, at_once
from initrules.errors import ApplyError, RuleError
from initrules.filling import Fill
from initrules.global_draw import GlobalDraw
from initrules.lanes import Lanes, lanes
from initrules.places import Place, materialise_
from initrules.planning import PlanData
from initrules.resetting import seeded_globally
from initrules.sequence import in_order, reads
from initrules.sharding import clear_row_, gathered, is_sharded, put_, settle_shards_
from initrules.sources import Sources
from initrules.streams import stream_key
from initrules.wrapping import is_finite, settle_, wrap_, write_through_


@dataclass(frozen=True, slots=True)
class Record:
    """What an application wrote: the seed, the plan's fingerprint, the parameters by name."""

    seed: int
    plan: PlanData = field(repr=False)
    written: tuple[str, ...]
    parametrized: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """That of the plan."""
        return self.plan.fingerprint()


class WriteError(ApplyError):
    """A write that failed half-way; ``record`` says what had been written before."""

    def __init__(self, message: str, record: Record, hint: str | None = None) -> None:
        super().__init__(message, None, hint)
        self.record = record


# In-place changes by tensor: what changed it, and the tensor's version after that.
_CHANGES: Any = WeakIdKeyDictionary()


def _changes_in_place(decision: Decision) -> bool:
    return len(decision.actions) > 1 and chain.keeps(decision.actions)


def changed_before(row: Row, decision: Decision, tensor: torch.Tensor) -> str | None:
    """Whether the very same change in place was made before, and nothing was written since."""
    if not _changes_in_place(decision) or tensor.is_inference():
        return None
    if _CHANGES.get(tensor) != (row.path, decision.actions, tensor._version):
        return None
    return (
        f"was changed by this rule before ({decision.summary}) and not written since: once more would change it twice"
    )


class Writer:
    """Runs the writing phases and keeps the record."""

    def __init__(self, planned: PlanData, places: Mapping[str, Place], seed: int, sources: Sources) -> None:
        self.planned = planned
        self.places = places
        self.seed = seed
        self.sources = sources
        self._keyed = planned.rules.stream == "keyed"
        self.order = in_order(planned.rows, planned.inventory, planned.rules)
        self._reset: dict[int, nn.Module] = {}
        self._tried: dict[str, torch.Tensor] | None = None  # what other parameters will be, while rehearsing
        self._written = False  # whether the model has the plan's values already
        self._turn = 0  # whose rank it is to compute a whole value
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
        if row.value is None or self._entrywise(row, row.value):
            return
        if not (place.parametrized or _must_be_tried(row, self.places[row.target.met])):
            return
        try:
            value = self._value(row, row.value, place)
            if place.parametrized:
                self._write_through(row, copy.deepcopy(place.chain), value)
        except Exception as error:  # noqa: BLE001  # whatever that code raises
            hint = error.hint if isinstance(error, RuleError) else None
            yield ApplyError(f"'{row.path}' cannot be written: {_message(error)}", row.value.span, hint)

    def values(self) -> Iterator[tuple[Row, torch.Tensor | Exception]]:
        """Every value that depends on nothing found in the model, computed again from the plan and the seed.

        They come as they are before any parametrization, a few of them in memory at a time. An error
        stands for a value that could not be computed.
        """
        self._written = True
        rows = [row for row in self.order if row.value is not None and not chain.keeps(row.value.actions)]
        for wave in _waves(rows, _HELD):
            found = self._recomputed(wave)
            yield from ((row, found.pop(row.path)) for row in wave)

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _recomputed(self, wave: Sequence[Row]) -> dict[str, torch.Tensor | Exception]:
        self._tried = {}
        found: dict[str, torch.Tensor | Exception] = {}
        with lanes(torch.get_num_threads()) if self._keyed else contextlib.nullcontext(Lanes(None)) as pool:
            for row in wave:
                self._recompute(row, pool, found)
            pool.finish()
        self._tried = None
        return found

    def _recompute(self, row: Row, pool: Lanes, found: dict[str, torch.Tensor | Exception]) -> None:
        decision, place = row.value, self.places[row.path]
        assert decision is not None

        def compute() -> None:
            try:
                found[row.path] = self._value(row, decision, place)
            except Exception as error:  # noqa: BLE001  # whatever the user's code raises
                found[row.path] = error

        if self._entrywise(row, decision) and row.target.padding is None:
            found[row.path] = blank = torch.empty(row.parameter.shape, dtype=place.tensor().dtype)
            decision.actions[0].write_(blank, row.target, self._draw(row, pool.fill))
        elif self._keyed and _is_ours(decision) and not place.parametrized:
            pool.call(compute)
        else:
            compute()

    def run(self, device: torch.device, on_row: Callable[[], None], given: Mapping[str, torch.Tensor]) -> Record:
        """Write everything; ``given``: values for buffers on the meta device that no rule writes."""
        for row in self.planned.rows:
            if self.places[row.path].tensor().device.type == "meta":
                with self._named(row):
                    materialise_(row, self.places, device)
                    if row.path in given:
                        self.places[row.path].tensor().copy_(given[row.path])
        if any(is_sharded(place.tensor()) for place in self.places.values()):
            settle_shards_({id(place.owner): place.owner for place in self.places.values()}.values())
        with lanes(torch.get_num_threads()) if self._keyed else contextlib.nullcontext(Lanes(None)) as pool:
            for wave in _waves(self.order, _WAVE):
                self._write_wave(wave, pool, on_row)
        for row in self.planned.rows:
            wrap = row.decisions.get("parametrize")
            if wrap is not None and wrap.writes:
                with self._named(row):
                    self._wrap(row, wrap)
                self.wrapped.append(row.path)
        return self._record()

    def _record(self) -> Record:
        return Record(self.seed, self.planned, tuple(self.written), tuple(self.wrapped))

    @contextlib.contextmanager
    def _named(self, row: Row) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise self._failure(row.path, error) from error

    def _failure(self, path: str, error: Exception) -> WriteError:
        return WriteError(
            f"writing '{path}' failed after {len(self.written)} others were written: {_message(error)}",
            self._record(),
            "Build the model again before the next try.",
        )

    def _write_wave(self, wave: Sequence[Row], pool: Lanes, on_row: Callable[[], None]) -> None:
        """Write rows that do not read each other, and record them when all that was begun has ended."""
        failures: dict[str, Exception] = {}
        begun: list[Row] = []
        for row in wave:
            begun.append(row)
            self._begin(row, pool, failures)
            if failures:
                break
        pool.finish()
        done = [row for row in begun if row.path not in failures]
        stored = [self.places[row.path].tensor() for row in done]
        torch.autograd.graph.increment_version(stored)  # blocks are written behind autograd's back
        for row, tensor in zip(done, stored, strict=True):
            self._settle(row, tensor)
            self.written.append(row.path)
            on_row()
        for path, error in failures.items():
            raise self._failure(path, error) from error

    def _begin(self, row: Row, pool: Lanes, failures: dict[str, Exception]) -> None:
        """Write a row on some lane, or here where torch's generator or other people's code is needed."""
        decision, place = row.value, self.places[row.path]
        assert decision is not None

        def write() -> None:
            try:
                self._write(row, decision)
            except Exception as error:  # noqa: BLE001  # told with the row's name when the others have ended
                failures[row.path] = error

        if self._entrywise(row, decision):
            decision.actions[0].write_(place.tensor(), row.target, self._draw(row, pool.fill))
        elif self._keyed and _is_ours(decision) and not (place.parametrized or is_sharded(place.tensor())):
            pool.call(write)
        else:
            write()

    def _entrywise(self, row: Row, decision: Decision) -> bool:
        """Whether each entry can be written where it is, without a second tensor."""
        one = len(decision.actions) == 1 and decision.actions[0].entrywise
        return self._keyed and one and not self.places[row.path].parametrized

    def _settle(self, row: Row, stored: torch.Tensor) -> None:
        assert row.value is not None
        if row.target.padding is not None and self._entrywise(row, row.value):
            clear_row_(stored, row.target.padding)
        if _changes_in_place(row.value):
            _CHANGES[stored] = (row.path, row.value.actions, stored._version)

    def _write(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        if self._has_room(row, decision, place):
            self._value(row, decision, place, place.tensor())
            return
        value = self._whole(row, decision, place)
        if place.parametrized:
            self._write_through(row, place.chain, value)
        else:
            put_(place.tensor(), value)

    def _has_room(self, row: Row, decision: Decision, place: Place) -> bool:
        """Whether the value can be made where it is to lie, so that it takes no second tensor."""
        stored = place.tensor()
        plain = stored.device.type == "cpu" and stored.dtype == _working(stored.dtype) and stored.is_contiguous()
        ours = self._keyed and _is_ours(decision) and not chain.keeps(decision.actions)
        return plain and ours and not (place.parametrized or is_sharded(stored) or reads(row))

    def _whole(self, row: Row, decision: Decision, place: Place) -> torch.Tensor:
        """The new value, computed here or by the rank whose turn it is."""
        stored = place.tensor()
        if not (is_sharded(stored) and self._keyed and _is_ours(decision) and owned_by_one(stored)):
            return self._value(row, decision, place)
        if chain.keeps(decision.actions):
            return self._value(row, decision, place)
        self._turn += 1
        owner = self._turn % dist.get_world_size()
        return told(lambda: self._value(row, decision, place), stored, owner)

    def _write_through(self, row: Row, chain: Any, value: torch.Tensor) -> None:
        key = self._key(row, "parametrize")
        with seeded_globally(key):  # an orthogonal parametrization completes a matrix with random columns
            write_through_(chain, value, key)

    def _key(self, row: Row, slot: str) -> int:
        return stream_key(self.seed, row.path, slot)

    def _value(self, row: Row, decision: Decision, place: Place, room: torch.Tensor | None = None) -> torch.Tensor:
        """The new value: drawn in working precision on the CPU, into ``room`` if there is any, then cast."""
        stored = place.tensor()
        value = self._blank(row, stored) if room is None else room
        if chain.keeps(decision.actions):
            value.copy_(place.chain() if place.parametrized else gathered(stored))
        chain.write_(decision.actions, value, row.target, self._draw(row))
        if row.target.padding is not None and not decision.actions[0].explicit:
            value[row.target.padding] = 0
        value = value.to(stored.dtype)
        if not is_finite(value):
            raise ApplyError(f"its value would not be finite in {row.parameter.dtype}")
        return value if stored.device.type == "meta" else value.to(stored.device)

    def _blank(self, row: Row, stored: torch.Tensor) -> torch.Tensor:
        """Room for the new value: in working precision on the CPU; for global streams as it is stored."""
        if not self._keyed and stored.device.type != "meta":
            return torch.empty(row.parameter.shape, dtype=stored.dtype, device=stored.device)
        return torch.empty(row.parameter.shape, dtype=_working(stored.dtype), device="cpu")

    def _draw(self, row: Row, later: Callable[[Fill], None] = at_once) -> Draw:
        read = self.places[row.target.met]  # a reset is that of the owner by which the rule met it
        elsewhere = Elsewhere(self._other, self.sources.tensor)
        if not self._keyed:
            return GlobalDraw(read.owner, read.local, elsewhere, self._reset)
        return KeyedDraw(self.seed, row.path, read.owner, read.local, elsewhere, later=later)

    def _other(self, path: str) -> torch.Tensor:
        """Another parameter as it is now: written before, or left as it was; in a rehearsal as it will be."""
        place = self.places[path]
        if self._tried is not None:
            row = self.planned.row(path)
            if row is not None and row.value is not None and row.value.writes and not self._is_found(row, place):
                if path not in self._tried:
                    self._tried[path] = self._value(row, row.value, place)
                return self._tried[path]
        found: torch.Tensor = place.chain() if place.parametrized else gathered(place.tensor())
        return found

    def _is_found(self, row: Row, place: Place) -> bool:
        """Whether only the parameter itself tells its value: it was changed in place, or wrapped before."""
        if not self._written or row.value is None:
            return False
        return chain.keeps(row.value.actions) or (place.parametrized and "parametrize" not in row.decisions)

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


def _waves(rows: Sequence[Row], most: int) -> Iterator[list[Row]]:
    """The rows in their order, cut before each that reads others, and after about ``most`` elements."""
    wave: list[Row] = []
    elements = 0
    for row in rows:
        if wave and (reads(row) or elements > most):
            yield wave
            wave, elements = [], 0
        wave.append(row)
        elements += math.prod(row.parameter.shape or ())
    yield wave


_WAVE = 1 << 26  # elements: a quarter of a second, when progress is worth a report
_HELD = 1 << 22  # elements: 16 MiB in float32


def _is_ours(decision: Decision) -> bool:
    """Whether a value comes from this package's own actions alone, none of which runs the user's code."""
    actions = decision.actions
    ours = all(type(action).__module__.startswith("initrules.") for action in actions)
    return ours and not {action.name for action in actions} & {"reset", "load", "copy", "formula", "parts"}


def _working(dtype: torch.dtype) -> torch.dtype:
    """The precision to draw in: at least float32."""
    if dtype.is_floating_point and dtype.itemsize < 4:
        return torch.float32
    return dtype
