"""The studies of standard tasks: their files, their training functions, and the page that shows them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import control
import digits
import folklore
import matplotlib.image
import numpy as np
import pytest
import torch
from folklore import DOCS, FIGURES, STUDIES
from torch import nn

from initrules.ablation import plots, running
from initrules.ablation.markdown import filled, markdown
from initrules.ablation.records import Outcome
from initrules.ablation.study import Study, rules_of
from initrules.ablation.summary import Results, Verdict
from initrules.ablation.training import Initialise, Log
from support import isolation

DOCUMENT = DOCS / "folklore-study.md"
TINY = {
    "digits-mlp": {"depth": 3, "epochs": 1},
    "digits-resnet": {"depth": 1, "epochs": 1},
    "cartpole": {"steps": 1024},
    "acrobot": {"steps": 512},
}
TRAIN: dict[str, Any] = {"digits.py": digits.train, "control.py": control.train}


@pytest.fixture(scope="module", params=STUDIES)
def study(request: pytest.FixtureRequest) -> Study:
    return folklore.asked(request.param)


def name_of(study: Study) -> str:
    return Path(study.file).stem


def test_a_study_can_settle_something_and_its_rules_can_be_read(study: Study) -> None:
    quick = folklore.asked(name_of(study), quick=True)
    assert (len(quick.seeds), quick.arms[0].options != study.arms[0].options) == (2, True)
    assert len(study.seeds) >= (8 if len(study.others) > 2 else 7)
    assert study.baseline == "pytorch"
    assert [arm.name for arm in study.arms if rules_of(arm) is None] == ["pytorch"]


def trained(study: Study, arm_name: str, seed: int) -> tuple[dict[str, float], Log, list[Any], list[Any]]:
    """One run with tiny options: what it returned, its log, how parameters started, and what it logged."""
    (arm,) = [arm for arm in study.arms if arm.name == arm_name]
    starts, lines = list[Any](), list[Any]()
    log = Log(lambda step, values: lines.append((step, values)))
    function = TRAIN[Path(study.train.rpartition(":")[0]).name]
    threads = torch.get_num_threads()
    with isolation(seed):
        torch.set_num_threads(1)  # as a worker does
        try:
            found = function(Initialise(arm, seed, starts.append), seed, log, **{**arm.options, **TINY[name_of(study)]})
        finally:
            torch.set_num_threads(threads)
    return found, log, starts, lines


@pytest.mark.parametrize("name", ["digits-mlp", "digits-resnet", "cartpole"])
def test_training_gives_the_metrics_and_logs_what_is_drawn(name: str) -> None:
    study = folklore.asked(name)
    found, log, starts, lines = trained(study, study.others[-1].name, 3)
    assert {metric.name for metric in study.metrics} <= set(found)
    assert all(np.isfinite([*found.values()]))
    assert log.first_outputs
    assert {start["rule"] for start in starts} - {""}
    drawn = {name for _, values in lines for name in values}
    assert any(name.startswith("gradients/") for name in drawn)
    assert {curve.glob for curve in study.curves if "*" not in curve.glob} - {"return"} <= drawn


def test_training_too_short_for_an_episode_says_so() -> None:
    """An agent that has not learned swings for 500 steps in each of 8 environments."""
    with pytest.raises(ValueError, match=r"^no episode ended within 512 steps of 8 environments; train for longer$"):
        trained(folklore.asked("acrobot"), "orthogonal", 0)


def test_the_same_seed_gives_the_same_numbers_and_another_does_not() -> None:
    made = folklore.asked("cartpole")
    first, _, starts, lines = trained(made, "orthogonal", 1)
    again, _, starts_again, lines_again = trained(made, "orthogonal", 1)
    assert (first, starts, lines) == (again, starts_again, lines_again)
    other, _, _, _ = trained(made, "orthogonal", 2)
    assert other != first


def test_zero_heads_make_a_uniform_policy_and_values_of_zero() -> None:
    _, log, _, _ = trained(folklore.asked("cartpole"), "zero-heads", 0)
    assert log.first_outputs["probabilities"]["min"] == log.first_outputs["probabilities"]["max"] == 0.5
    assert log.first_outputs["values"]["max"] == 0.0


def test_gradient_norms_are_those_before_clipping() -> None:
    with isolation():
        square, layer = control.Sum(), nn.Linear(2, 1)
    for parameter in layer.parameters():
        parameter.register_post_accumulate_grad_hook(square.add)  # type: ignore[no-untyped-call]
    assert square.taken() == 0.0
    for _ in range(2):
        layer.zero_grad()
        layer(torch.tensor([[3.0, 4.0]])).sum().backward()
        nn.utils.clip_grad_norm_(layer.parameters(), 0.1)
    assert square.taken() == pytest.approx(26**0.5)  # 3, 4 and the bias's 1
    assert square.taken() == 0.0


def test_the_networks_are_as_deep_as_the_studies_say() -> None:
    made = folklore.asked("digits-mlp")
    with isolation():
        linear = [one for one in digits.mlp(int(str(made.arms[0].options["depth"]))) if isinstance(one, nn.Linear)]
        resnet = digits.resnet(int(str(folklore.asked("digits-resnet").arms[0].options["depth"])))
    assert (len(linear), linear[0].in_features, linear[-1].out_features) == (20, 64, 10)
    assert not any("Norm" in type(one).__name__ for one in resnet.modules())
    layers = [one for one in resnet.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert len([one for one in layers if getattr(one, "kernel_size", (3, 3)) == (3, 3)]) == 20


def test_digits_are_split_by_seed_and_scaled() -> None:
    images, labels, test_images, test_labels = digits.data(0)
    assert (images.shape, test_images.shape) == ((1347, 1, 8, 8), (450, 1, 8, 8))
    assert (float(images.mean()), float(images.std())) == pytest.approx((0.0, 1.0), abs=1e-4)
    assert min(Counter(test_labels.tolist()).values()) >= 43  # stratified
    assert not torch.equal(labels, digits.data(1)[1])


def data(name: str) -> folklore.Kept:
    found: folklore.Kept = json.loads((DOCS / folklore.NAME / f"{name}.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    """The results that are kept."""
    top = tmp_path_factory.mktemp("kept")
    return {name: folklore.unpacked(name, data(name), top / name) for name in STUDIES}


def test_the_kept_data_is_of_the_whole_study(study: Study, shown: dict[str, Results]) -> None:
    found = data(name_of(study))
    assert found["options"] == study.arms[0].options
    assert [run[:2] for run in found["runs"]] == [[arm.name, seed] for arm in study.arms for seed in study.seeds]
    assert folklore.kept(name_of(study), shown[name_of(study)]) == found  # nothing is lost on the way


def test_the_page_shows_the_kept_data(shown: dict[str, Results]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = {name: markdown(results, notes=False) for name, results in shown.items()}
    assert filled(text, blocks) == text
    assert set(re.findall(r"<!-- (\S+): made by folklore\.py -->", text)) == set(STUDIES)


def test_the_sentences_of_the_page_say_what_the_tables_say(shown: dict[str, Results]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    p_values = re.findall(r"\bp (?:is )?(\d\.\d+)", text)
    assert len(p_values) >= 8
    cells = " ".join(markdown(results, notes=False) for results in shown.values())
    assert not [p for p in p_values if f"| {p} |" not in cells]
    settled = {
        name: {(line.metric, line.arm): line.verdict.value for line in results.lines
               if line.verdict in {Verdict.BETTER, Verdict.WORSE}}
        for name, results in shown.items()
    }  # fmt: skip
    by_accuracy = {("accuracy", arm): "better" for arm in ("xavier", "kaiming", "orthogonal")}
    better = {**by_accuracy, ("loss", "xavier"): "better", ("loss", "orthogonal"): "better"}
    assert settled == {"digits-mlp": better, "digits-resnet": {("accuracy", "kaiming"): "worse"}, "cartpole": {},
                       "acrobot": {}}  # fmt: skip


def test_the_counts_of_the_page(shown: dict[str, Results]) -> None:
    """Runs that the sentences count: at chance, diverged, never at the goal."""

    def values(name: str, arm: str, metric: str) -> list[float]:
        return [*shown[name].line(arm, metric).values.values()]

    chance = [value < 0.103 for value in values("digits-resnet", "kaiming", "accuracy")]
    assert (sum(chance), shown["digits-resnet"].line("kaiming", "loss").failures) == (7 + 1, 1)
    assert max(values("digits-mlp", "pytorch", "accuracy")) < 0.11
    lost = {arm.name: sum(value < -478 for value in values("acrobot", arm.name, "return"))
            for arm in shown["acrobot"].study.arms}  # fmt: skip
    assert lost == {"pytorch": 0, "orthogonal": 1, "large-policy-head": 1, "xavier": 2, "zero-heads": 4}
    means = [line.interval.mean for line in shown["cartpole"].lines if line.metric == "return"]
    assert max(means) - min(means) < 16
    assert means.index(max(means)) == 2  # the large head


@pytest.mark.parametrize("figure", list(FIGURES))
def test_a_figure_is_drawn_from_the_kept_data(figure: str, shown: dict[str, Results]) -> None:
    """Pixel by pixel but for what another matplotlib draws otherwise."""
    name, plot = FIGURES[figure]
    assert f"(figures/{figure}.png)" in DOCUMENT.read_text(encoding="utf-8")
    drawn = {file.stem: file for file in plots.write(shown[name])}[plot]
    kept, fresh = (matplotlib.image.imread(str(file)) for file in (DOCS / "figures" / f"{figure}.png", drawn))
    assert kept.shape == fresh.shape
    assert float(np.abs(kept - fresh).mean()) < 0.005


def test_the_figures_of_the_page_are_those_that_are_drawn() -> None:
    shown = set(re.findall(r"\(figures/(\S+)\.png\)", DOCUMENT.read_text(encoding="utf-8")))
    assert shown == set(FIGURES)
    assert all((DOCS / "figures" / f"{name}.png").exists() for name in FIGURES)


def test_the_command_of_the_page_runs_every_study(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shown: dict[str, Results], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without training: runs are taken as if they lay there."""
    asked = []

    def ablate(made: Study, **options: Any) -> Results:
        asked.append((name_of(made), made.quick, options["output"], options["jobs"]))
        for record in shown[name_of(made)].records:
            options["on_run"](record)
        return shown[name_of(made)]

    monkeypatch.setattr(running, "ablate", ablate)
    docs = tmp_path / "docs"
    (docs / "figures").mkdir(parents=True)
    (docs / DOCUMENT.name).write_text(re.sub(r"\n\|.*", "", DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    monkeypatch.setattr(folklore, "DOCS", docs)
    folklore.main(["--jobs", "3", "--results", str(tmp_path)], standalone_mode=False)
    assert asked == [(name, False, tmp_path / name, 3) for name in STUDIES]
    assert (docs / DOCUMENT.name).read_text(encoding="utf-8") == DOCUMENT.read_text(encoding="utf-8")
    for name in STUDIES:
        file = Path(folklore.NAME) / f"{name}.json"
        assert (docs / file).read_text(encoding="utf-8") == (DOCS / file).read_text(encoding="utf-8")
    assert {file.stem for file in (docs / "figures").iterdir()} == set(FIGURES)
    asked.clear()
    folklore.main(["--quick", "--study", "acrobot"], standalone_mode=False)
    assert asked == [("acrobot", True, Path("folklore-study-quick-results/acrobot"), None)]
    assert "return: higher is better" in capsys.readouterr().out


def test_a_run_without_a_result_is_kept_as_one(shown: dict[str, Results]) -> None:
    (failed,) = shown["digits-mlp"].failed
    assert (failed.arm, failed.seed, failed.outcome) == ("kaiming", 2, Outcome.DIVERGED)
    assert shown["digits-mlp"].line("kaiming", "loss").values[2] == 10.0
