"""The whole study by one command: ``python examples/phase2/report.py``, or with ``--quick`` in a minute or two.

Makes the Phase 1 checkpoint where there is none, makes the runs that are missing, and writes the data, the tables
and the figures of ``docs/phase2-study.md``. Stopped half-way it takes up where it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

sys.path.insert(0, str(Path(__file__).parent))

from findings import BASELINE, COLD, Kept, blocks, kept, strategies
from phase1 import save_for_study

from initrules.ablation import running, study
from initrules.ablation.markdown import filled
from initrules.ablation.records import Files, Outcome, compact, load
from initrules.ablation.summary import Results

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
NAME = "phase2-study"
FIGURES = {"score": False, "v_error": True, "gradients/v_h_e": True, "gradients/q_r": True}  # log scale?
COLOURS = ("#5b6470", "#b02a30", "#8f7700", "#0072b2", "#d55e00", "#00875f", "#5a4fcf")


def results_of(folder: Path, *, quick: bool, seeds: int | None, jobs: int | None) -> Results:
    """Every run of the study; those that lie in ``folder`` are not made again."""
    checkpoint, asked = HERE / "phase1.pt", _asked(quick=quick, seeds=seeds)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=Console(stderr=True)) as bar:
        if not checkpoint.exists():
            first = bar.add_task("Phase 1", total=1)
            save_for_study(checkpoint)
            bar.advance(first)
        task = bar.add_task("training", total=len(asked.arms) * len(asked.seeds))
        return running.ablate(asked, output=folder, jobs=jobs, on_run=lambda _: bar.advance(task))


def results_as_they_are(folder: Path, *, quick: bool, seeds: int | None) -> Results:
    """The runs that lie in ``folder``, of a study that need not be finished."""
    asked = _asked(quick=quick, seeds=seeds)
    found = [load(Files.of(folder, arm.name, seed).result) for arm in asked.arms for seed in asked.seeds]
    return Results(asked, tuple(run for run in found if run and run.outcome is not Outcome.RUNNING), folder)


def _asked(*, quick: bool, seeds: int | None) -> study.Study:
    asked = study.load(os.path.relpath(HERE / "study.yaml"), quick=quick)  # the path that 'initrules ablate' is given
    return asked if seeds is None else asked.with_seeds(seeds)


def draw(data: Kept, name: str, file: Path, *, log_scale: bool) -> None:
    """A curve of all strategies: the mean over seeds, and each seed faintly; with warm-up and cold, side by side."""
    from matplotlib import rc_context  # noqa: PLC0415  # an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure: Any = Figure(figsize=(10, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (suffix, title) in zip(panels, (("", "with warm-up"), (COLD, "cold")), strict=True):
        for strategy, colour in zip(strategies(data), COLOURS, strict=False):
            points = np.array(data["arms"][strategy + suffix]["curves"][name], dtype=float)
            if points.size:
                axes.plot(points[:, 0], points[:, 1:], color=colour, alpha=0.12, linewidth=0.7)
                axes.plot(points[:, 0], points[:, 1:].mean(axis=1), color=colour, label=strategy, linewidth=1.8)
        axes.set(title=title, xlabel="step", yscale="log" if log_scale else "linear")
        if name == "score":
            axes.set_ylim(-1, 1.05)
            axes.axhline(0, color="#999999", linewidth=0.7)
    panels[0].set_ylabel(name)
    panels[1].legend(fontsize=8, frameon=False)
    with rc_context({"svg.hashsalt": NAME}):
        figure.savefig(file, metadata={"Date": None})  # equal data give equal files


def write(data: Kept, docs: Path) -> None:
    """The data, the figures, and the tables in the document, if there is one in ``docs``."""
    folder = docs / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (docs / f"{NAME}.json").write_text(compact(data), encoding="utf-8")
    for name, log_scale in FIGURES.items():
        draw(data, name, folder / f"{name.replace('/', '-')}.svg", log_scale=log_scale)
    document = docs / f"{NAME}.md"
    if document.exists():
        document.write_text(filled(document.read_text(encoding="utf-8"), blocks(data)), encoding="utf-8")


@click.command()
@click.option("--quick", is_flag=True, help="2 seeds and few steps; writes beside the runs, not into docs.")
@click.option("--results", type=click.Path(path_type=Path), help="The folder of the runs.")
@click.option("--as-is", is_flag=True, help="Make no runs: only show those that there are.")
@click.option("--seeds", type=click.IntRange(1), help="Only so many.")
@click.option("--jobs", type=click.IntRange(1), help="How many runs at a time; default: one per core.")
@click.option("--docs", type=click.Path(path_type=Path), help="Where the data, tables and figures go.")
def main(
    results: Path | None, seeds: int | None, jobs: int | None, docs: Path | None, *, quick: bool, as_is: bool
) -> None:
    """Run the study and write what docs/phase2-study.md shows."""
    folder = results or Path(f"{NAME}{'-quick' if quick else ''}-results")
    if as_is:
        data = kept(results_as_they_are(folder, quick=quick, seeds=seeds))
    else:
        data = kept(results_of(folder, quick=quick, seeds=seeds, jobs=jobs))
    place = docs or (folder if quick else DOCS)
    write(data, place)
    made = blocks(data)
    click.echo(f"{made['size']}\n\n{made['score']}\n\nagainst '{BASELINE}', with warm-up\n{made['score-warm']}\n")
    click.echo(
        f"against '{BASELINE}', cold\n{made['score-cold']}\n\nwritten to {place / NAME}.json and {place / NAME}/"
    )


if __name__ == "__main__":
    main()
