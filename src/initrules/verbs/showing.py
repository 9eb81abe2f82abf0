"""Plans on the screen: in colour on a terminal, elsewhere as plain text without trailing blanks; and as data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from rich.console import Console, RenderableType

from initrules.verbs import pages

if TYPE_CHECKING:
    from initrules.planning import PlanData

_WIDE = 140  # for output that is not a terminal


def show(planned: PlanData, form: str, output: str | None, *, fail_on: str) -> None:
    """The plan as a table as wide as the terminal, or in another format."""
    from initrules import report  # noqa: PLC0415

    if form == "table" and output is None:
        screen(
            lambda width: report.plan_text(planned, width=width),
            lambda width: report.plan_view(planned, width=width, wrap=True),
        )
    else:
        pages.write(_text(planned, form, fail_on), output)


def screen(text: Callable[[int], str], view: Callable[[int], RenderableType]) -> None:
    """Print one of two looks of the same thing: plain text, or on a terminal what rich shows; both for a width."""
    from initrules.report import LEAST_WIDTH  # noqa: PLC0415

    console = Console()
    if console.is_terminal:
        width = max(console.width, LEAST_WIDTH)
        console.print(view(width), width=width, crop=False)
    else:
        click.echo(text(text_width()))


def _text(planned: PlanData, form: str, fail_on: str) -> str:
    from initrules import report  # noqa: PLC0415
    from initrules.report.findings import as_format  # noqa: PLC0415

    match form:
        case "table":
            return report.plan_text(planned, width=text_width())
        case "json":
            return json.dumps(report.as_json(planned), indent=1)
        case "md":
            return report.plan_markdown(planned)
        case _:
            summary = report.counts(planned)
            return as_format(form, planned.findings, planned.rules.files, fail_on=fail_on, summary=summary)


def text_width() -> int:
    """How wide plain text is: as the environment says in COLUMNS, or wide."""
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdigit() and len(columns) < 6 else 0
    return width or _WIDE
