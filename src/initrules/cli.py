"""The command line: ``initrules VERB ...``.

Exit codes: 0 fine; 1 findings at or above ``--fail-on``; 2 could not run; 3 a saved plan is no
longer true. torch is imported by the verbs that need a model, and by no others.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from initrules import __version__
from initrules.errors import RuleError, printable
from initrules.verbs import ablation, models, plans, reasons, rules, signals, tests, verifying
from initrules.verbs.building import CANNOT_RUN, FINE, INTERRUPTED


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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="initrules")
def cli() -> None:
    """YAML rules decide how every parameter of a PyTorch model starts.

    RULES is a file or preset:NAME. With --debug an error shows its traceback.
    """


for verb in (rules.new, rules.lint, rules.schema, rules.actions, models.record, models.diff):
    cli.add_command(verb)
for verb in (plans.plan, plans.apply, reasons.explain, signals.signal, tests.test, verifying.verify, ablation.ablate):
    cli.add_command(verb)
