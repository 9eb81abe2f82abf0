"""Checks a model against its plan: what was written, and that the rest is as it should be.

With the seed of keyed streams each value is computed again and compared. Without it, what is drawn is tested
statistically, all tests of a model under one budget. The model is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from initrules import expectations, standing, tails, unapplied
from initrules.actions import chain
from initrules.apply import values
from initrules.comparing import compare
from initrules.decision import Row
from initrules.effective import weight, written
from initrules.errors import Severity
from initrules.places import Place, places_of
from initrules.planning import PlanData
from initrules.replicas import across_ranks, digests, disagreements
from initrules.resetting import reset_copy, seeded_globally
from initrules.sources import NO_SOURCES, Sources
from initrules.statistical import Look, Measured, Untestable, examine, like
from initrules.survey import survey
from initrules.testing import Tests
from initrules.verdict import Problem, Verification

_OTHER_SEED = 0x1217  # of draws that a model is compared with when its own seed is not known
_ENOUGH = 256  # values that tell one distribution from another
_AS_FAR = 1.2  # the largest value of a sample may differ so much
_COMMON = 1e-3  # a sample this likely looks like its law


def verify(
    model: Any,
    planned: PlanData,
    *,
    seed: int | None = None,
    sources: Sources = NO_SOURCES,
    inputs: Any = None,
    before: Mapping[str, str] | None = None,
    on_row: Callable[[], None] | None = None,
) -> Verification:
    """Check ``model`` against its plan.

    ``seed``: that of ``apply_``; None where another program initialised the model. ``inputs``: example inputs, on
    which the expectations of the rules are checked. ``before``: digests of the model before it was initialised.
    ``on_row`` is called after each parameter that was compared or looked at. In a process group all ranks must
    call this together.
    """
    checker = _Checker(model, planned, seed, sources, before or {}, on_row or _nothing)
    with torch.inference_mode(mode=False), torch.no_grad():
        checker.run()
    if inputs is not None:
        checker.problems += expectations.check(model, planned, inputs)
    return checker.verdict(ran=inputs is not None)


def _nothing() -> None:
    """Report no progress."""


def _reach(tensor: torch.Tensor) -> float:
    return float(tensor.detach().abs().max())


class _Checker:
    def __init__(
        self, model: Any, planned: PlanData, seed: int | None, sources: Sources, before: Mapping[str, str],
        on_row: Callable[[], None],
    ) -> None:  # fmt: skip
        self.model = model
        self.planned = planned
        self.seed = seed if planned.rules.stream == "keyed" else None
        self.sources = sources
        self.on_row = on_row
        self.places: Mapping[str, Place] = places_of(model)
        self.problems: list[Problem] = []
        self.untested: dict[str, str] = {}
        self.sound: list[Row] = []
        self.fitting: set[str] = set()  # what differs from the values of the seed, and looks as the rules have it
        self.recomputed = self.tested = self.left = self.tests = 0
        now = digests(model) if before else {}
        self.never = frozenset(path for path, digest in before.items() if now.get(path) == digest)

    def run(self) -> None:
        self.problems += standing.structure_problems(self.planned, survey(self.model))
        broken = {problem.subject for problem in self.problems if problem.check == "structure"}
        rows = [row for row in self.planned.rows if row.path in self.places and row.path not in broken]
        applied = self.seed is not None
        found = [p for row in rows for p in standing.row_problems(row, self.places[row.path], applied=applied)]
        self.problems += found
        broken |= {problem.subject for problem in found if problem.check in {"finite", "unchanged"}}
        written_rows = [row for row in rows if row.value is not None and row.value.writes]
        self.left = len(rows) - len(written_rows)
        self.sound = [row for row in written_rows if row.path not in broken]
        exact = [row for row in self.sound if self._is_recomputed(row)]
        self._compare(exact)
        done = {row.path for row in exact}
        self._test([row for row in self.sound if row.path not in done])
        self._across_ranks()

    def _is_recomputed(self, row: Row) -> bool:
        assert row.value is not None
        actions = row.value.actions
        return not chain.keeps(actions) and (self.seed is not None or chain.is_fixed(actions))

    def _compare(self, rows: list[Row]) -> None:
        seed = self.seed or 0
        for row, found in compare(self.places, self.planned, rows, seed, self.sources):
            self.on_row()
            if isinstance(found, Exception):
                self._leave(row, f"its value cannot be computed again: {found}")
                continue
            self.recomputed += 1
            if found is not None:
                self._add(row, "value", f"{found}{self._compared_with(row)}")

    def _compared_with(self, row: Row) -> str:
        """What a value that is not the plan's looks like."""
        assert row.value is not None
        if self.seed is None or chain.is_fixed(row.value.actions):
            return self._remark(row)
        said = f" from what seed {self.seed} gives"
        tests = Tests()
        try:
            tests.add(row, self._seen(row))
        except Untestable:
            return f"{said}{self._remark(row)}"
        odd = next((p for p in tests.judge()[0] if p.severity is Severity.ERROR), None)
        if odd is None and row.path not in self.never:
            self.fitting.add(row.path)
            return f"{said}; they fit the rule, so that another seed may have drawn them"
        if odd is None:
            return f"{said}{self._remark(row)}"
        return f"{said}; it {odd.message}{self._remark(row)}"

    def _test(self, rows: list[Row]) -> None:
        tests, heads = Tests(), dict[tuple[int, bytes], str]()
        for row in rows:
            self.on_row()
            try:
                tests.add(row, self._seen(row))
            except Untestable as reason:
                self._leave(row, str(reason))
                continue
            self.tested += 1
            twin = self._twin(row, heads)
            if twin is not None:
                self._add(row, "copies", f"begins with the same values as '{twin}', though each is drawn by itself")
        for row, few in tests.too_small():
            self.tested -= 1
            self._leave(row, few)
        found, self.tests = tests.judge()
        by_path = {row.path: row for row in rows}
        for problem in found:
            row = by_path[problem.subject]
            remark = self._remark(row) if problem.severity is Severity.ERROR else ""
            self.problems.append(replace(problem, message=f"{problem.message}{remark}"))

    def _seen(self, row: Row) -> list[Look | Measured]:
        """What can be seen of a drawn value. Raises ``Untestable``."""
        assert row.value is not None
        actions, (tensor, _) = row.value.actions, written(self.places[row.path])
        if chain.keeps(actions) and actions[-1].name != "normalize":
            raise Untestable("it was changed in place, and what was there before is not known")
        if [action.name for action in actions] == ["reset"]:
            return [self._like_reset(row, tensor)]
        return list(examine(actions, tensor, row.target))

    def _like_reset(self, row: Row, tensor: torch.Tensor) -> Look:
        """A reset by torch's own code is compared with another one."""
        owner = self.places[row.target.met].owner
        name = f"{type(owner).__module__}.{type(owner).__qualname__}"
        if not name.startswith("torch.nn."):
            raise Untestable(f"'{name}' resets it by code of its own; give the seed to recompute it")
        if tensor.numel() < tails.LEAST:
            raise Untestable(f"{tensor.numel()} values are too few for a test")
        keyed = replace(self.planned, rules=replace(self.planned.rules, stream="keyed"), rows=(row,))
        ((_, drawn),) = values(self.places, keyed, seed=_OTHER_SEED, sources=self.sources)
        if isinstance(drawn, Exception):
            raise Untestable(f"its reset method failed: {drawn}")
        return like(tensor, drawn, f"{type(owner).__name__}.reset_parameters gives it")

    def _twin(self, row: Row, heads: dict[tuple[int, bytes], str]) -> str | None:
        """The first parameter with the same values, if such values are drawn at random."""
        if row.moments is None or row.moments.std == 0 or row.target.numel < tails.LEAST:
            return None
        first = heads.setdefault((row.target.numel, standing.head(self.places[row.path])), row.path)
        return None if first == row.path else first

    def _remark(self, row: Row) -> str:
        """Where a wrong value may come from."""
        if row.path in self.never:
            return "; it was never written: its values are those from before"
        place = self.places[row.path]
        tensor = weight(place)
        if tensor.numel() > 1 and bool((tensor == tensor.reshape(-1)[0]).all()):
            return f"; every value is {float(tensor.reshape(-1)[0]):.4g}" if not tensor.is_complex() else ""
        kind = type(place.owner)
        if place.parametrized or row.target.resets is None or row.target.numel < _ENOUGH or tensor.is_complex():
            return ""
        try:
            with seeded_globally(_OTHER_SEED):
                drawn = getattr(reset_copy(place.owner), place.local)
        except Exception:  # noqa: BLE001  # the user's own code; a remark is not worth an error
            return ""
        usual = like(tensor, drawn, "").probability > _COMMON and _reach(tensor) < _AS_FAR * _reach(drawn)
        return f"; it looks as {kind.__name__}.{row.target.resets} leaves it, so that it was never written" * usual

    def _across_ranks(self) -> None:
        rows = {row.path: row for row in self.planned.rows}
        drawn = [p for p, row in rows.items() if row.value is not None and not chain.is_fixed(row.value.actions)]
        for path, message in disagreements(across_ranks(self.model), frozenset(drawn)):
            row = rows.get(path)
            if row is not None:
                self._add(row, "replica", message)

    def _leave(self, row: Row, reason: str) -> None:
        if row.path in self.never and row.value is not None and not chain.keeps(row.value.actions):
            self._add(row, "unchanged", "was never written: its values are those from before")
        self.untested[row.path] = reason

    def _add(self, row: Row, check: str, message: str) -> None:
        decision = row.value
        rule, span = (None, None) if decision is None else (decision.rule, decision.span)
        self.problems.append(Problem(row.path, check, message, rule=rule, span=span))

    def verdict(self, *, ran: bool) -> Verification:
        """All of it, errors first, otherwise in the order of the model."""
        order = {row.path: position for position, row in enumerate(self.planned.rows)}
        ranked = sorted(self.problems, key=lambda p: (p.severity.rank, order.get(p.subject, len(order))))
        expected = len(self.planned.rules.expect)
        checked = [row for row in self.sound if row.path not in self.untested]
        said = unapplied.remark(checked, ranked, frozenset(self.fitting), self.seed)
        return Verification(
            self.seed, len(self.planned.rows), self.recomputed, self.tested, self.left,
            tuple(self.untested.items()), self.tests, expected if ran else 0, 0 if ran else expected,
            tuple(ranked), said,
        )  # fmt: skip
