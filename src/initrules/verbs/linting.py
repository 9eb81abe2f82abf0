"""What ``lint`` looks at: one rule file, by itself or against models; and its repairs."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from initrules import lints
from initrules.errors import ApplyError, Finding, RuleError, Severity
from initrules.fixes import applied, fixes
from initrules.presets import PREFIX
from initrules.ruleset import RuleSet
from initrules.several import Planned, combined
from initrules.silence import Silenced, silence
from initrules.verbs.building import one_inventory, plan_of, rules_of
from initrules.verbs.options import NOT_BUILT, OF_THE_MODEL, refuse

if TYPE_CHECKING:
    from initrules.inventory import Inventory


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule set with its findings, the worst first, and its plans by model."""

    rules: RuleSet
    findings: tuple[Finding, ...]
    silenced: tuple[Silenced, ...]
    plans: tuple[Planned, ...]


def inventories(options: dict[str, Any]) -> tuple[tuple[str, Inventory], ...]:
    """Every model and inventory that is named, by that name."""
    names = (*options["model"], *options["inventory"])
    if not names:
        refuse("without a model: add '--model' or '--inventory'.", *OF_THE_MODEL, "sources")
    elif not options["model"]:
        refuse(NOT_BUILT, *OF_THE_MODEL)
    return tuple((name, one_inventory(_alone(name, options))) for name in names)


def _alone(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with one of the models or inventories that they name."""
    kind = "model" if name in options["model"] else "inventory"
    return {**options, "model": None, "inventory": None, kind: name}


def check(rules: str, known: Sequence[tuple[str, Inventory]], options: dict[str, Any]) -> Checked:
    """Read and plan. Raises ``RuleError`` when the file cannot be read."""
    loaded = rules_of(rules, options)
    plans = tuple(Planned(name, plan_of(loaded, inventory, _alone(name, options))) for name, inventory in known)
    own, silenced = silence(lints.file_findings(loaded), loaded.rules)
    findings = sorted([*own, *combined(plans, silenced)], key=lambda finding: finding.severity.rank)
    gone = dict.fromkeys([*silenced, *(one for _, plan in plans for one in plan.silenced)])
    return Checked(loaded, tuple(findings), tuple(gone), plans)


def repair(rules: str, known: Sequence[tuple[str, Inventory]], options: dict[str, Any]) -> Iterator[str]:
    """Make every edit that leaves all plans as they are, and say which; the file is replaced in one step."""
    if rules.startswith(PREFIX):
        raise click.UsageError("'--fix' edits a file; a preset is extended instead.")
    for _ in range(_MOST_ROUNDS):  # what is taken out may leave something else without a use
        done = _repaired(rules, check(rules, known, options), options)
        yield from done
        if not done:
            return


_MOST_ROUNDS = 8


def _repaired(rules: str, checked: Checked, options: dict[str, Any]) -> list[str]:
    """One round of edits: all at once where that is proven, else those that are proven one after another."""
    text = _read(rules)
    wanted = fixes(text, rules, checked.findings)
    good = wanted if wanted and _proven(rules, applied(text, wanted), checked, options) else ()
    for fix in wanted if not good else ():
        if _proven(rules, applied(text, [*good, fix]), checked, options):
            good = (*good, fix)
    if good:
        _replace(rules, applied(text, good))
    return [fix.what for fix in good]


def _read(rules: str) -> str:
    with Path(rules).open(encoding="utf-8", newline="") as file:
        return file.read()


def _proven(rules: str, text: str, before: Checked, options: dict[str, Any]) -> bool:
    """Whether the edited rules can be read and give the same plans, without a new error or warning."""
    with _beside(rules, text) as path:
        try:
            after = check(path, [(name, plan.inventory) for name, plan in before.plans], options)
        except RuleError:
            return False
    told = {(one.code, one.rule) for one in before.findings}
    return (
        _meant(after.rules, before) == _meant(before.rules, before)
        and all((one.code, one.rule) in told for one in after.findings if one.severity is not Severity.INFO)
        and all(_same(old.plan, new.plan) for old, new in zip(before.plans, after.plans, strict=True))
    )


def _meant(rules: RuleSet, before: Checked) -> Any:
    """All of a rule set that no plan shows; the rules themselves too where there is no plan."""
    shown = None if before.plans else [(rule.name, rule.select, rule.declarations, rule.lock) for rule in rules.rules]
    return rules.unmatched, rules.stream, rules.order, rules.expect, shown


def _same(one: Any, other: Any) -> bool:
    """Whether two plans give every parameter the same values by the same rules."""
    return bool(
        one.fingerprint() == other.fingerprint()
        and [_winners(row) for row in one.rows] == [_winners(row) for row in other.rows]
        and one.transfers == other.transfers
    )


def _winners(row: Any) -> Any:
    return {prop: (decision.rule, decision.lock) for prop, decision in row.decisions.items()}


@contextlib.contextmanager
def _beside(rules: str, text: str) -> Iterator[str]:
    """A file in the same folder, so that ``extends`` finds what it names; gone afterwards."""
    path = _written(rules, text)
    try:
        yield path
    finally:
        Path(path).unlink(missing_ok=True)


def _written(rules: str, text: str) -> str:
    real = Path(os.path.realpath(rules))
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            newline="",
            prefix=f".{real.stem}-",
            suffix=real.suffix,
            dir=real.parent,
            delete=False,
        ) as file:
            file.write(text)
    except OSError as error:
        hint = "Check the folder."
        raise ApplyError(f"nothing can be written beside '{rules}': {error.strerror}", hint=hint) from error
    return file.name


def _replace(rules: str, text: str) -> None:
    """Put the new text in the place of the old one in a single step, with the old one's mode."""
    real = os.path.realpath(rules)
    path = _written(rules, text)
    shutil.copymode(real, path)
    Path(path).replace(real)
