"""Verbs about a model and its plan: plan, apply."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from initrules import __version__, planning, saved
from initrules.errors import Severity, printable
from initrules.ruleset import RuleSet
from initrules.verbs import pages, sides, watching
from initrules.verbs.building import (
    DRIFTED,
    FINDINGS,
    FINE,
    checkpoints_of,
    exit_code,
    inventory_of,
    is_saved,
    model_of,
    plan_of,
    progress,
    rules_of,
    seed_all,
    sources_of,
    surveyed,
)
from initrules.verbs.options import FAIL_ON, SEED, formats, model_options, refuse, rule_options, several_rule_options
from initrules.verbs.showing import show

if TYPE_CHECKING:
    from initrules.planning import PlanData
    from initrules.writer import Record

_MOST_DRIFT = 20


@click.command()
@several_rule_options
@model_options(required=True, device="meta", recorded=True)
@formats("table", "json", "md", "github", "sarif", "html")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Default: standard output.")
@click.option("--only-differences", is_flag=True, help="With several RULES: leave out what is the same in all.")
@click.option(
    "--draw", type=SEED, metavar="SEED", help="With '--format html': show what apply would write, as histograms."
)
@click.option(
    "--watch",
    "again",
    is_flag=True,
    help="Show it again each time a file that it is made from is saved; Ctrl-C ends it.",
)
@FAIL_ON
def plan(
    rules: tuple[str, ...], form: str, fail_on: str, *, only_differences: bool, again: bool, **options: Any
) -> int:
    """Show which parameter gets which value, by which rule, over which others.

    Several RULES stand side by side, one column each.
    """
    if only_differences and (len(rules) == 1 or form not in {"table", "json", "md"}):
        raise click.UsageError("'--only-differences' is for several RULES beside one another, as table, json or md.")
    model = functools.cache(lambda: inventory_of(options))

    def render(read: set[str]) -> list[PlanData]:
        loaded = [rules_of(name, options) for name in rules]
        read.update(file for one in loaded for file in (*one.files, *checkpoints_of(one, options)))
        plans = [plan_of(one, model(), options) for one in loaded]
        _show(rules, plans, form, fail_on, only_differences=only_differences, **options)
        return plans

    if again:
        if form not in {"github", "sarif"}:
            refuse("with '--watch', which ends with code 0.", "fail_on")
        return watching.watch(rules, render)
    return exit_code([finding for one in render(set()) for finding in one.findings], fail_on)


def _show(
    names: Sequence[str], plans: Sequence[PlanData], form: str, fail_on: str, *, only_differences: bool, **options: Any
) -> None:
    if options["draw"] is not None:
        pages.check_drawing(plans, form, options)
    if form == "html":
        pages.write(pages.page(plans, names, options["draw"], options), options["output"])
    elif len(plans) > 1:
        sides.show(names, plans, form, options["output"], only_differences=only_differences, fail_on=fail_on)
    else:
        show(plans[0], form, options["output"], fail_on=fail_on)


@click.command()
@rule_options
@model_options(required=True, device="cpu")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Equal seeds give equal values.")
@click.option("-o", "--output", required=True, metavar="FILE", help="A .safetensors file; written whole or not at all.")
@click.option("--report", "page", metavar="FILE", type=click.Path(dir_okay=False),
              help="A page with the plan and histograms of what was written.")  # fmt: skip
def apply(rules: str, seed: int, output: str, page: str | None, **options: Any) -> int:
    """Build the model, write the plan into it, and save its state.

    RULES may be a plan that 'plan --format json' wrote: it is applied only if it is still true.
    """
    from initrules import report  # noqa: PLC0415
    from initrules.apply import apply_  # noqa: PLC0415
    from initrules.checkpoint import check_target, save  # noqa: PLC0415

    check_target(output)
    if page is not None:
        pages.check_target(page)
    loaded, then = _saved_or_new(rules, options)
    seed_all(seed)  # what no rule touches is reproducible too
    model = model_of(options)
    sources = sources_of(loaded, options)
    planned = planning.make(loaded, surveyed(model, options, loaded), sources.catalogs)
    if then is not None and _drifted(rules, then, planned):
        return DRIFTED
    for finding in planned.findings:
        if finding.severity is not Severity.INFO:
            click.echo(report.findings_text([finding]), err=True)
    if planned.errors:
        click.echo("nothing was written", err=True)
        return FINDINGS
    with progress("writing", planned) as advance:
        record = apply_(model, planned, seed=seed, sources=sources, on_row=advance)
    metadata = {"initrules": __version__, "initrules.seed": str(seed), "initrules.plan": record.fingerprint}
    made = save(model, output, metadata)
    for name in made.left_out:
        click.echo(f"warning '{printable(name)}' is no tensor and was left out", err=True)
    click.echo(f"{printable(output)}: {_written(planned, record)}, {made.size:,} bytes")
    if page is not None:
        pages.write(_report(model, planned, rules, options), page)
    return FINE


def _report(model: Any, planned: PlanData, name: str, options: dict[str, Any]) -> str:
    from initrules.held import held  # noqa: PLC0415
    from initrules.report.html import plan_page  # noqa: PLC0415

    return plan_page([planned], [name], title=pages.title_of(options), values=[held(model, planned.rows)])


def _saved_or_new(rules: str, options: dict[str, Any]) -> tuple[RuleSet, Mapping[str, Any] | None]:
    """The rules, and the saved plan that was given in their place."""
    if not is_saved(rules):
        return rules_of(rules, options), None
    then = saved.read(rules)
    loaded = rules_of(then["files"][-1], {**options, "variables": {}})
    changed = {name: value for name, value in then["variables"].items() if name in loaded.variables}
    return loaded.with_variables({**changed, **options["variables"]}, origin=rules), then


def _drifted(name: str, then: Mapping[str, Any], planned: PlanData) -> bool:
    """Whether a decision differs from the saved plan; says which."""
    found = saved.drift(then, planned)
    for one in found[:_MOST_DRIFT]:
        click.echo(printable(f"{name}: {one}"), err=True)
    if len(found) > _MOST_DRIFT:
        click.echo(f"and {len(found) - _MOST_DRIFT} more", err=True)
    if found:
        click.echo("the plan is no longer true; nothing was written", err=True)
    return bool(found)


def _written(planned: PlanData, record: Record) -> str:
    missed = sum(1 for row in planned.rows if row.value is None and not row.parameter.buffer)
    parts = [f"{len(record.written)} parameter{'s' * (len(record.written) != 1)} written"]
    if record.parametrized:
        parts.append(f"{len(record.parametrized)} parametrized")
    if missed:
        parts.append(f"{missed} left as built")
    return ", ".join(parts)
