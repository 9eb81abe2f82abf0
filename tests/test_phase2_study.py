"""The Phase 2 study: its file, the tables made of kept runs, and the document that shows them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import findings
import pytest
import report
from losses import NETWORKS
from study import train

from initrules.ablation import study
from initrules.ablation.markdown import filled
from initrules.ablation.records import Files, Outcome, Record, save
from initrules.ablation.study import rules_of
from initrules.ablation.training import Initialise, Log
from support import isolation

DOCS = Path(__file__).parent.parent / "docs"
DOCUMENT = DOCS / "phase2-study.md"
STUDY = study.load(report.HERE / "study.yaml")


def data() -> findings.Kept:
    found: findings.Kept = json.loads((DOCS / "phase2-study.json").read_text(encoding="utf-8"))
    return found


def made_up(**scores: list[float]) -> findings.Kept:
    """Kept data with these scores by arm."""
    curve = [[0.0, *([1.0] * 6)], [10.0, *([2.0] * 6)]]
    arms: dict[str, Any] = {
        name.replace("_", "-"): {
            "about": "",
            "seeds": list(range(len(values))),
            "metrics": dict.fromkeys(findings.METRICS, values),
            "outputs": {network: [-1, 0.5] for network in NETWORKS},
            "curves": dict.fromkeys(findings.CURVES, curve),
        }
        for name, values in scores.items()
    }
    return {"options": {"steps": 1}, "seeds": list(range(6)), "arms": arms, "failed": []}


def test_the_study_has_each_arm_warm_and_cold_and_all_else_alike() -> None:
    arms = {arm.name: arm for arm in STUDY.arms}
    warm = [name for name in arms if not name.endswith(findings.COLD)]
    assert len(warm) == 7
    assert len(arms) == 14
    for name in warm:
        one, other = arms[name], arms[name + findings.COLD]
        assert (one.rules, one.sources, one.variables) == (other.rules, other.sources, other.variables)
        assert {**one.options, "warm_up": 0, "ramp": 0} == other.options
    assert len(STUDY.seeds) >= 10
    assert [metric.name for metric in STUDY.metrics] == list(findings.METRICS)
    assert all(metric.sign == findings.METRICS[metric.name] for metric in STUDY.metrics)


@pytest.mark.parametrize(
    "arm", [arm for arm in STUDY.arms if not arm.name.startswith("transfer")], ids=lambda a: a.name
)
def test_the_rules_of_each_arm_can_be_read(arm: study.Arm) -> None:
    assert rules_of(arm) is not None


def test_the_training_function_gives_the_metrics() -> None:
    (arm,) = [arm for arm in STUDY.arms if arm.name == "output-aware"]
    log, starts = Log(lambda *_: None), list[Any]()
    with isolation():
        result = train(Initialise(arm, 3, starts.append), 3, log, steps=2, warm_up=0, ramp=0, batch=4)
    assert set(findings.METRICS) < set(result)
    assert log.first_outputs["x_h"]["mean"] == pytest.approx(0.5)
    assert {start["rule"] for start in starts} >= {"output-q-r", "encoder-convolutions"}


def test_a_clear_difference_is_called_one_and_noise_is_not() -> None:
    low, high, mixed = (
        [0.1, 0.12, 0.11, 0.13, 0.1, 0.12],
        [0.8, 0.9, 0.85, 0.8, 0.9, 0.95],
        [0.1, 0.2, 0.0, 0.2, 0.1, 0.0],
    )
    table = findings.comparison_table(made_up(default=low, full=high, other=mixed), "score", "")
    rows = {row.split(" | ")[0].removeprefix("| "): row.split(" | ")[-1] for row in table.splitlines()[2:]}
    assert rows == {"full": "not settled with 6 seeds |", "other": "not settled with 6 seeds |"}  # 2 × 2/64 > 0.05
    alone = findings.comparison_table(made_up(default=low, full=high), "score", "")
    assert alone.splitlines()[2].endswith("| 0.031 | 1.00 | better |")


def test_lower_errors_are_gains() -> None:
    pair = findings.paired(made_up(default=[2.0, 3.0], full=[1.0, 1.0]), "q_error", "default", "full")
    assert pair is not None
    assert (pair.difference, pair.improvement) == (1.5, 1.0)


def test_arms_without_a_common_seed_are_not_compared() -> None:
    kept = made_up(default=[1.0, 2.0], full=[3.0])
    kept["arms"]["full"]["seeds"] = [7]
    assert findings.paired(kept, "score", "default", "full") is None
    assert findings.comparison_table(kept, "score", "").splitlines()[-1] == "| full |  |  |  |  |"


def test_failed_runs_are_told() -> None:
    kept = made_up(default=[1.0, 2.0], default_cold=[1.0, 1.5])
    assert findings.failures(kept) == "No run is without a result."
    kept["failed"] = [["default", 3, "diverged", "metric 'score' is nan"]]
    assert findings.failures(kept) == "- default, seed 3: diverged. metric 'score' is nan"


def test_an_unfinished_study_says_so() -> None:
    kept = made_up(default=[1.0] * 6, default_cold=[1.0] * 5)
    assert findings.counted(kept).startswith("**Unfinished: 11 of 12 runs were made;")
    kept["arms"]["default-cold"]["seeds"].append(5)
    assert findings.counted(kept) == "6 seeds for each arm."


def test_what_lies_there_is_shown_without_making_a_run(tmp_path: Path) -> None:
    run = Record("full", 1, "", Outcome.FINISHED, metrics=dict.fromkeys(findings.METRICS, 0.25),
                 outputs={name: {"min": -1.0, "max": 1.0} for name in NETWORKS})  # fmt: skip
    save(run, Files.of(tmp_path, "full", 1).result)
    save(Record("full", 2, "", Outcome.RUNNING), Files.of(tmp_path, "full", 2).result)
    data = findings.kept(report.results_as_they_are(tmp_path, quick=False, seeds=None))
    assert data["arms"]["full"]["metrics"]["score"] == [0.25]
    assert data["arms"]["full"]["seeds"] == [1]
    assert data["arms"]["default"]["seeds"] == data["failed"] == []


def test_the_report_writes_data_tables_and_figures(tmp_path: Path) -> None:
    kept = made_up(default=[1.0] * 6, default_cold=[1.0] * 6)
    (tmp_path / "phase2-study.md").write_text("<!-- spread: made by report.py -->\n<!-- end -->\n", encoding="utf-8")
    report.write(kept, tmp_path)
    assert json.loads((tmp_path / "phase2-study.json").read_text(encoding="utf-8")) == kept
    assert findings.spread_table(kept) in (tmp_path / "phase2-study.md").read_text(encoding="utf-8")
    first = {file.name: file.read_bytes() for file in (tmp_path / "phase2-study").iterdir()}
    assert sorted(first) == ["gradients-q_r.svg", "gradients-v_h_e.svg", "score.svg", "v_error.svg"]
    report.write(kept, tmp_path)
    assert {file.name: file.read_bytes() for file in (tmp_path / "phase2-study").iterdir()} == first


def test_the_document_shows_the_kept_data() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = findings.blocks(data())
    assert filled(text, found) == text
    assert {name for name in found if f"<!-- {name}: made by report.py -->" in text} == set(found)


def test_the_numbers_in_its_sentences_stand_in_its_tables() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    said = text[text.index("## What came out") : text.index("## What is measured")].replace("−", "-")
    told = re.findall(r"(?<![\d.])[+-]?\d\.\d{3}\b", said)
    assert len(told) > 10
    tables = " ".join(findings.blocks(data()).values())
    assert not [number for number in told if not re.search(rf"(?<![\d.]){re.escape(number)}\b", tables)]


def test_what_is_called_settled_is_what_the_tables_settle() -> None:
    found = findings.blocks(data())
    settled = {name: sorted(line.split(" | ")[0][2:] for line in found[name].splitlines() if "better |" in line)
               for name in ("score-warm", "score-cold")}  # fmt: skip
    assert settled == {"score-warm": ["orthogonal", "transfer"], "score-cold": ["orthogonal"]}
    assert "better |" not in found["score"]  # no gain from warm-up
    lowest = {name: re.findall(r"-?\d\.\d\d(?= …|\))", line) for line in found["lowest"].splitlines()
              if (name := line.split(" | ")[0][2:]) in {"default", "output-aware"}}  # fmt: skip
    assert lowest["default"] == ["-4.77", "-0.22", "-4.20", "-0.61"]  # from, to; with warm-up, cold
    assert lowest["output-aware"] == ["-0.04", "0.00", "-0.02", "-0.01"]


def test_an_arm_without_runs_has_no_lowest_score() -> None:
    kept = made_up(default=[1.0, 2.0], default_cold=[1.0, 1.5])
    assert findings.lowest_table(kept).splitlines()[2] == "| default | 1.00 (1.00 … 1.00) | 1.00 (1.00 … 1.00) |"
    kept["arms"]["default-cold"]["curves"]["score"] = []
    assert findings.lowest_table(kept).splitlines()[2] == "| default | 1.00 (1.00 … 1.00) |  |"


@pytest.mark.parametrize("name", list(report.FIGURES))
def test_every_figure_is_shown_and_there(name: str) -> None:
    file = f"phase2-study/{name.replace('/', '-')}.svg"
    assert f"({file})" in DOCUMENT.read_text(encoding="utf-8")
    labels = {node.text for node in ET.fromstring((DOCS / file).read_text(encoding="utf-8")).iter() if node.text}
    assert labels


def test_the_kept_data_is_of_this_study() -> None:
    kept = data()
    assert list(kept["arms"]) == [arm.name for arm in STUDY.arms]
    assert kept["options"] == STUDY.arms[0].options
