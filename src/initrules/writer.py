"""Runs the writing phases of a plan on a model and keeps the record: materialise → draw → parametrize."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
from initrules.filling import Fill, compile_drawing
from initrules.global_draw import GlobalDraw
from initrules.jobs import Job, jobs
from initrules.lanes import Lanes, lanes
from initrules.places import Place, materialise_
from initrules.planning import PlanData
from initrules.resetting import seeded_globally
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


def changed_before(path: str, decision: Decision, tensor: torch.Tensor) -> str | None:
    """Whether the very same change in place was made before, and nothing was written since."""
    if len(decision.actions) == 1 or not chain.keeps(decision.actions) or tensor.is_inference():
        return None
    if _CHANGES.get(tensor) != (path, decision.actions, tensor._version):
        return None
    return (
        f"was changed by this rule before ({decision.summary}) and not written since: once more would change it twice"
    )


class Alike(NamedTuple):
    """What one small parameter was filled with: all that are decided with it are, but for the stream."""

    job: Job
    fill: Fill

    def serves(self, job: Job, tensor: torch.Tensor) -> bool:
        """Whether the fill of another parameter is the same but for the stream."""
        known, like, other = self.fill.tensor, self.job.row.like, job.row.like
        return (
            type(tensor) is type(known)
            and tensor.shape == known.shape
            and tensor.dtype == known.dtype
            and tensor.is_contiguous()
            and other.each is like.each
            and other.whole is like.whole
        )


class Writer:
    """Runs the writing phases and keeps the record."""

    def __init__(self, planned: PlanData, places: Mapping[str, Place], seed: int, sources: Sources) -> None:
        self.planned = planned
        self.places = places
        self.seed = seed
        self.sources = sources
        self._keyed = planned.rules.stream == "keyed"
        self.jobs = jobs(planned, places)
        self._job = {job.path: job for job in self.jobs}
        self._reset: dict[int, nn.Module] = {}
        self._alike: dict[int, Alike] = {}  # by the decisions that the parameters share
        self._tried: dict[str, torch.Tensor] | None = None  # what other parameters will be, while rehearsing
        self._written = False  # whether the model has the plan's values already
        self._turn = 0  # whose rank it is to compute a whole value
        self.written: list[str] = []
        self.wrapped: list[str] = []

    def rehearsal(self) -> list[RuleError]:
        """Try on copies the writes that only a try can judge; the generators are put back afterwards."""
        doubtful = [job for job in self.jobs if self._must_be_tried(job)]
        if not doubtful:
            return []
        self._tried = {}
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            problems = [problem for job in doubtful for problem in self._try(job)]
        self._tried = None
        self._reset.clear()
        return problems

    def _must_be_tried(self, job: Job) -> bool:
        """Whether only a try can tell if the value exists: formulas, norms, what is in files, the user's code."""
        if job.entrywise:
            return False
        if job.traits.uncertain or job.place.parametrized:
            return True
        return job.traits.resets and not type(self._read(job).owner).__module__.startswith("torch.nn.")

    def _read(self, job: Job) -> Place:
        """The place by which the rule met the parameter: a reset is that of its owner."""
        return self.places[job.target.met]

    def _try(self, job: Job) -> Iterator[RuleError]:
        try:
            value = self._value(job)
            if job.place.parametrized:
                self._write_through(job, copy.deepcopy(job.place.chain), value)
        except Exception as error:  # noqa: BLE001  # whatever that code raises
            hint = error.hint if isinstance(error, RuleError) else None
            yield ApplyError(f"'{job.path}' cannot be written: {_message(error)}", job.decision.span, hint)

    def values(self) -> Iterator[tuple[Row, torch.Tensor | Exception]]:
        """Every value that depends on nothing found in the model, computed again from the plan and the seed.

        They come as they are before any parametrization, a few of them in memory at a time. An error
        stands for a value that could not be computed.
        """
        self._written = True
        for wave in _waves([job for job in self.jobs if not job.traits.keeps], _HELD):
            found = self._recomputed(wave)
            yield from ((job.row, found.pop(job.path)) for job in wave)

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _recomputed(self, wave: Sequence[Job]) -> dict[str, torch.Tensor | Exception]:
        self._tried = {}
        found: dict[str, torch.Tensor | Exception] = {}
        with lanes(torch.get_num_threads()) if self._keyed else contextlib.nullcontext(Lanes(None)) as pool:
            for job in wave:
                self._recompute(job, pool, found)
            pool.finish()
        self._tried = None
        return found

    def _recompute(self, job: Job, pool: Lanes, found: dict[str, torch.Tensor | Exception]) -> None:
        def compute() -> None:
            try:
                found[job.path] = self._value(job)
            except Exception as error:  # noqa: BLE001  # whatever the user's code raises
                found[job.path] = error

        if job.entrywise and job.padding is None:
            found[job.path] = blank = torch.empty(job.row.parameter.shape, dtype=job.place.tensor().dtype)
            job.decision.actions[0].write_(blank, job.target, self._draw(job, pool.fill))
        elif job.traits.ours and not job.place.parametrized:
            pool.call(compute)
        else:
            compute()

    def run(self, device: torch.device, on_row: Callable[[], None], given: Mapping[str, torch.Tensor]) -> Record:
        """Write everything; ``given``: values for buffers on the meta device that no rule writes."""
        for row in self.planned.rows:
            if row.parameter.device == "meta":
                with self._named(row):
                    materialise_(row, self.places, device)
                    if row.path in given:
                        self.places[row.path].tensor().copy_(given[row.path])
        if any(row.parameter.placement for row in self.planned.rows):
            settle_shards_({id(place.owner): place.owner for place in self.places.values()}.values())
        with lanes(torch.get_num_threads()) if self._keyed else contextlib.nullcontext(Lanes(None)) as pool:
            for number, wave in enumerate(_waves(self.jobs, _WAVE)):
                if number == _LONG and self._keyed:
                    compile_drawing()
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

    def _write_wave(self, wave: Sequence[Job], pool: Lanes, on_row: Callable[[], None]) -> None:
        """Write values that do not read each other, and record them when all that was begun has ended."""
        failures: dict[str, Exception] = {}
        begun: list[Job] = []
        for job in wave:
            begun.append(job)
            self._begin(job, pool, failures)
            if failures:
                break
        pool.finish()
        done = [job for job in begun if job.path not in failures] if failures else begun
        stored = [job.place.tensor() for job in done]
        torch.autograd.graph.increment_version(stored)  # blocks are written behind autograd's back
        for job, tensor in zip(done, stored, strict=True):
            if job.padding is not None and job.entrywise:
                clear_row_(tensor, job.padding)
            if job.traits.changes:
                _CHANGES[tensor] = (job.path, job.decision.actions, tensor._version)
            self.written.append(job.path)
            on_row()
        for path, error in failures.items():
            raise self._failure(path, error) from error

    def _begin(self, job: Job, pool: Lanes, failures: dict[str, Exception]) -> None:
        """Write a value on some lane, or here where torch's generator or other people's code is needed."""
        if job.entrywise:
            self._fill(job, pool)
            return

        def write() -> None:
            try:
                self._write(job)
            except Exception as error:  # noqa: BLE001  # told with the row's name when the others have ended
                failures[job.path] = error

        if job.traits.ours and not (job.place.parametrized or is_sharded(job.place.tensor())):
            pool.call(write)
        else:
            write()

    def _fill(self, job: Job, pool: Lanes) -> None:
        """Draw entry by entry; what was asked for one small parameter serves all that are decided with it."""
        tensor, alike = job.place.tensor(), self._alike.get(id(job.row.decisions))
        if alike is not None and alike.serves(job, tensor):
            key = None if alike.fill.key is None else self._key(job.path, "")
            pool.put_off(Fill(tensor, key, alike.fill.law, alike.fill.section))
            return
        asked: list[Fill] = []
        job.decision.actions[0].write_(tensor, job.target, self._draw(job, asked.append))
        for fill in asked:
            pool.fill(fill)
        if len(asked) == 1 and asked[0].tensor is tensor and asked[0].small:
            self._alike[id(job.row.decisions)] = Alike(job, asked[0])

    def _write(self, job: Job) -> None:
        stored = job.place.tensor()
        if self._has_room(job, stored):
            self._value(job, stored)
        elif job.place.parametrized:
            self._write_through(job, job.place.chain, self._whole(job, stored))
        else:
            put_(stored, self._whole(job, stored))

    def _has_room(self, job: Job, stored: torch.Tensor) -> bool:
        """Whether the value can be made where it is to lie, so that it takes no second tensor."""
        if not job.traits.ours or job.traits.keeps or job.traits.reads or job.place.parametrized:
            return False
        plain = stored.device.type == "cpu" and stored.dtype == _working(stored.dtype) and stored.is_contiguous()
        return plain and not is_sharded(stored)

    def _whole(self, job: Job, stored: torch.Tensor) -> torch.Tensor:
        """The new value, computed here or by the rank whose turn it is."""
        ours = job.traits.ours and not job.traits.keeps
        if not (ours and is_sharded(stored) and owned_by_one(stored)):
            return self._value(job)
        self._turn += 1
        return told(lambda: self._value(job), stored, self._turn % dist.get_world_size())

    def _write_through(self, job: Job, chain: Any, value: torch.Tensor) -> None:
        key = self._key(job.path, "parametrize")
        with seeded_globally(key):  # an orthogonal parametrization completes a matrix with random columns
            write_through_(chain, value, key)

    def _key(self, path: str, slot: str) -> int:
        return stream_key(self.seed, path, slot)

    def _value(self, job: Job, room: torch.Tensor | None = None) -> torch.Tensor:
        """The new value: drawn in working precision on the CPU, into ``room`` if there is any, then cast."""
        actions, target = job.decision.actions, job.target
        stored = job.place.tensor()
        value = self._blank(job.row, stored) if room is None else room
        if job.traits.keeps:
            value.copy_(job.place.chain() if job.place.parametrized else gathered(stored))
        chain.write_(actions, value, target, self._draw(job))
        if target.padding is not None and not actions[0].explicit:
            value[target.padding] = 0
        value = value.to(stored.dtype)
        if not is_finite(value):
            raise ApplyError(f"its value would not be finite in {job.row.parameter.dtype}")
        return value if stored.device.type == "meta" else value.to(stored.device)

    def _blank(self, row: Row, stored: torch.Tensor) -> torch.Tensor:
        """Room for the new value: in working precision on the CPU; for global streams as it is stored."""
        if not self._keyed and stored.device.type != "meta":
            return torch.empty(row.parameter.shape, dtype=stored.dtype, device=stored.device)
        return torch.empty(row.parameter.shape, dtype=_working(stored.dtype), device="cpu")

    def _draw(self, job: Job, later: Callable[[Fill], None] = at_once) -> Draw:
        read = self._read(job)
        elsewhere = None if job.entrywise else Elsewhere(self._other, self.sources.tensor)
        if self._keyed:
            return KeyedDraw(self.seed, job.path, read.owner, read.local, elsewhere, later=later)
        assert elsewhere is not None
        return GlobalDraw(read.owner, read.local, elsewhere, self._reset)

    def _other(self, path: str) -> torch.Tensor:
        """Another parameter as it is now: written before, or left as it was; in a rehearsal as it will be."""
        place, job = self.places[path], self._job.get(path)
        if self._tried is not None and job is not None and not self._is_found(job):
            if path not in self._tried:
                self._tried[path] = self._value(job)
            return self._tried[path]
        found: torch.Tensor = place.chain() if place.parametrized else gathered(place.tensor())
        return found

    def _is_found(self, job: Job) -> bool:
        """Whether only the parameter itself tells its value: it was changed in place, or wrapped before."""
        wrapped_before = job.place.parametrized and "parametrize" not in job.row.decisions
        return self._written and (job.traits.keeps or wrapped_before)

    def _wrap(self, row: Row, decision: Decision) -> None:
        place = self.places[row.path]
        key = self._key(row.path, "parametrize")
        with seeded_globally(key), torch.enable_grad():
            wrap_(place.owner, place.local, decision.actions[0])
        settle_(place.chain, key)


def _message(error: Exception) -> str:
    return error.message if isinstance(error, RuleError) else f"{type(error).__name__}: {error}"


def _waves(order: Sequence[Job], most: int) -> Iterator[list[Job]]:
    """The jobs in their order, cut before each that reads others, and after about ``most`` elements."""
    wave: list[Job] = []
    elements = 0
    for job in order:
        if wave and (elements > most or job.traits.reads):
            yield wave
            wave, elements = [], 0
        wave.append(job)
        elements += math.prod(job.row.parameter.shape or ())
    yield wave


_WAVE = 1 << 26  # elements: a quarter of a second, when progress is worth a report
_LONG = 3  # waves: about as long as it takes to load the machine code that is faster
_HELD = 1 << 22  # elements: 16 MiB in float32


def _working(dtype: torch.dtype) -> torch.dtype:
    """The precision to draw in: at least float32."""
    if dtype.is_floating_point and dtype.itemsize < 4:
        return torch.float32
    return dtype
