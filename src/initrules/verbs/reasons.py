"""The verb that gives reasons: explain."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from initrules.verbs.building import FINE, inventory_of, plan_of, rules_of
from initrules.verbs.options import model_options, refuse, rule_options


@click.command()
@rule_options
@click.argument("parameter", required=False)
@click.option("--why-not", "rule", metavar="RULE", help="Go through RULE key by key: why does it not decide PARAMETER?")
@click.option("--module", "module", metavar="PATH", help="All parameters of a module, instead of PARAMETER.")
@click.option("--all", "whole", is_flag=True, help="Every line, where there are more than a dozen.")
@model_options(required=True, device="meta", recorded=True)
def explain(
    rules: str, parameter: str | None, rule: str | None, module: str | None, *, whole: bool, **options: Any
) -> int:
    """Say why PARAMETER gets its value: the winner, the losers, the places."""
    from initrules.report import explain as told  # noqa: PLC0415
    from initrules.report import why  # noqa: PLC0415

    if (parameter is None) == (module is None):
        raise click.UsageError("Name a PARAMETER, or a module with '--module PATH'.")
    if module is not None and rule is not None:
        raise click.UsageError("'--why-not' asks about a PARAMETER, not about a module.")
    if module is not None or rule is not None:
        refuse("beside '--module' and '--why-not', which leave no line out.", "whole")
    planned = plan_of(rules_of(rules, options), inventory_of(options), options)
    console = Console()
    if module is not None:
        click.echo(why.module_text(planned, module))
    elif parameter is not None and rule is not None:
        click.echo(why.why_not_text(planned, parameter, rule))
    elif parameter is not None and console.is_terminal:
        console.print(told.explain_view(planned, parameter, whole=whole), soft_wrap=True)
    elif parameter is not None:
        click.echo(told.explain_text(planned, parameter, whole=whole))
    return FINE
