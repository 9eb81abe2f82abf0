"""The verb that shows what other verbs wrote: show."""

from __future__ import annotations

import re
from pathlib import Path

import click

from initrules import recording, report, restored, saved
from initrules.errors import ModelError
from initrules.verbs.building import FINE
from initrules.verbs.options import formats
from initrules.verbs.showing import screen

_KIND = re.compile(r'"initrules-(plan|inventory)"\s*:')


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.argument("parameter", required=False)
@formats("table", "md")
def show(file: str, parameter: str | None, form: str) -> int:
    """Show a plan or an inventory that was saved, or why a saved plan gives PARAMETER its value.

    Needs neither the rules nor the model.
    """
    text = _read(file)
    found = _KIND.search(text)
    if found is None:
        raise ModelError(f"'{file}' is neither a saved plan nor an inventory", hint=_hint(file))
    if found[1] == "inventory":
        if parameter is not None or form == "md":
            raise click.UsageError("PARAMETER and '--format md' are for saved plans; this is an inventory.")
        inventory = recording.loads(text, file)
        screen(lambda width: report.contents_text(inventory, width=width), lambda _: report.contents_view(inventory))
        return FINE
    plan = restored.restored(saved.loads(text, file), file)
    if parameter is not None:
        if form == "md":
            raise click.UsageError("'--format md' shows a whole plan: leave PARAMETER out, or the format.")
        click.echo(report.explain_text(plan, parameter))
    elif form == "md":
        click.echo(report.plan_markdown(plan))
    else:
        screen(
            lambda width: report.plan_text(plan, width=width),
            lambda width: report.plan_view(plan, width=width, wrap=True),
        )
    return FINE


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(f"there is no file '{file}'", hint=_hint(file)) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"'{file}' cannot be read: {error}", hint=_hint(file)) from None


def _hint(file: str) -> str:
    if file.endswith((".yaml", ".yml")):
        return f"Show what rules decide with: initrules plan {file} --model ..."
    return (
        "Make one with: initrules plan RULES --model ... --format json > FILE; or: initrules record --model ... -o FILE"
    )
