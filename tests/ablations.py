"""Small studies for the tests of ablations: training that costs nothing and fails on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from initrules.ablation.records import Files, Outcome, Record, save
from initrules.ablation.study import Arm, Metric, Study
from initrules.ablation.summary import Results

TRAIN = """
import os, time
import torch
from torch import nn

def train(initialise, seed, log, *, steps=3, bad="", on=1, pause=0.0):
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    initialise(model)
    x = torch.randn(16, 3)
    log.outputs(y=model(x))
    for step in range(steps):
        loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
        model.zero_grad()
        loss.backward()
        log.gradients(step, net=model)
        log(step, loss=loss)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.05 * parameter.grad
    time.sleep(pause)
    print("trained", seed)
    if bad and seed == on:
        if bad == "raise": raise ValueError("no good")
        if bad == "hang": time.sleep(10_000)
        if bad == "nan": return {"loss": float("nan")}
        if bad == "missing": return {"other": 1}
        if bad == "leave": os._exit(3)
        if bad == "kill": os.kill(os.getpid(), 9)
    return {"loss": loss, "extra": seed}
"""
RULES = """initrules: 1
vars: {gain: 1}
rules:
  - {rule: all, select: {type: Linear}, set: {weight: {orthogonal: {gain: gain}}, bias: zeros}}
"""
HEAD = """initrules-study: 1
train: toy.py:train
metrics: {loss: {better: lower}}
"""


def written(folder: Path, body: str, head: str = HEAD) -> Path:
    """A study in a folder, with its training and its rules; ``body`` follows the head."""
    (folder / "toy.py").write_text(TRAIN, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")
    study = folder / "study.yaml"
    study.write_text(head + body, encoding="utf-8")
    return study


def results(
    folder: Path, values: Mapping[str, Sequence[float | None]], *, failed: float | None = None, higher: bool = True,
    curves: str = "", arms: Mapping[str, str] | None = None,
) -> Results:  # fmt: skip
    """Results of a study that was never run: by arm the score of each seed, None for one that raised."""
    seeds = range(max(map(len, values.values())))
    study = Study(
        train="toy.py:train",
        arms=tuple(Arm(name, about=(arms or {}).get(name, "")) for name in values),
        metrics=(Metric("score", higher, failed),),
        baseline=next(iter(values)),
        seeds=tuple(seeds),
        about="a <study> & more",
        file="study.yaml",
    )
    records = [_record(name, seed, value) for name, found in values.items() for seed, value in enumerate(found)]
    for record in records:
        files = Files.of(folder, record.arm, record.seed)
        save(record, files.result)
        files.curves.write_text(curves, encoding="utf-8")
    return Results(study, tuple(records), folder)


def _record(arm: str, seed: int, value: float | None) -> Record:
    starts = (
        {"parameter": "0.weight", "shape": [4, 3], "rule": "all", "mean": 0.0, "std": 0.5, "min": -1.0, "max": 1.0},
    )
    outputs = {"y": {"mean": 0.1 * seed, "std": 1.0, "min": -1.0, "max": 2.0}}
    if value is None:
        return Record(arm, seed, "d", Outcome.RAISED, "ValueError: no <good>", 1.0)
    return Record(arm, seed, "d", Outcome.FINISHED, "", 2.0, {"score": value}, {"extra": 1.0}, starts, outputs)
