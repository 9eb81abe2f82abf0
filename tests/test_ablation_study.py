"""Study files: what they say as data, and every problem with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablations import HEAD, written
from initrules.ablation import schema, study
from initrules.ablation.study import Arm, Curve, Metric
from initrules.errors import RuleError

FULL = """initrules-study: 1
about: everything
train: sub/toy.py:train
seeds: [3, 5]
time_limit: 7.5
options: {steps: 9, pause: 0.5}
metrics:
  loss: {better: lower, failed: 10, about: of the last step}
  score: {better: higher}
curves: {loss: {scale: log}, "gradients/*": {about: norms}}
baseline: tuned
arms:
  plain: {}
  tuned: {rules: rules.yaml, vars: {gain: 2}, sources: {old: ../old.pt}, options: {steps: 4}, about: better}
  preset: {rules: preset:ppo}
quick: {seeds: 2, time_limit: 1, options: {pause: 0}}
"""


def test_a_study_as_data() -> None:
    found = study.read(FULL, "folder/study.yaml")
    assert found.train == "folder/sub/toy.py:train"
    assert (found.seeds, found.time_limit, found.baseline, found.about) == ((3, 5), 7.5, "tuned", "everything")
    options = {"steps": 9, "pause": 0.5}
    assert found.arms == (
        Arm("plain", options=options),
        Arm("tuned", "folder/rules.yaml", {"gain": 2}, {"old": "old.pt"}, {"steps": 4, "pause": 0.5}, "better"),
        Arm("preset", "preset:ppo", options=options),
    )
    assert found.metrics == (Metric("loss", False, 10.0, "of the last step"), Metric("score", True))
    assert found.curves == (Curve("loss", log_scale=True), Curve("gradients/*", about="norms"))
    assert [arm.name for arm in found.others] == ["plain", "preset"]
    assert found.with_seeds(3).seeds == (0, 1, 2)


def test_quick_changes_what_it_names() -> None:
    found = study.read(FULL, "study.yaml", quick=True)
    assert (found.seeds, found.time_limit) == ((0, 1), 1.0)
    assert [arm.options for arm in found.arms] == [{"steps": 9, "pause": 0}, {"steps": 4, "pause": 0},
                                                    {"steps": 9, "pause": 0}]  # fmt: skip


def test_what_is_left_out() -> None:
    found = study.read(HEAD.replace("toy.py", "package.module") + "arms: {a: {}, b: {}}\n", "x/study.yaml")
    assert (found.train, found.baseline, found.seeds) == ("package.module:train", "a", tuple(range(10)))
    assert found.time_limit == study.DEFAULT_LIMIT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("arms: {a: {}}\nbaseline: b\n",
                     "s.yaml:5:11: there is no arm 'b'\n    baseline: b\n              ^\n  The only choice is 'a'.",
                     id="baseline"),
        pytest.param("arms: {A: {}}\n",
                     "s.yaml:4:8: 'A' is no valid name\n    arms: {A: {}}\n           ^\n"
                     "  A name has small letters, digits and '-': 'policy-head'.", id="name of an arm"),
        pytest.param("arms: {a: {rule: x}}\n",
                     "s.yaml:4:12: unknown key of an arm: 'rule'\n    arms: {a: {rule: x}}\n               ^^^^\n"
                     "  Did you mean 'rules'?", id="misspelt key"),
        pytest.param("arms: {a: {vars: {x: 1}}}\n",
                     "s.yaml:4:12: 'vars' in an arm without rules\n    arms: {a: {vars: {x: 1}}}\n               ^^^^\n"
                     "  Add 'rules: FILE.yaml'.", id="variables of no rules"),
        pytest.param("arms: {a: {}}\nseeds: [1, 2, 1]\n",
                     "s.yaml:5:8: a seed stands twice in 'seeds'\n    seeds: [1, 2, 1]\n           ^^^^^^^^^\n"
                     "  Name each seed once.", id="a seed twice"),
        pytest.param("arms: {a: {}}\ntime_limit: 0\n",
                     "s.yaml:5:13: the value of 'time_limit' must be at least 1, not '0'\n    time_limit: 0\n"
                     "                ^\n  Write a number in that range.", id="no time"),
    ],
)  # fmt: skip
def test_problems_have_a_place(body: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        study.read(HEAD + body, "s.yaml")
    assert str(caught.value) == message


@pytest.mark.parametrize("train", ["toy.py", "toy.py:", "package.module"])
def test_train_names_a_function(train: str) -> None:
    with pytest.raises(RuleError) as caught:
        study.read(HEAD.replace("toy.py:train", f"'{train}'") + "arms: {a: {}}\n", "s.yaml")
    (problem,) = caught.value.problems
    assert (problem.message, problem.hint) == (
        f"'{train}' names no function", "Write 'file.py:function' or 'package.module:function'."
    )  # fmt: skip
    assert str(problem).startswith("s.yaml:2:8: ")


def test_a_value_for_failures_is_finite() -> None:
    with pytest.raises(RuleError, match="'failed' must be finite"):
        study.read(HEAD.replace("lower", "lower, failed: .inf") + "arms: {a: {}}\n", "s.yaml")


def test_quick_without_a_section() -> None:
    with pytest.raises(RuleError, match="the study has no 'quick' section"):
        study.read(HEAD + "arms: {a: {}}\n", "s.yaml", quick=True)


def test_every_problem_at_once() -> None:
    with pytest.raises(RuleError) as caught:
        study.read("initrules-study: 2\nmetrics: {loss: {better: more}}\nseed: 3\n", "s.yaml")
    assert [problem.message for problem in caught.value.problems] == [
        "missing key: 'train' and 'arms'",
        "the format version must be the number 1, not '2'",
        "unknown value of 'better': 'more'",
        "unknown key 'seed'",
    ]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"there is no file 'none\.yaml'\n  Name a study file\."):
        study.load("none.yaml")
    with pytest.raises(RuleError, match="cannot be read"):
        study.load(tmp_path)
    assert study.load(written(tmp_path, "arms: {a: {}}\n")).train == f"{tmp_path}/toy.py:train"


def test_rules_of_an_arm(tmp_path: Path) -> None:
    made = study.load(written(tmp_path, "arms: {a: {}, b: {rules: rules.yaml, vars: {gain: 3}}}\n"))
    assert study.rules_of(made.arms[0]) is None
    found = study.rules_of(made.arms[1])
    assert found is not None
    assert str(found.variables["gain"]) != ""
    assert found.files == (str(tmp_path / "rules.yaml"),)


def test_the_schema_describes_every_key() -> None:
    properties = schema.file_schema()["properties"]
    assert set(properties) == {"initrules-study", "about", "train", "seeds", "time_limit", "options", "metrics",
                               "curves", "baseline", "arms", "quick"}  # fmt: skip
