"""Rows for trackers, and TensorBoard and Weights & Biases: what is written is read back from their own files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch import nn
from torch.utils.tensorboard import SummaryWriter

import initrules
from initrules.errors import ApplyError
from initrules.integrations.tracking import log_plan, plan_rows
from reference import ROOT
from support import isolated, isolation

RULES = """initrules: 1
about: a chain
vars: {gain: sqrt(2), std: 0.5}
rules:
  - {rule: matrices, why: norms are kept, select: {type: Linear},
     set: {weight: {orthogonal: {gain: gain}}, bias: zeros}}
  - {rule: last, select: "3", set: {weight: {normal: {std: std}}}}
"""


@isolated
def chain() -> nn.Sequential:
    return nn.Sequential(*(nn.Linear(8, 8) for _ in range(4)), nn.LayerNorm(8))


@pytest.fixture
def plan() -> initrules.Plan:
    made = initrules.plan(chain(), initrules.from_text(RULES, "chain.yaml"))
    made.apply_(seed=3)
    return made


def test_rows(plan: initrules.Plan) -> None:
    rows = plan_rows(plan)
    assert [(row["tag"], row["tensors"], row["starts_as"], row["shape"], row["entries"]) for row in rows] == [
        ("init/matrices/{0..2}.weight", 3, "orthogonal gain=1.414", "8×8", 192),
        ("init/matrices/{0..3}.bias", 4, "zeros", "8", 32),
        ("init/last/3.weight", 1, "normal std=0.5", "8×8", 64),
        ("init/no rule/4.{weight,bias}", 2, "no rule", "8", 16),
    ]
    first = rows[0]
    assert first["norm"] == pytest.approx(math.sqrt(2 * 8))
    assert first["effective_rank"] == pytest.approx(8)
    assert first["expected_std"] == pytest.approx(math.sqrt(2 / 8))
    assert (rows[1]["mean"], rows[1]["std"], rows[1]["effective_rank"]) == (0, 0, None)
    json.dumps(rows, allow_nan=False)


def test_another_model_may_be_measured(plan: initrules.Plan) -> None:
    trained = chain()
    trained.requires_grad_(requires_grad=False).get_parameter("3.weight").fill_(2)
    assert plan_rows(plan, trained)[2]["mean"] == 2
    assert plan_rows(plan)[2]["mean"] != 2


def test_a_parametrized_weight_is_measured_as_the_module_sees_it() -> None:
    with isolation():
        model = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
    rules = initrules.from_text('initrules: 1\nrules: [{rule: a, select: "", set: {weight: orthogonal}}]')
    plan = initrules.plan(model, rules)
    plan.apply_()
    assert plan_rows(plan)[0]["norm"] == pytest.approx(math.sqrt(8))


def meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Linear(3, 3)


@pytest.mark.parametrize(
    ("model", "path"),
    [pytest.param(meta, "weight", id="meta"), pytest.param(lambda: nn.LazyLinear(3), "weight", id="lazy")],
)
def test_no_values(model: Any, path: str) -> None:
    plan = initrules.plan(model(), initrules.from_text("initrules: 1"))
    with pytest.raises(ApplyError) as caught:
        plan_rows(plan)
    assert str(caught.value) == f"'{path}' has no value yet\n  Log the plan once it is applied."


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"histograms": 0, "scalars": 0, "tensors": 0})
    found.Reload()
    return found


def test_tensorboard_shows_the_groups(plan: initrules.Plan, tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        initrules.log_plan(writer, plan, record=plan.apply_(seed=3), step=7)
    found, rows = events(tmp_path), plan_rows(plan)
    assert sorted(found.Tags()["histograms"]) == sorted(row["tag"] for row in rows)
    for row in rows:
        (event,) = found.Histograms(row["tag"])
        histogram = event.histogram_value
        assert (event.step, histogram.num, sum(histogram.bucket)) == (7, row["entries"], row["entries"])
        assert (histogram.min, histogram.max) == (row["min"], row["max"])
        for name in ("mean", "std", "norm", "effective_rank"):
            logged = found.Tags()["scalars"]
            assert (f"{row['tag']}/{name}" in logged) == (row[name] is not None)
            if row[name] is not None:
                assert found.Scalars(f"{row['tag']}/{name}")[0].value == pytest.approx(row[name], abs=1e-6)


def test_tensorboard_shows_the_rules_and_hyperparameters(plan: initrules.Plan, tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        log_plan(writer, plan, record=plan.apply_(seed=3))
    found = events(tmp_path)
    texts = {
        tag: found.Tensors(tag)[0].tensor_proto.string_val[0].decode()
        for tag in found.Tags()["tensors"]
        if "text" in tag
    }
    assert texts["init/rules/text_summary"] == (
        "```text\nfiles: chain.yaml\na chain\nmatrices: norms are kept\nlast\n```"
    )
    assert texts["init/plan/text_summary"] == f"```text\n{plan}\n```"
    data = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    given = HParamsPluginData.FromString(data).session_start_info.hparams
    assert {name: value.string_value or value.number_value for name, value in given.items()} == {
        "init/rules": "chain.yaml", "init/fingerprint": plan.data.fingerprint(), "init/gain": "sqrt(2)",
        "init/std": 0.5, "init/seed": 3,
    }  # fmt: skip


def test_without_a_finite_value_there_is_no_histogram(tmp_path: Path) -> None:
    model = isolated(nn.Linear)(2, 2)
    model.requires_grad_(requires_grad=False).weight.fill_(math.nan)
    with SummaryWriter(str(tmp_path)) as writer:
        log_plan(writer, initrules.plan(model, initrules.from_text("initrules: 1")))
    assert events(tmp_path).Tags()["histograms"] == ["init/no rule/bias"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what wandb imports
def test_weights_and_biases_takes_the_rows_as_a_table(
    plan: initrules.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path))
    for name, value in {"MODE": "offline", "SILENT": "true", "CONSOLE": "off"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("WANDB_X_DISABLE_STATS", "true")
    import wandb  # noqa: PLC0415  # it reads its settings now

    document = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8").partition("## Other trackers")[2]
    example = document.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {"initrules": initrules, "wandb": wandb, "plan": plan}
    exec(example, names)
    (table,) = Path(names["run"].dir).glob("media/table/*.json")
    logged = json.loads(table.read_text(encoding="utf-8"))
    assert [dict(zip(logged["columns"], values, strict=True)) for values in logged["data"]] == plan_rows(plan)
