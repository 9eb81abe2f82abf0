"""Verbs that compare and keep: record, diff."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from initrules import difference, recording
from initrules.errors import ApplyError, ExtendsError
from initrules.inventory import Inventory
from initrules.planning import PlanData
from initrules.presets import PREFIX
from initrules.report import comparison
from initrules.ruleset import RuleSet
from initrules.verbs.building import FINE, inventory_of, model_of, plan_of, rules_of
from initrules.verbs.options import model_options, pairs


@click.command()
@model_options(required=True, device="meta")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Default: standard output.")
def record(output: str | None, **options: Any) -> int:
    """Write what the model is made of to a file, for '--inventory' and for diffs of models.

    With '--inputs', what a run of the model shows is recorded too.
    """
    text = recording.dumps(_observed(options) if options["inputs"] else inventory_of(options))
    if output is None:
        click.echo(text, nl=False)
        return FINE
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ApplyError(f"'{output}' cannot be written: {error.strerror}", hint="Choose another place.") from error
    return FINE


def _observed(options: dict[str, Any]) -> Inventory:
    from initrules.factory import example_inputs  # noqa: PLC0415
    from initrules.observing import survey_with  # noqa: PLC0415

    return survey_with(model_of(options), example_inputs(options["inputs"], options["model"]))


@click.command()
@click.argument("versions", nargs=-1, required=True, metavar="RULES RULES...")
@click.option("--set", "variables", multiple=True, callback=pairs, metavar="VAR=VALUE",
              help="Replace a variable in every version; repeatable.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="Let rule files read below this folder too; repeatable.")  # fmt: skip
@model_options(required=True, device="meta", recorded=True)
@click.option("--format", "form", type=click.Choice(["table", "json", "md"]), default="table", show_default=True)
def diff(versions: tuple[str, ...], form: str, **options: Any) -> int:
    """Show what differs between plans by rule files, presets, or git's REVISION:FILE; only that, and why."""
    if len(versions) < 2:
        raise click.UsageError("Name two or more versions of the rules.")
    inventory = inventory_of(options)
    plans: list[PlanData] = [plan_of(_version(name, options), inventory, options) for name in versions]
    found = difference.changes(plans)
    if form == "json":
        click.echo(json.dumps(comparison.as_json(versions, found), indent=1))
    elif form == "md":
        click.echo(comparison.markdown(versions, found))
    else:
        click.echo(comparison.text(versions, found))
    return FINE


def _version(name: str, options: dict[str, Any]) -> RuleSet:
    """The rules of a file, a preset, or a file in a revision."""
    revision, colon, path = name.partition(":")
    if not colon or name.startswith(PREFIX) or Path(name).exists():
        return rules_of(name, options)
    with _checked_out(revision, Path(path), name) as folder, contextlib.chdir(folder):
        return rules_of(path, {**options, "allow": ()})


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
