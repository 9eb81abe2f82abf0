"""The verb that runs the model and looks at what goes through it: signal."""

from __future__ import annotations

import json
from typing import Any

import click

from initrules.errors import ModelError
from initrules.verbs.building import FINDINGS, FINE, model_of, rules_of, seed_all, sources_of, surveyed
from initrules.verbs.options import SEED, formats, model_options, optional_rule_options, refuse
from initrules.verbs.showing import text_width


@click.command()
@optional_rule_options
@model_options(required=True, device="cpu")
@click.option("--seed", type=SEED, default=0, show_default=True, help="That of 'apply'.")
@click.option("--mode", type=click.Choice(["train", "eval", "both"]), default="both", show_default=True)
@click.option(
    "--gains", is_flag=True, help="Say what stands around each layer, and the gain for what follows, instead."
)
@click.option(
    "--plot", "picture", metavar="FILE", type=click.Path(dir_okay=False), help="Draw it too; needs matplotlib."
)
@formats("table", "json")
def signal(
    rules: str | None, *, seed: int, mode: str, gains: bool, picture: str | None, form: str, **options: Any
) -> int:
    """Run the model forward and backward and look at its layers: signals, gradients, dead units, NaN.

    It is run as RULES initialise it, or without RULES as its factory leaves it. Leaves with code 1 when a value or
    a gradient is not finite.
    """
    from initrules import report  # noqa: PLC0415
    from initrules.factory import example_inputs  # noqa: PLC0415
    from initrules.observing import observe  # noqa: PLC0415
    from initrules.signals import signals  # noqa: PLC0415

    if rules is None:
        refuse("without RULES: the model is run as its factory leaves it.", "variables", "allow", "sources")
    if gains and form == "table" and picture is None:
        refuse("with '--gains', for which the model is run in eval mode.", "mode")
    seed_all(seed)
    model = model_of(options)
    if rules is not None and not _applied(model, rules, options, seed):
        return FINDINGS
    inputs = example_inputs(options["inputs"], options["model"])
    if inputs is None:
        raise ModelError("nothing to run the model on", hint="Name a function that makes it: --inputs file.py:function")
    asked = gains or form == "json"
    facts = observe(model, inputs) if asked else ()
    modes = ("train", "eval") if mode == "both" else (mode,)
    runs = signals(model, inputs, modes=modes) if form == "json" or not gains or picture else ()
    if picture is not None:
        from initrules.plotting import plot  # noqa: PLC0415

        plot(runs, picture)
    if form == "json":
        click.echo(json.dumps(report.signals_json(runs, facts), indent=1))
    else:
        width = text_width()
        click.echo(report.facts_text(facts, width=width) if gains else report.signals_text(runs, width=width))
    return FINDINGS if any(one.first_bad or one.first_bad_gradient for one in runs) else FINE


def _applied(model: Any, rules: str, options: dict[str, Any], seed: int) -> bool:
    """Write the plan into the model; False if it has errors, which are said."""
    from initrules import planning, report  # noqa: PLC0415
    from initrules.apply import apply_  # noqa: PLC0415

    loaded = rules_of(rules, options)
    sources = sources_of(loaded, options)
    planned = planning.make(loaded, surveyed(model, options, loaded), sources.catalogs)
    if planned.errors:
        click.echo(report.findings_text(planned.errors), err=True)
        return False
    apply_(model, planned, seed=seed, sources=sources)
    return True
