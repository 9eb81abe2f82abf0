"""The verb about rule tests: test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from initrules.errors import ApplyError, ModelError, printable
from initrules.pattern import name_pattern
from initrules.source import Span
from initrules.verbs.building import CANNOT_RUN, FINDINGS, FINE
from initrules.verbs.options import refuse

if TYPE_CHECKING:
    from initrules.ruletest.running import FileResult


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE|FOLDER]...")
@click.option("--case", "chosen", multiple=True, metavar="GLOB", help="Only the cases of such names; repeatable.")
@click.option("--format", "form", type=click.Choice(["table", "json", "junit", "github"]), default="table",
              show_default=True)  # fmt: skip
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False),
              help="Write the result there, and the table to standard output.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="Let rule files read below this folder too; repeatable.")  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show what passed, too.")
def test(
    files: tuple[str, ...], chosen: tuple[str, ...], form: str, output: str | None, allow: tuple[str, ...],
    *, verbose: bool,
) -> int:  # fmt: skip
    """Check what test files expect of rule files; without arguments all *.initrules-test.yaml below this folder."""
    from initrules.ruletest import running  # noqa: PLC0415

    if form != "table" and output is None:
        refuse(f"with '--format {form}', which shows all; with '--output FILE' the table is shown too.", "verbose")
    patterns = [name_pattern(glob, Span("--case", 1, 1)) for glob in chosen]

    def wanted(name: str) -> bool:
        return not patterns or any(pattern.match(name) is not None for pattern in patterns)

    runner = running.Runner(allow, wanted)
    results = [runner.run(file) for file in running.discover(files or (".",))]
    if patterns and not any(result.cases or result.problems for result in results):
        raise ModelError(f"no case has a name like {', '.join(map(repr, chosen))}", hint="--verbose lists the names.")
    _show(results, form, output, verbose=verbose)
    if any(result.broken for result in results):
        return CANNOT_RUN
    return FINE if all(result.passed for result in results) else FINDINGS


def _show(results: Sequence[FileResult], form: str, output: str | None, *, verbose: bool) -> None:
    from initrules.ruletest import report  # noqa: PLC0415

    table = report.text(results, verbose=verbose)
    made = {
        "table": lambda: table,
        "json": lambda: json.dumps(report.as_json(results), indent=1, ensure_ascii=False),
        "junit": lambda: report.as_junit(results).rstrip("\n"),
        "github": lambda: report.as_github(results),
    }[form]()
    if output is None:
        click.echo(made)
        return
    try:
        Path(output).write_text(made + "\n", encoding="utf-8")
    except OSError as error:
        raise ApplyError(f"'{output}' cannot be written: {error.strerror}", hint="Choose another place.") from error
    click.echo(table)
    click.echo(f"written to {printable(output)}")
