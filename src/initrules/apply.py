"""Writes a plan into a model, in fixed phases: check → materialise → draw → parametrize.

Everything that can fail is checked before the first write. This is the only module that writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from initrules import planning
from initrules.actions import chain
from initrules.agreement import disagreements, groups
from initrules.blank import has_blanks
from initrules.buffers import computed_buffers, loose_tensors
from initrules.collector import held_off
from initrules.decision import Decision, Row
from initrules.errors import ApplyError, Problems, RuleError
from initrules.places import Place, half_wrapped, move_, places_of, unwritable
from initrules.planning import PlanData
from initrules.sharding import is_sharded, meshes
from initrules.snapshot import Snapshot
from initrules.sources import NO_SOURCES, Sources
from initrules.survey import survey
from initrules.wrapping import divides_by_zero
from initrules.writer import Record, Writer, changed_before


def apply_(
    model: Any,
    planned: PlanData,
    *,
    seed: int = 0,
    sources: Sources = NO_SOURCES,
    device: str | torch.device | None = None,
    on_row: Callable[[], None] | None = None,
    snapshot: Snapshot | None = None,
    complete: bool = False,
) -> Record:
    """Write every decision of a plan into ``model``, in place.

    A parameter's value depends on (seed, canonical name) and its action alone; with ``stream: global``
    it is drawn from torch's own generator instead, and ``seed`` is not used. ``sources``: the
    checkpoints that ``load`` reads. ``device``: where a model on the meta device is materialised, by
    default the CPU. ``on_row`` is called after each write. ``snapshot``: of the model as it was planned;
    without one the model is read again. ``complete``: all of the model is to be on ``device`` afterwards,
    and buffers on the meta device that no rule gives a value get that of the model's own methods.
    Raises ``Problems`` before the first write when anything can be known to fail, ``WriteError``
    when a write fails after that.
    """
    if snapshot is not None and snapshot.unchanged(model):
        current, places = planned, snapshot.places
    else:
        current, places = _same_decisions(model, planned, sources), places_of(model)
    home = _usable(device or "cpu")
    with torch.inference_mode(mode=False), torch.no_grad(), held_off():
        writer = Writer(current, places, seed, sources)
        given = computed_buffers(model, current, seed) if complete else {}
        problems = [*_problems(current, places, given), *(_loose(model) if complete else ())] or writer.rehearsal()
        problems.extend(_disagreements(model, current, places, seed, problems))
        if problems:
            raise Problems(problems)
        record = writer.run(home, on_row or _nothing, given)
        if complete:
            move_(model, home)
        return record


def values(
    places: Mapping[str, Place], planned: PlanData, *, seed: int, sources: Sources = NO_SOURCES
) -> Iterator[tuple[Row, torch.Tensor | Exception]]:
    """Every value that a plan writes, computed again; the model, of which these are the ``places``, is not changed.

    For keyed streams, one row at a time. A value that keeps what was there cannot be computed again and is
    left out; the other parameters that it reads are computed too. Values come as they are before any
    parametrization and in the parameter's dtype; an error stands for one that the user's own code did not give.
    """
    yield from Writer(planned, places, seed, sources).values()


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
    inventory = survey(model).with_attributes(planned.inventory.observed())
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
    return Row(parameter, row.like, row.decisions, row.moments)


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


def _empty(planned: PlanData, places: Mapping[str, Place], given: Mapping[str, torch.Tensor]) -> Iterator[ApplyError]:
    """Tensors that would hold nothing afterwards."""
    bare = _each_kind(planned, lambda decisions: "set" not in decisions or chain.keeps(decisions["set"].actions))
    left = [row for row in planned.rows if bare[id(row.decisions)]]
    on_meta = [row for row in left if row.parameter.device == "meta" and row.path not in given]
    without = [row for row in on_meta if row.value is None or row.value.actions[0].name == "keep"]
    for kind in (False, True):
        paths = [row.path for row in without if row.parameter.buffer is kind]
        if not paths:
            continue
        yield ApplyError(
            f"{_counted(paths, 'buffer' if kind else 'parameter')} on the meta device, and no rule gives a value: "
            f"{_some(paths)}",
            hint=f"{_KEEPS}, or write a rule for them."
            if kind
            else "Add a rule or a default for them, or build the model on a real device.",
        )
    read = [row for row in left if row.value is None or row.value.writes]
    blank = [row.path for row in read if not row.parameter.buffer and has_blanks(places[row.path].tensor())]
    if blank:
        yield ApplyError(
            f"{_counted(blank, 'parameter')} of NaN, as 'no_init' leaves them, and no rule gives a value: "
            f"{_some(blank)}",
            hint="Add a rule or a default for them: 'reset' gives what their modules' own code would have drawn, "
            "'keep' says that NaN is meant.",
        )


def _each_kind(planned: PlanData, ask: Callable[[Mapping[str, Decision]], bool]) -> Mapping[int, bool]:
    """The answer for each mapping of decisions, by its id; rows of one kind share one."""
    distinct = {id(row.decisions): row.decisions for row in planned.rows}
    return {key: ask(decisions) for key, decisions in distinct.items()}


_KEEPS = "Build the model under 'initrules.no_init(meta=True)', which keeps buffers"


def _loose(model: Any) -> Iterator[ApplyError]:
    """Tensors beside parameters and buffers that a forward pass would miss."""
    names = loose_tensors(model)
    if names:
        yield ApplyError(
            f"{_counted(names, 'tensor')} on the meta device that {'is' if len(names) == 1 else 'are'} neither "
            f"parameter nor buffer: {_some(names)}",
            hint=f"{_KEEPS} and all other tensors.",
        )


def _counted(paths: Sequence[str], word: str) -> str:
    return f"{len(paths)} {word}{'s' * (len(paths) != 1)}"


def _some(paths: Sequence[str]) -> str:
    return f"{', '.join(paths[:5])}{' ...' if len(paths) > 5 else ''}"


def _disagreements(
    model: Any, planned: PlanData, places: Mapping[str, Place], seed: int, problems: Sequence[RuleError]
) -> Iterator[RuleError]:
    """Why the ranks that hold this model cannot write it together."""
    together = groups(model, meshes(places[row.path].tensor() for row in planned.rows if row.parameter.placement))
    if together:
        yield from disagreements(together, seed, planned.fingerprint(), problems[0].message if problems else None)


def _problems(planned: PlanData, places: Mapping[str, Place], given: Mapping[str, torch.Tensor]) -> Iterator[RuleError]:
    """Everything about the plan and the live tensors that would make a write fail."""
    yield from _plan_problems(planned)
    yield from _empty(planned, places, given)
    simple = _each_kind(
        planned, lambda decisions: decisions.keys() == {"set"} and not chain.keeps(decisions["set"].actions)
    )
    for row in planned.rows:
        if simple[id(row.decisions)] and len(row.parameter.names) == 1 and places[row.path].is_plain():
            continue  # as nearly all are
        value, wrap = row.decisions.get("set"), row.decisions.get("parametrize")
        if value is not None and value.writes:
            yield from _cannot_be_written(row, value, places, planned.rules.stream)
        if wrap is not None and wrap.writes:
            yield from _cannot_be_wrapped(row, wrap, places[row.path])


def _cannot_be_written(row: Row, value: Decision, places: Mapping[str, Place], stream: str) -> Iterator[RuleError]:
    path = row.path
    place = places[path]
    stored = place.tensor()
    problem = unwritable(place, stored) or half_wrapped(row, places) or changed_before(path, value, stored)
    if problem:
        yield ApplyError(f"'{path}' {problem}", value.span)
    elif stream == "global" and is_sharded(stored):
        yield ApplyError(
            f"'{path}' is sharded, and 'stream: global' draws whole tensors",
            value.span,
            "Use 'stream: keyed', or apply the plan before sharding.",
        )


def _cannot_be_wrapped(row: Row, wrap: Decision, place: Place) -> Iterator[RuleError]:
    if is_sharded(place.tensor()):
        yield ApplyError(
            f"'{row.path}' is sharded, and cannot be wrapped", wrap.span, "Apply the plan before sharding."
        )
        return
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
