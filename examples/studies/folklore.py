"""All studies of ``docs/folklore-study.md`` by one command: ``python examples/studies/folklore.py``.

Makes the runs that are missing, keeps what is shown of them in ``docs/folklore-study/``, and writes the tables and the
figures of the page. Stopped half-way it takes up where it was. ``--quick`` is a first look that leaves the page alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from initrules.ablation import plots, records, running, study
from initrules.ablation.markdown import filled, markdown
from initrules.ablation.records import Files, Outcome, Record
from initrules.ablation.summary import Results

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
NAME = "folklore-study"
STUDIES = ("digits-mlp", "cartpole", "digits-resnet", "acrobot")
FIGURES = {  # in docs/figures, from the plots of a study
    "digits-mlp-accuracy": ("digits-mlp", "curve-accuracy"),
    "digits-mlp-runs": ("digits-mlp", "metric-accuracy"),
    "cartpole-return": ("cartpole", "metric-return"),
    "digits-resnet-accuracy": ("digits-resnet", "curve-accuracy"),
    "acrobot-return": ("acrobot", "metric-return"),
    "acrobot-curves": ("acrobot", "curve-return"),
}
Kept = dict[str, Any]


def asked(name: str, *, quick: bool = False) -> study.Study:
    """A study as ``initrules ablate`` reads it from here, so that either takes up the other's runs."""
    return study.load(os.path.relpath(HERE / f"{name}.yaml"), quick=quick)


def results_of(name: str, folder: Path, *, quick: bool, jobs: int | None) -> Results:
    """Every run of a study; those that lie in ``folder`` are not made again."""
    made = asked(name, quick=quick)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=len(made.arms) * len(made.seeds))
        return running.ablate(made, output=folder, jobs=jobs, on_run=lambda _: bar.advance(task))


def kept(name: str, results: Results) -> Kept:
    """What the page shows: options, the outcome and the metrics of each run, and the curves that are drawn."""
    drawn = {plot.removeprefix("curve-") for owner, plot in FIGURES.values() if owner == name}
    metrics = [metric.name for metric in results.study.metrics]
    return {
        "options": dict(results.study.arms[0].options),
        "runs": [
            [run.arm, run.seed, run.outcome.value, run.message, *map(run.metrics.get, metrics)]
            for run in results.records
        ],
        "curves": {
            curve: {
                arm: {str(seed): [[step, _short(value)] for step, value in series] for seed, series in runs.items()}
                for arm, runs in by_arm.items()
            }
            for curve, by_arm in results.curves.items() if curve in drawn
        },
    }  # fmt: skip


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def unpacked(name: str, data: Kept, folder: Path) -> Results:
    """The results that were kept, as if ``folder`` held all of their runs."""
    made, found = asked(name), []
    for arm, seed, outcome, message, *values in data["runs"]:
        metrics = {metric.name: value for metric, value in zip(made.metrics, values, strict=True)}
        run = Record(arm, seed, "", Outcome(outcome), message, metrics=metrics)
        files = Files.of(folder, arm, seed)
        records.save(run, files.result)
        lines = (json.dumps([step, {curve: value}]) for curve, by_arm in data["curves"].items()
                 for step, value in by_arm.get(arm, {}).get(str(seed), ()))  # fmt: skip
        files.curves.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        found.append(run)
    return Results(made, tuple(found), folder)


def write(docs: Path) -> None:
    """The tables and the figures of the page, from the data that is kept beside it."""
    blocks = {}
    with tempfile.TemporaryDirectory() as place:
        for name in STUDIES:
            data = json.loads((docs / NAME / f"{name}.json").read_text(encoding="utf-8"))
            results = unpacked(name, data, Path(place) / name)
            blocks[name] = markdown(results, notes=False)
            plots.write(results)
        for figure, (name, plot) in FIGURES.items():
            shutil.copy(Path(place) / name / "plots" / f"{plot}.png", docs / "figures" / f"{figure}.png")
    document = docs / f"{NAME}.md"
    document.write_text(filled(document.read_text(encoding="utf-8"), blocks), encoding="utf-8")


@click.command()
@click.option("--quick", is_flag=True, help="2 seeds and little training; shows the tables and leaves the page alone.")
@click.option("--results", type=click.Path(path_type=Path), help="The folder with a folder of runs for each study.")
@click.option("--study", "chosen", multiple=True, type=click.Choice(STUDIES), help="Only this one; repeatable.")
@click.option("--jobs", type=click.IntRange(1), help="How many runs at a time; default: one per core.")
def main(results: Path | None, chosen: tuple[str, ...], jobs: int | None, *, quick: bool) -> None:
    """Run the studies and write what docs/folklore-study.md shows."""
    top = results or Path(f"{NAME}{'-quick' if quick else ''}-results")
    for name in chosen or STUDIES:
        found = results_of(name, top / name, quick=quick, jobs=jobs)
        click.echo(f"{name}\n\n{found}\n")
        if not quick:
            records.write(DOCS / NAME / f"{name}.json", records.compact(kept(name, found)))
    if not quick:
        write(DOCS)
        click.echo(f"written to {DOCS / NAME}.md")


if __name__ == "__main__":
    main()
