"""The verb that looks at the result: verify."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from initrules.errors import Severity, printable
from initrules.verbs.building import FINDINGS, FINE, model_of, progress, rules_of, seed_all, sources_of, surveyed
from initrules.verbs.options import FAIL_ON, SEED, formats, model_options, refuse, rule_options
from initrules.verdict import Problem

if TYPE_CHECKING:
    from initrules.planning import PlanData


@click.command()
@rule_options
@model_options(required=True, device="cpu")
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The state_dict to look at, .safetensors or .pt; without it, the model as its factory leaves it.",
)
@click.option("--key", metavar="NAME", help="Where in the file the state_dict is.")
@click.option("--apply", "write", is_flag=True, help="Write the plan first, with the seed or 0, and check that.")
@click.option(
    "--seed",
    type=SEED,
    help="That of 'apply': values are compared, not tested. A file that 'apply' wrote knows its own.",
)
@formats("table", "json")
@FAIL_ON
def verify(
    rules: str, *, weights: str | None, key: str | None, write: bool, seed: int | None, form: str, fail_on: str,
    **options: Any,
) -> int:  # fmt: skip
    """Check that a model has the values, and gives the outputs, that RULES ask for."""
    from initrules import planning, report  # noqa: PLC0415
    from initrules.factory import example_inputs  # noqa: PLC0415
    from initrules.verification import verify as check  # noqa: PLC0415

    if write and weights is not None:
        raise click.UsageError("'--apply' and '--weights' exclude each other.")
    if weights is None:
        refuse("without '--weights FILE'.", "key")
    loaded = rules_of(rules, options)
    seed_all(seed or 0)
    model = model_of(options)
    sources = sources_of(loaded, options)
    planned = planning.make(loaded, surveyed(model, options, loaded), sources.catalogs)
    if planned.errors:
        click.echo(report.findings_text(planned.errors), err=True)
        return FINDINGS
    before: Mapping[str, str] | None = None
    problems: Sequence[Problem] = ()
    if write:
        from initrules.apply import apply_  # noqa: PLC0415

        seed = seed or 0
        with progress("writing", planned) as advance:
            apply_(model, planned, seed=seed, sources=sources, on_row=advance)
    elif weights is not None:
        before, seed, problems = _loaded(model, planned, weights, key, seed)
    inputs = example_inputs(options["inputs"], options["model"]) if loaded.expect else None
    with progress("verifying", planned) as advance:
        found = check(model, planned, seed=seed, sources=sources, inputs=inputs, before=before, on_row=advance)
    found = replace(found, problems=(*problems, *found.problems))
    click.echo(json.dumps(report.verdict_json(found), indent=1) if form == "json" else report.verdict_text(found))
    limit = Severity(fail_on).rank
    return FINDINGS if any(problem.severity.rank <= limit for problem in found.problems) else FINE


def _loaded(
    model: Any, planned: PlanData, file: str, key: str | None, seed: int | None
) -> tuple[Mapping[str, str], int | None, Sequence[Problem]]:
    """Put the weights of a file into the model; what was there before, the seed, and what is wrong with the file."""
    from initrules.loading import load_  # noqa: PLC0415
    from initrules.replicas import digests  # noqa: PLC0415
    from initrules.sources import metadata, state_dict  # noqa: PLC0415

    tensors, said = state_dict(file, key), metadata(file)
    before = digests(model)
    problems = load_(model, planned, tensors)
    if said.get("initrules.plan", planned.fingerprint()) != planned.fingerprint():
        click.echo(f"warning {printable(file)} was written by another plan", err=True)
    if seed is None and said.get("initrules.seed", "").isdecimal():
        seed = int(said["initrules.seed"])
    return before, seed, problems
