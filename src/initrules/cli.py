"""The command line: ``initrules VERB ...``.

Exit codes: 0 fine; 1 findings at or above ``--fail-on``; 2 could not run; 3 a saved plan is no
longer true. torch is imported by the verbs that need a model, and by no others.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from initrules import __version__, ruleset
from initrules.document import resolve
from initrules.errors import ApplyError, Finding, RuleError, Severity, printable
from initrules.ruleset import RuleSet

if TYPE_CHECKING:
    from initrules.apply import Record
    from initrules.planning import PlanData
    from initrules.sources import Sources

F = TypeVar("F", bound=Callable[..., Any])

FINE, FINDINGS, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
_WIDE = 140  # for output that is not a terminal
_PLAIN = ("error", "warning", "note")  # what a summary calls the severities


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code; no traceback unless ``--debug``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows its code instead
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    sys.exit(_run([word for word in given if word != "--debug"], debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        code = cli.main(arguments, prog_name="initrules", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return CANNOT_RUN
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # the reader of a pipe has seen enough
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FINE
        click.echo("the model's own code asked to leave", err=True)
        return CANNOT_RUN
    except RuleError as error:
        if debug:
            traceback.print_exc()
        _complain(error)
        return CANNOT_RUN
    except Exception as error:  # noqa: BLE001  # no traceback reaches a user
        if debug:
            traceback.print_exc()
        said = printable(f"{type(error).__name__}: {error}")
        click.echo(f"initrules failed: {said}\n  --debug shows where; please report it.", err=True)
        return CANNOT_RUN
    return code if isinstance(code, int) else FINE


def _complain(error: RuleError) -> None:
    problems = error.problems
    for problem in problems:
        click.echo(str(problem), err=True)
    if len(problems) > 1:
        click.echo(f"{len(problems)} problems", err=True)


def _pairs(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """``k=v`` options as a dictionary; values are YAML scalars."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{text}' is not of the form name=value", param=option)
        found[key] = resolve(value)
    return found


def _files(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """``name=file`` options as a dictionary."""
    return {name: str(file) for name, file in _pairs(context, option, values).items()}


def _rule_options(command: F) -> F:
    options = (
        click.argument("rules"),
        click.option("--set", "variables", multiple=True, callback=_pairs, metavar="VAR=VALUE",
                     help="Replace a variable of the rule file; repeatable."),
        click.option("--allow", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
                     help="Let rule files read below this folder too; repeatable."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _model_options(*, required: bool, device: str) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        options = (
            click.option("--model", required=required, metavar="MODULE:FUNCTION",
                         help="'package.module:factory' or 'path/to/file.py:factory'."),
            click.option("--arg", "arguments", multiple=True, callback=_pairs, metavar="NAME=VALUE",
                         help="An argument for the factory; repeatable."),
            click.option("--source", "sources", multiple=True, callback=_files, metavar="NAME=FILE",
                         help="Another file for a checkpoint under 'sources'; repeatable."),
            click.option("--device", default=device, show_default=True, help="Where the model is built."),
        )  # fmt: skip
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_FAIL_ON = click.option(
    "--fail-on", type=click.Choice([severity.value for severity in Severity]), default="error", show_default=True,
    help="Leave with code 1 when there is a finding this serious.",
)  # fmt: skip
_FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="initrules")
def cli() -> None:
    """YAML rules decide how every parameter of a PyTorch model starts.

    RULES is a file or preset:NAME. With --debug an error shows its traceback.
    """


@cli.command()
@_rule_options
@_model_options(required=True, device="meta")
@_FORMAT
@_FAIL_ON
def plan(rules: str, form: str, fail_on: str, **options: Any) -> int:
    """Show which parameter gets which value, by which rule, over which others."""
    from initrules import report  # noqa: PLC0415

    planned = _plan(rules, options)
    if form == "json":
        click.echo(json.dumps(report.as_json(planned), indent=1))
    else:
        _show(planned)
    return _code(planned.findings, fail_on)


@cli.command()
@_rule_options
@_model_options(required=True, device="cpu")
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Equal seeds give equal values."
)
@click.option("-o", "--output", required=True, metavar="FILE", help="A .safetensors file; written whole or not at all.")
def apply(rules: str, seed: int, output: str, **options: Any) -> int:
    """Build the model, write the plan into it, and save its state."""
    from initrules import report  # noqa: PLC0415
    from initrules.apply import apply_  # noqa: PLC0415
    from initrules.checkpoint import check_target, save  # noqa: PLC0415

    check_target(output)
    loaded = _rules(rules, options)
    _seed_all(seed)  # what no rule touches is reproducible too
    model = _model(options)
    sources = _sources(loaded, options)
    planned = _planned(loaded, model, sources)
    for finding in planned.findings:
        if finding.severity is not Severity.INFO:
            click.echo(report.findings_text([finding]), err=True)
    if planned.errors:
        click.echo("nothing was written", err=True)
        return FINDINGS
    with _progress(sum(1 for row in planned.rows if row.value is not None and row.value.writes)) as advance:
        record = apply_(model, planned, seed=seed, sources=sources, on_row=advance)
    metadata = {"initrules": __version__, "initrules.seed": str(seed), "initrules.plan": record.fingerprint}
    saved = save(model, output, metadata)
    for name in saved.left_out:
        click.echo(f"warning '{printable(name)}' is no tensor and was left out", err=True)
    click.echo(f"{printable(output)}: {_written(planned, record)}, {saved.size:,} bytes")
    return FINE


def _written(planned: PlanData, record: Record) -> str:
    missed = sum(1 for row in planned.rows if row.value is None and not row.parameter.buffer)
    parts = [f"{len(record.written)} parameter{'s' * (len(record.written) != 1)} written"]
    if record.parametrized:
        parts.append(f"{len(record.parametrized)} parametrized")
    if missed:
        parts.append(f"{missed} left as built")
    return ", ".join(parts)


def _seed_all(seed: int) -> None:
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # the generator that a factory may use without saying so
    random.seed(seed)


@cli.command()
@_rule_options
@click.argument("parameter")
@_model_options(required=True, device="meta")
def explain(rules: str, parameter: str, **options: Any) -> int:
    """Say why PARAMETER gets its value: the winner, the losers, the places."""
    from initrules import report  # noqa: PLC0415

    click.echo(report.explain_text(_plan(rules, options), parameter))
    return FINE


@cli.command()
@_rule_options
@_model_options(required=False, device="meta")
@_FORMAT
@_FAIL_ON
def lint(rules: str, form: str, fail_on: str, **options: Any) -> int:
    """Check a rule file by itself, or against a model."""
    from initrules import lints, report  # noqa: PLC0415

    try:
        loaded = _rules(rules, options)
    except RuleError as error:
        if form == "json":
            _print_json([problem.finding() for problem in error.problems])
        raise
    findings = [*lints.file_findings(loaded)]
    if options["model"]:
        findings += _planned(loaded, _model(options), _sources(loaded, options)).findings
    findings.sort(key=lambda finding: finding.severity.rank)
    if form == "json":
        _print_json(findings)
    else:
        for finding in findings:
            click.echo(report.findings_text([finding]))
        click.echo(_summary(loaded, findings))
    return _code(findings, fail_on)


def _print_json(findings: Sequence[Finding]) -> None:
    from initrules.report.data import finding_json  # noqa: PLC0415

    click.echo(json.dumps([finding_json(finding) for finding in findings], indent=1))


def _summary(rules: RuleSet, findings: Sequence[Finding]) -> str:
    words = [(len(rules.rules), "rule")]
    words += [(sum(1 for f in findings if f.severity is s), w) for s, w in zip(Severity, _PLAIN, strict=True)]
    counts = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in words)
    return f"{', '.join(map(printable, rules.files))}: {counts}"


@cli.command()
def schema() -> int:
    """Print the JSON schema of rule files, for editors."""
    from initrules import plugins  # noqa: PLC0415
    from initrules.schema import json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema(plugins.tables()), indent=1))
    return FINE


@cli.command()
@click.argument("name", required=False)
def actions(name: str | None) -> int:
    """List the actions, or show the manual of one."""
    from initrules import manual, plugins  # noqa: PLC0415

    known = plugins.tables()
    click.echo(manual.page(name, known) if name else manual.overview(known))
    return FINE


@cli.command()
@click.argument("file", type=click.Path(dir_okay=False))
@_model_options(required=False, device="meta")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def new(file: str, *, force: bool, **options: Any) -> int:
    """Write a first rule file, with a default for each kind of layer of the model."""
    from initrules.starter import starter  # noqa: PLC0415

    inventory = None
    if options["model"]:
        from initrules.survey import survey  # noqa: PLC0415

        inventory = survey(_model(options))
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


def _rules(path: str, options: dict[str, Any]) -> RuleSet:
    from initrules import plugins  # noqa: PLC0415

    loaded = ruleset.load(path, allow=options["allow"], tables=plugins.tables())
    return loaded.with_variables(options["variables"]) if options["variables"] else loaded


def _model(options: dict[str, Any]) -> Any:
    from initrules.factory import build  # noqa: PLC0415

    return build(options["model"], options["arguments"], device=options["device"])


def _sources(rules: RuleSet, options: dict[str, Any]) -> Sources:
    from initrules.sources import read  # noqa: PLC0415

    return read(rules, options["sources"])


def _planned(rules: RuleSet, model: Any, sources: Sources) -> PlanData:
    from initrules import planning  # noqa: PLC0415
    from initrules.survey import survey  # noqa: PLC0415

    return planning.make(rules, survey(model), sources.catalogs)


def _plan(path: str, options: dict[str, Any]) -> PlanData:
    rules = _rules(path, options)
    sources = _sources(rules, options)
    return _planned(rules, _model(options), sources)


def _code(findings: Sequence[Finding], fail_on: str) -> int:
    limit = Severity(fail_on).rank
    return FINDINGS if any(finding.severity.rank <= limit for finding in findings) else FINE


def _show(planned: PlanData) -> None:
    """In colour on a terminal; elsewhere as plain text without trailing blanks."""
    from initrules import report  # noqa: PLC0415

    console = Console()
    if console.is_terminal:
        console.print(report.plan_view(planned), width=max(console.width, report.LEAST_WIDTH), crop=False)
    else:
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isascii() and columns.isdigit() and len(columns) < 6 else 0
        click.echo(report.plan_text(planned, width=width or _WIDE))


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, when that is a terminal."""
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("writing", total=total)
        yield lambda: bar.advance(task)
