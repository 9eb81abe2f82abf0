"""The verb about studies: ablate."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from initrules.errors import ModelError, printable
from initrules.pattern import name_pattern
from initrules.source import Span
from initrules.verbs.building import FINDINGS, FINE

if TYPE_CHECKING:
    from initrules.ablation.records import Record
    from initrules.ablation.study import Study
    from initrules.ablation.summary import Results


@click.command()
@click.argument("study")
@click.option("--quick", is_flag=True, help="With what the study's 'quick' section changes.")
@click.option("--seeds", type=click.IntRange(1, 10_000), metavar="N", help="Only the seeds 0 to N - 1.")
@click.option("--arm", "chosen", multiple=True, metavar="GLOB", help="Only arms of such names, and the baseline.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="How many runs at a time; default: one per core.")
@click.option("--time-limit", type=click.FloatRange(min=1), metavar="SECONDS", help="For one run.")
@click.option("--retry", is_flag=True, help="Make runs again that have no result.")
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(file_okay=False),
              help="Where everything goes, and what is taken up again; default: STUDY-results.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="FOLDER", type=click.Path(exists=True, file_okay=False),
              help="Let rule files read below this folder too; repeatable.")  # fmt: skip
@click.option("--plots", is_flag=True, help="Draw PNG files too; needs initrules[plot].")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard runs too; needs initrules[tensorboard].")
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "json", "csv"]), default="table", show_default=True
)
def ablate(
    study: str, chosen: tuple[str, ...], seeds: int | None, time_limit: float | None, output: str | None, form: str,
    *, quick: bool, **options: Any,
) -> int:  # fmt: skip
    """Train every arm of STUDY with every seed, and say which differences are more than luck.

    Finished runs are kept: the same command again takes up where it was stopped.
    """
    from initrules.ablation import running  # noqa: PLC0415
    from initrules.ablation.study import load  # noqa: PLC0415

    made = load(study, quick=quick)
    made = made if seeds is None else made.with_seeds(seeds)
    made = made if time_limit is None else replace(made, time_limit=time_limit)
    made = _chosen(made, chosen)
    folder = str(output or running.default_folder(made))
    drawn = {kind: options.pop(kind) for kind in ("plots", "tensorboard")}
    with _progress(len(made.arms) * len(made.seeds), folder) as told:
        results = running.ablate(made, output=folder, on_run=told, **options)
    _draw(results, **drawn)
    _show(results, form)
    return FINE if results.complete else FINDINGS


def _chosen(study: Study, globs: tuple[str, ...]) -> Study:
    """The study with the arms that were asked for, and the baseline."""
    patterns = [name_pattern(glob, Span("--arm", 1, 1)) for glob in globs]
    if not patterns:
        return study
    wanted = {arm.name for arm in study.arms if any(pattern.match(arm.name) is not None for pattern in patterns)}
    if not wanted:
        names = ", ".join(f"'{arm.name}'" for arm in study.arms)
        raise ModelError(f"no arm has a name like {', '.join(map(repr, globs))}", hint=f"There are {names}.")
    return replace(study, arms=tuple(arm for arm in study.arms if arm.name in {*wanted, study.baseline}))


def _draw(results: Results, *, plots: bool, tensorboard: bool) -> None:
    if plots:
        from initrules.ablation import plots as pictures  # noqa: PLC0415

        pictures.write(results)
    if tensorboard:
        from initrules.ablation import boards  # noqa: PLC0415

        boards.write(results)


def _show(results: Results, form: str) -> None:
    from initrules.ablation import tables  # noqa: PLC0415

    if form == "json":
        click.echo(json.dumps(tables.as_json(results), indent=1, ensure_ascii=False))
        return
    if form == "markdown":
        from initrules.ablation.markdown import markdown  # noqa: PLC0415

        click.echo(markdown(results))
        return
    if form == "csv":
        click.echo(tables.summary_csv(results), nl=False)
        return
    console = Console()
    if console.is_terminal:
        console.print(tables.view(results))
    else:
        click.echo(tables.text(results))
    click.echo(f"{printable(str(results.folder / 'index.html'))} shows the curves; the tables are beside it")
    if results.failed:
        click.echo("what a run printed stands beside them, in runs/ARM/SEED.log")


@contextlib.contextmanager
def _progress(total: int, folder: str) -> Iterator[Callable[[Record], None]]:
    """A bar on stderr, when that is a terminal: runs made, runs without a result, the time that is left.

    Interrupted, it says what is kept.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("training", total=total)
    done = failed = 0

    def told(record: Record) -> None:
        nonlocal done, failed
        done, failed = done + 1, failed + (not record.finished)
        said = f"training, {failed} without a result" if failed else "training"
        bar.update(task, advance=1, description=said)

    try:
        with bar:
            yield told
    except KeyboardInterrupt:
        kept = f"{done} of {total} runs are kept in '{printable(folder)}'"
        click.echo(f"stopped; {kept}, and the same command takes up there", err=True)
        raise
