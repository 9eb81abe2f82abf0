"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from initrules.document import resolve
from initrules.errors import Severity

F = TypeVar("F", bound=Callable[..., Any])


def pairs(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """``k=v`` options as a dictionary; values are YAML scalars."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"'{text}' is not of the form name=value", param=option)
        found[key] = resolve(value)
    return found


def files(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """``name=file`` options as a dictionary."""
    return {name: str(file) for name, file in pairs(context, option, values).items()}


def rule_options(command: F) -> F:
    """The rule file and what changes it."""
    return click.argument("rules")(_rule_changes(command))


def several_rule_options(command: F) -> F:
    """One rule file or several, and what changes them."""
    return click.argument("rules", nargs=-1, required=True, metavar="RULES...")(_rule_changes(command))


def optional_rule_options(command: F) -> F:
    """A rule file, if there is one, and what changes it."""
    return click.argument("rules", required=False)(_rule_changes(command))


def _rule_changes(command: F) -> F:
    options = (
        click.option("--set", "variables", multiple=True, callback=pairs, metavar="VAR=VALUE",
                     help="Replace a variable of the rule file; repeatable."),
        click.option("--allow", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
                     help="Let rule files read below this folder too; repeatable."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_INPUTS = click.option(
    "--inputs", metavar="MODULE:FUNCTION",
    help="What it is run on where that is asked for; else the function 'example_inputs' beside the factory.",
)  # fmt: skip
_SOURCES = click.option(
    "--source", "sources", multiple=True, callback=files, metavar="NAME=FILE",
    help="Another file for a checkpoint under 'sources'; repeatable.",
)  # fmt: skip


def model_options(
    *,
    required: bool,
    device: str,
    recorded: bool = False,
    several: bool = False,
    runs: bool = True,
    loads: bool = True,
) -> Callable[[F], F]:
    """The model and what it is built from.

    ``recorded``: an inventory file will do; ``several``: or many of them; ``runs``: it may be run;
    ``loads``: rules may load into it.
    """
    again = "; repeatable" if several else ""

    def decorate(command: F) -> F:
        inventory = click.option(
            "--inventory",
            metavar="FILE",
            type=click.Path(dir_okay=False),
            multiple=several,
            help=f"What 'record' wrote, instead of a model: needs neither torch nor your code{again}.",
        )
        options = (
            click.option("--model", required=required and not recorded, metavar="MODULE:FUNCTION", multiple=several,
                         help=f"'package.module:factory' or 'path/to/file.py:factory'{again}."),
            *((inventory,) if recorded else ()),
            click.option("--arg", "arguments", multiple=True, callback=pairs, metavar="NAME=VALUE",
                         help="An argument for the factory; repeatable."),
            *((_SOURCES,) if loads else ()),
            click.option("--device", default=device, show_default=True, help="Where the model is built."),
            *((_INPUTS,) if runs else ()),
        )  # fmt: skip
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def refuse(when: str, *names: str) -> None:
    """Refuse options on the command line that would do nothing; ``when``: why, and the way out."""
    context = click.get_current_context()
    for option in context.command.params:
        source = context.get_parameter_source(option.name) if option.name in names else None
        if source is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"'{max(option.opts, key=len)}' does nothing {when}")


OF_THE_MODEL = ("arguments", "device", "inputs")  # what says how a model is built and run
NOT_BUILT = "beside '--inventory': no model is built; name it with '--model' instead, or leave the option out."
SEED = click.IntRange(0, 2**64 - 1)
FAIL_ON = click.option(
    "--fail-on", type=click.Choice([severity.value for severity in Severity]), default="error", show_default=True,
    help="Leave with code 1 when there is a finding this serious.",
)  # fmt: skip


def formats(*names: str) -> Callable[[F], F]:
    """The option ``--format`` with these choices, the first being the default."""
    return click.option("--format", "form", type=click.Choice(names), default=names[0], show_default=True)
