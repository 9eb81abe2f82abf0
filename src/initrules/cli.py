"""The command line: ``initrules VERB ...``.

Exit codes: 0 fine; 1 findings at or above ``--fail-on``; 2 could not run; 3 a saved plan is no
longer true. torch is imported by the verbs that need a model, and by no others.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from initrules import __version__
from initrules.errors import RuleError, printable
from initrules.verbs.building import CANNOT_RUN, FINE, INTERRUPTED, complain

# Each verb with its module and what its help begins with: a verb is imported when it is asked for.
VERBS = {
    "ablate": ("ablation", "Train every arm of STUDY with every seed"),
    "actions": ("rules", "List the actions, or show the manual of one"),
    "apply": ("plans", "Build the model, write the plan into it, and save its state"),
    "diff": ("models", "Show what differs between plans"),
    "explain": ("reasons", "Say why PARAMETER gets its value"),
    "lint": ("rules", "Check rule files by themselves, or against models"),
    "new": ("rules", "Write a first rule file, with a default for each kind of layer"),
    "plan": ("plans", "Show which parameter gets which value, by which rule"),
    "record": ("models", "Write what the model is made of to a file"),
    "schema": ("rules", "Print the JSON schema of a kind of file"),
    "show": ("files", "Show a plan or an inventory that was saved"),
    "signal": ("signals", "Run the model forward and backward and look at its layers"),
    "test": ("tests", "Check what test files expect of rule files"),
    "verify": ("verifying", "Check that a model has the values"),
}


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
        complain(error)
        return CANNOT_RUN
    except Exception as error:  # noqa: BLE001  # no traceback reaches a user
        if debug:
            traceback.print_exc()
        said = printable(f"{type(error).__name__}: {error}")
        click.echo(f"initrules failed: {said}\n  --debug shows where; please report it.", err=True)
        return CANNOT_RUN
    return code if isinstance(code, int) else FINE


class _Verbs(click.Group):
    """A group that lists its verbs without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        return verb(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, begins) for name, (_, begins) in VERBS.items()])


def verb(name: str) -> click.Command:
    """The command behind a verb."""
    found: click.Command = getattr(importlib.import_module(f"initrules.verbs.{VERBS[name][0]}"), name)
    return found


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="initrules")
def cli() -> None:
    """YAML rules decide how every parameter of a PyTorch model starts.

    RULES is a file or preset:NAME. With --debug an error shows its traceback.
    """
