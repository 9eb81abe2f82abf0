"""Verbs about rule files and the language: lint, new, schema, actions."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from initrules.errors import ApplyError, Finding, Problems, RuleError, Severity, printable
from initrules.verbs.building import FINE, exit_code, model_of
from initrules.verbs.options import FAIL_ON, OF_THE_MODEL, formats, model_options, refuse, several_rule_options

if TYPE_CHECKING:
    from initrules.inventory import Inventory
    from initrules.verbs.linting import Checked

_PLAIN = ("error", "warning", "note")  # what a summary calls the severities


@click.command()
@several_rule_options
@model_options(required=False, device="meta", recorded=True, several=True)
@formats("table", "json", "md", "github", "sarif", "junit")
@click.option("--fix", is_flag=True, help="Make the edits that leave every plan as it is.")
@click.option("--silenced", is_flag=True, help="Show what rules silence with 'allow', too.")
@click.option(
    "--skip-others", is_flag=True, help="Pass over YAML files without the key 'initrules', as hooks give them."
)
@FAIL_ON
def lint(rules: tuple[str, ...], form: str, fail_on: str, *, skip_others: bool, **options: Any) -> int:
    """Check rule files by themselves, or against models: a rule is dead only where it is dead in all of them."""
    from initrules.verbs import linting  # noqa: PLC0415

    if form != "table":
        refuse(f"with '--format {form}': only tables show what is silenced.", "silenced")
    chosen = [name for name in rules if not (skip_others and _is_other(name))]
    looked_at = _Looked([], [], [], [])
    known = linting.inventories(options) if chosen else ()
    for name in chosen:
        try:
            checked = _checked(name, known, options)
        except RuleError as error:
            looked_at.problems.append(error)
            looked_at.files.append(name)
            looked_at.summaries.append(f"{printable(name)}: {len(error.problems)} problems")
        else:
            _note(checked, looked_at)
            if form == "table":
                _tell(checked, silenced=options["silenced"])
    broken = Problems(looked_at.problems)
    found = [*(one.finding() for one in broken.problems), *looked_at.findings]
    if form != "table":
        _print(form, found, looked_at.files, fail_on=fail_on, summary="; ".join(looked_at.summaries))
    if looked_at.problems:
        raise broken
    return exit_code(found, fail_on)


class _Looked(NamedTuple):
    """What ``lint`` has seen so far."""

    files: list[str]
    findings: list[Finding]
    summaries: list[str]
    problems: list[RuleError]


def _checked(rules: str, known: Sequence[tuple[str, Inventory]], options: dict[str, Any]) -> Checked:
    """What is left to say about a file, after the repairs that are asked for."""
    from initrules.verbs import linting  # noqa: PLC0415

    for what in linting.repair(rules, known, options) if options["fix"] else ():
        click.echo(f"fixed {printable(rules)}: {printable(what)}", err=True)
    return linting.check(rules, known, options)


def _note(checked: Checked, seen: _Looked) -> None:
    seen.summaries.append(_summary(checked))
    seen.findings.extend(finding for finding in checked.findings if finding not in seen.findings)
    seen.files.extend(file for file in checked.rules.files if file not in seen.files)


def _tell(checked: Checked, *, silenced: bool) -> None:
    from initrules import report  # noqa: PLC0415

    for finding in checked.findings:
        click.echo(report.findings_text([finding]))
    for one in checked.silenced if silenced else ():
        click.echo(f"silenced {report.findings_text([one.finding]).splitlines()[0]}\n  because {printable(one.reason)}")
    click.echo(_summary(checked))


def _is_other(name: str) -> bool:
    """Whether a file is readable and has no line that begins with the key of rule files."""
    try:
        return not re.search(r"^initrules\s*:", Path(name).read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return False


def _print(form: str, findings: Sequence[Finding], files: Sequence[str], *, fail_on: str, summary: str) -> None:
    from initrules.report.findings import as_format  # noqa: PLC0415

    made = as_format(form, findings, files, fail_on=fail_on, summary=summary)
    if made:
        click.echo(made)


def _summary(checked: Checked) -> str:
    findings, silenced = checked.findings, len(checked.silenced)
    words = [(len(checked.rules.rules), "rule")]
    words += [(sum(1 for f in findings if f.severity is s), w) for s, w in zip(Severity, _PLAIN, strict=True)]
    counts = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in words)
    more = f", {silenced} silenced" if silenced else ""
    return f"{', '.join(map(printable, checked.rules.files))}: {counts}{more}"


@click.command()
@click.option("--kind", type=click.Choice(["rules", "test", "study", "plan", "inventory"]), default="rules",
              show_default=True,
              help="Which files: rule files, test files, studies, saved plans, or what 'record' writes.")  # fmt: skip
def schema(kind: str) -> int:
    """Print the JSON schema of a kind of file, for editors and other programs."""
    click.echo(json.dumps(_schema(kind), indent=1))
    return FINE


def _schema(kind: str) -> Mapping[str, Any]:
    from initrules import plugins, recording, saved  # noqa: PLC0415
    from initrules.ablation.schema import file_schema as study_schema  # noqa: PLC0415
    from initrules.ruletest.schema import file_schema  # noqa: PLC0415
    from initrules.schema import json_schema  # noqa: PLC0415

    match kind:
        case "plan":
            return dict(saved.SCHEMA)
        case "inventory":
            return dict(recording.SCHEMA)
        case "study":
            return study_schema()
        case "test":
            return file_schema(plugins.tables())
        case _:
            return json_schema(plugins.tables())


@click.command()
@click.argument("name", required=False)
def actions(name: str | None) -> int:
    """List the actions, or show the manual of one."""
    from initrules import manual, plugins  # noqa: PLC0415

    known = plugins.tables()
    click.echo(manual.page(name, known) if name else manual.overview(known))
    return FINE


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@model_options(required=False, device="meta", runs=False, loads=False)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def new(file: str, *, force: bool, **options: Any) -> int:
    """Write a first rule file, with a default for each kind of layer of the model."""
    from initrules.starter import starter  # noqa: PLC0415

    inventory = None
    if options["model"]:
        from initrules.survey import survey  # noqa: PLC0415

        inventory = survey(model_of(options))
    else:
        refuse("without '--model'.", *OF_THE_MODEL)
    target = Path(file)
    if target.exists() and not force:
        raise ApplyError(f"'{file}' exists", hint="Choose another name, or add --force.")
    if not target.parent.is_dir():
        raise ApplyError(f"there is no folder '{target.parent}'", hint="Make it first.")
    try:
        target.write_text(starter(inventory), encoding="utf-8")
    except OSError as error:
        raise ApplyError(f"'{file}' cannot be written: {error.strerror}") from error
    words = ["initrules", "plan", file, "--model", options["model"] or "MODULE:FUNCTION", *_repeated(options)]
    click.echo(f"{printable(file)} written; look at it with: {printable(shlex.join(words))}")
    return FINE


def _repeated(options: dict[str, Any]) -> list[str]:
    """The arguments of the factory as the command line has them."""
    words: list[str] = []
    for key, value in options["arguments"].items():
        words += ["--arg", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    return words
