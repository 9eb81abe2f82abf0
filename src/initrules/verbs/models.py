"""Verbs that keep and compare: record, show, diff."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from initrules import difference, recording
from initrules.errors import ExtendsError
from initrules.planning import PlanData
from initrules.presets import PREFIX
from initrules.report import comparison
from initrules.verbs import pages
from initrules.verbs.building import FINE, inventory_of, is_saved, model_of, plan_of, rules_of, saved_plan
from initrules.verbs.options import OF_THE_MODEL, model_options, pairs, refuse
from initrules.verbs.showing import screen

if TYPE_CHECKING:
    from initrules.inventory import Inventory


@click.command()
@model_options(required=True, device="meta", loads=False)
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Default: standard output.")
def record(output: str | None, **options: Any) -> int:
    """Write what the model is made of to a file, for '--inventory' and for diffs of models.

    With '--inputs', what a run of the model shows is recorded too.
    """
    pages.write(recording.dumps(_observed(options) if options["inputs"] else inventory_of(options)), output)
    return FINE


def _observed(options: dict[str, Any]) -> Inventory:
    from initrules.factory import example_inputs  # noqa: PLC0415
    from initrules.observing import survey_with  # noqa: PLC0415

    return survey_with(model_of(options), example_inputs(options["inputs"], options["model"]))


@click.command()
@click.argument("versions", nargs=-1, required=True, metavar="VERSION VERSION...")
@click.option("--set", "variables", multiple=True, callback=pairs, metavar="VAR=VALUE",
              help="Replace a variable in every version; repeatable.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="Let rule files read below this folder too; repeatable.")  # fmt: skip
@model_options(required=True, device="meta", recorded=True)
@click.option("--format", "form", type=click.Choice(["table", "json", "md"]), default="table", show_default=True)
def diff(versions: tuple[str, ...], form: str, **options: Any) -> int:
    """Show what differs between plans, only that, and why.

    A VERSION is a rule file, preset:NAME, a plan that 'plan --format json' wrote, or git's REVISION:FILE.
    Saved plans need no model.
    """
    if len(versions) < 2:
        raise click.UsageError("Name two or more versions of the rules.")
    plans = [name for name in versions if is_saved(name)]
    if plans:
        refuse(f"to '{plans[0]}': a saved plan stays as it is; name the rule file instead.", "variables")
    if len(plans) == len(versions):
        refuse("here: saved plans need no model.", "model", "inventory", *OF_THE_MODEL, "sources", "allow")
    model = functools.cache(lambda: inventory_of(options))
    found = difference.changes([_version(name, model, options) for name in versions])
    if form == "json":
        click.echo(json.dumps(comparison.as_json(versions, found), indent=1))
    elif form == "md":
        click.echo(comparison.markdown(versions, found))
    else:
        screen(lambda width: comparison.text(versions, found, width=width), lambda _: comparison.view(versions, found))
    return FINE


def _version(name: str, model: Callable[[], Inventory], options: dict[str, Any]) -> PlanData:
    """The plan by a file, by a preset, or by a file in a revision."""
    revision, colon, path = name.partition(":")
    if not colon or name.startswith(PREFIX) or Path(name).exists():
        return _plan(name, model, options)
    with _checked_out(revision, Path(path), name) as folder, contextlib.chdir(folder):
        loaded = saved_plan(path) if is_saved(path) else rules_of(path, {**options, "allow": ()})
    return loaded if isinstance(loaded, PlanData) else plan_of(loaded, model(), options)


def _plan(name: str, model: Callable[[], Inventory], options: dict[str, Any]) -> PlanData:
    return saved_plan(name) if is_saved(name) else plan_of(rules_of(name, options), model(), options)


@contextlib.contextmanager
def _checked_out(revision: str, path: Path, name: str) -> Iterator[str]:
    """A folder that holds the file's folder as it was in a revision."""
    if path.is_absolute() or ".." in path.parts:
        raise ExtendsError(f"'{name}' does not lie below this folder", hint="Write REVISION:FILE as git does.")
    found = _git(["archive", "--format=tar", revision, "--", path.parent.as_posix()], name)
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(found)) as archive:
            archive.extractall(folder, filter="data")
        yield folder


def _git(words: Sequence[str], name: str) -> bytes:
    try:
        done = subprocess.run(["git", *words], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise ExtendsError(f"'{name}' needs git, which is not installed", hint="Name files instead.") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise ExtendsError(f"git cannot give '{name}': {reason}", hint="Check the revision, and the path in it.")
    return done.stdout
