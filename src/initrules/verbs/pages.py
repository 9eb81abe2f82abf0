"""Pages and other output in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from initrules.errors import ApplyError
from initrules.verbs.building import model_of, progress, sources_of

if TYPE_CHECKING:
    from initrules.decision import Row
    from initrules.planning import PlanData
    from initrules.report.histogram import Array


def page(plans: Sequence[PlanData], names: Sequence[str], draw: int | None, options: dict[str, Any]) -> str:
    """The page of plans for one model; with ``draw``, a seed, it shows what each would write."""
    from initrules.report.html import plan_page  # noqa: PLC0415

    values = [] if draw is None else [_drawn(plan, draw, options) for plan in plans]
    return plan_page(plans, names, title=title_of(options), values=values)


def title_of(options: dict[str, Any]) -> str:
    """What the page is about: the model as it was named."""
    return str(options["model"] or options["inventory"])


def _drawn(plan: PlanData, seed: int, options: dict[str, Any]) -> Iterator[tuple[Row, Array]]:
    from initrules.held import drawn  # noqa: PLC0415

    with progress("drawing", plan) as advance:
        for row, array in drawn(model_of(options), plan, seed=seed, sources=sources_of(plan.rules, options)):
            advance()
            yield row, array


def check_drawing(plans: Sequence[PlanData], form: str, options: dict[str, Any]) -> None:
    """Refuse ``--draw`` where there is nothing to draw from or nowhere to show it."""
    if form != "html":
        raise click.UsageError("'--draw' shows values on a page: add '--format html'.")
    if not options["model"]:
        raise click.UsageError("'--draw' needs '--model': an inventory has no tensors.")
    if any(plan.rules.stream == "global" for plan in plans):
        raise click.UsageError(
            "'--draw' needs 'stream: keyed': a global stream depends on all that was drawn before. "
            "'apply --report FILE' shows what was written."
        )


def check_target(output: str) -> None:
    """Find out before any work that a file has no folder to lie in. Raises ``ApplyError``."""
    if not Path(output).parent.is_dir():
        folder = Path(output).parent
        raise ApplyError(f"'{output}' cannot be written: there is no folder '{folder}'", hint="Choose another place.")


def write(text: str, output: str | None) -> None:
    """Write to a file, or to standard output. Raises ``ApplyError`` when the file cannot be written."""
    whole = text if text.endswith("\n") or not text else f"{text}\n"
    if output is None:
        click.echo(whole, nl=False)
        return
    try:
        Path(output).write_text(whole, encoding="utf-8")
    except OSError as error:
        raise ApplyError(f"'{output}' cannot be written: {error.strerror}", hint="Choose another place.") from error
