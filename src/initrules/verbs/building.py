"""From options to rules, models and plans; torch is imported where a model is needed."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from initrules.errors import Finding, RuleError, Severity
from initrules.verbs.options import NOT_BUILT, OF_THE_MODEL, refuse

if TYPE_CHECKING:
    from initrules.inventory import Inventory
    from initrules.planning import PlanData
    from initrules.ruleset import RuleSet
    from initrules.sources import Sources

FINE, FINDINGS, CANNOT_RUN, DRIFTED, INTERRUPTED = 0, 1, 2, 3, 130


def rules_of(path: str, options: dict[str, Any]) -> RuleSet:
    """The rule set that the options ask for."""
    from initrules import plugins, ruleset  # noqa: PLC0415

    loaded = ruleset.load(path, allow=options["allow"], tables=plugins.tables())
    return loaded.with_variables(options["variables"]) if options["variables"] else loaded


def model_of(options: dict[str, Any]) -> Any:
    """The model, built by the user's factory."""
    from initrules.factory import build  # noqa: PLC0415

    return build(options["model"], options["arguments"], device=options["device"])


def seed_all(seed: int) -> None:
    """Seed every generator that a factory may draw from."""
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # the generator that a factory may use without saying so
    random.seed(seed)


def inventory_of(options: dict[str, Any]) -> Inventory:
    """What the only model is made of; see ``one_inventory``. Raises ``UsageError`` where options do not go together."""
    if options.get("inventory") and options["model"]:
        raise click.UsageError("'--model' and '--inventory' exclude each other.")
    if options.get("inventory"):
        refuse(NOT_BUILT, *OF_THE_MODEL)
    return one_inventory(options)


def one_inventory(options: dict[str, Any]) -> Inventory:
    """What a model is made of: from a file, or from the model itself, without a run."""
    if options.get("inventory"):
        from initrules import recording  # noqa: PLC0415

        return recording.read(options["inventory"])
    if not options["model"]:
        raise click.UsageError("Missing option '--model' or '--inventory'.")
    from initrules.survey import survey  # noqa: PLC0415

    return survey(model_of(options))


def surveyed(model: Any, options: dict[str, Any], rules: RuleSet) -> Inventory:
    """What a model is made of; it is run on its example inputs where rules read what only that shows."""
    from initrules.factory import example_inputs  # noqa: PLC0415
    from initrules.observing import survey_with  # noqa: PLC0415

    asked = rules.reads_observed
    return survey_with(model, example_inputs(options["inputs"], options["model"]) if asked else None)


def sources_of(rules: RuleSet, options: dict[str, Any]) -> Sources:
    """The checkpoints that the rules load from."""
    from initrules.sources import read  # noqa: PLC0415

    return read(rules, options["sources"])


def checkpoints_of(rules: RuleSet, options: dict[str, Any]) -> tuple[str, ...]:
    """The files of these checkpoints; torch is needed only where there are any."""
    if not rules.sources:
        return ()
    from initrules.sources import files  # noqa: PLC0415

    return files(rules, options["sources"])


def plan_of(rules: RuleSet, inventory: Inventory, options: dict[str, Any]) -> PlanData:
    """The plan for an inventory; torch is needed only where the rules load from checkpoints, or need a run."""
    from initrules import planning  # noqa: PLC0415

    if rules.reads_observed and options["model"]:
        inventory = surveyed(model_of(options), options, rules)
    catalogs = sources_of(rules, options).catalogs if rules.sources or options["sources"] else {}
    return planning.make(rules, inventory, catalogs)


def is_saved(name: str) -> bool:
    """Whether a plan in a file is meant, not rules."""
    return name.endswith(".json")


def saved_plan(file: str) -> PlanData:
    """A plan that 'plan --format json' wrote. Raises ``ModelError`` when the file is none."""
    from initrules import restored, saved  # noqa: PLC0415

    return restored.restored(saved.read(file), file)


def complain(error: RuleError) -> None:
    """Say every problem of an error on stderr."""
    for problem in error.problems:
        click.echo(str(problem), err=True)
    if len(error.problems) > 1:
        click.echo(f"{len(error.problems)} problems", err=True)


def exit_code(findings: Sequence[Finding], fail_on: str) -> int:
    """1 when there is a finding at least as serious as asked for, else 0."""
    limit = Severity(fail_on).rank
    return FINDINGS if any(finding.severity.rank <= limit for finding in findings) else FINE


@contextlib.contextmanager
def progress(word: str, planned: PlanData) -> Iterator[Callable[[], None]]:
    """A bar on stderr, when that is a terminal, of as many steps as the plan writes parameters."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        total = sum(1 for row in planned.rows if row.value is not None and row.value.writes)
        task = bar.add_task(word, total=total)
        yield lambda: bar.advance(task)
