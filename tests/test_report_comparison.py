"""The comment of a pull request that changes one line names exactly the tensors that it changes."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import torch
from rich.cells import cell_len

from initrules import difference, planning, ruleset
from initrules.apply import apply_
from initrules.pattern import path_pattern
from initrules.planning import PlanData
from initrules.report import comparison
from initrules.source import Span
from initrules.survey import survey
from reference import ALL, RULES
from support import isolated, planned

NAMES = ["main", "this branch"]


def plans(name: str, old: str, new: str) -> tuple[Any, list[PlanData]]:
    """A model, and its plans by a shipped rule set and by the same with one line changed."""
    model = next(one for one in ALL if one.rules == name).model()
    text = (RULES / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    assert "\n" not in old
    inventory = survey(model)
    texts = (text, text.replace(old, new))
    return model, [planning.make(ruleset.from_text(one, f"{name}.yaml"), inventory) for one in texts]


def tensors(model: Any, plan: PlanData) -> dict[str, torch.Tensor]:
    """What the model holds after the plan was applied to a copy."""
    target = copy.deepcopy(model)
    apply_(target, plan, seed=0)
    return dict(target.state_dict(keep_vars=True))


def named(comment: str, paths: list[str]) -> list[str]:
    """Every parameter that a pattern in the first column meets, as often as one does."""
    patterns = re.findall(r"^\| `(.*?)(?: ×[0-9]+)?` \|", comment, re.MULTILINE)
    assert patterns
    return [path for text in patterns for path in paths if path_pattern(text, Span("", 1, 1)).match(path) is not None]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param("ppo", "policy_gain: 0.01", "policy_gain: 0.02", id="a variable that one rule uses"),
        pytest.param("ppo", "hidden_gain: sqrt(2)", "hidden_gain: 1.4142", id="the fifth digit"),
        pytest.param("gpt2", "initializer_range: get(root.config.initializer_range, 0.02)", "initializer_range: 0.03",
                     id="a variable that variables use"),
        pytest.param("gpt2", "std: initializer_range / sqrt(2 * n_layer)", "std: initializer_range", id="a value"),
        pytest.param("ppo", "inside: [critic, value_net], type: Linear, pick: last",
                     "inside: [critic, value_net], type: Linear, pick: first", id="a selector"),
        pytest.param("resnet", "    lock: true", "", id="a lock that nothing contests"),
        pytest.param("resnet", "set: {weight: ones, bias: zeros}", "set: {weight: ones, bias: 1}", id="a constant"),
    ],
)  # fmt: skip
def test_a_change_of_one_line(name: str, old: str, new: str) -> None:
    model, (before, after) = plans(name, old, new)
    found = difference.changes([before, after])
    one, other = tensors(model, before), tensors(model, after)
    changed = sorted(row.path for row in before.rows if not torch.equal(one[row.path], other[row.path]))
    listed = sorted(row.path for change in found for row in change.group.rows)
    assert listed == changed
    if changed:
        assert sorted(named(comparison.markdown(NAMES, found), [row.path for row in before.rows])) == changed
        assert all(change.why for change in found)


RULES_OF_TWO = """vars: {gain: GAIN}
rules:
  - {rule: hidden, select: {type: Linear}, set: {weight: {orthogonal: {gain: gain}}, bias: zeros}}
"""


@isolated
def two() -> Any:
    return torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(2)))


def found() -> Any:
    return difference.changes([planned(RULES_OF_TWO.replace("GAIN", gain), two()) for gain in ("1", "2")])


def test_text_whole() -> None:
    assert comparison.text(NAMES, found(), width=100) == (
        "parameter        what   main                    this branch             because\n"
        "────────────────────────────────────────────────────────────────────────────────────────\n"
        "{0,1}.weight ×2  start  orthogonal              orthogonal gain=2       gain is 2, was 1\n"
        "                        hidden rules.yaml:4:58  hidden rules.yaml:4:58\n"
        "\n"
        "2 parameters differ: 2 start"
    )
    assert comparison.text(NAMES, ()) == "no decision differs"


@pytest.mark.parametrize("width", [60, 70, 100])
def test_no_line_is_wider_than_the_window(width: int) -> None:
    assert max(map(cell_len, comparison.text(NAMES, found(), width=width).splitlines())) <= width


def test_markdown_whole() -> None:
    assert comparison.markdown(NAMES, found()) == (
        "2 parameters differ: 2 start\n"
        "\n"
        "| parameter | what | `main` | `this branch` | because |\n"
        "|---|---|---|---|---|\n"
        "| `{0,1}.weight ×2` | start | `orthogonal`<br>`hidden rules.yaml:4:58` "
        "| `orthogonal gain=2`<br>`hidden rules.yaml:4:58` | gain is 2, was 1 |"
    )
    assert comparison.markdown(NAMES, ()) == "No decision differs."


def test_data_whole() -> None:
    assert json.loads(json.dumps(comparison.as_json(NAMES, found()))) == {
        "initrules-diff": 1,
        "versions": NAMES,
        "changes": [
            {
                "pattern": "{0,1}.weight",
                "parameters": ["0.weight", "1.weight"],
                "what": "set",
                "sides": [
                    {"value": "orthogonal", "rule": "hidden", "place": "rules.yaml:4:58"},
                    {"value": "orthogonal gain=2", "rule": "hidden", "place": "rules.yaml:4:58"},
                ],
                "why": "gain is 2, was 1",
            }
        ],
    }


def test_what_one_model_lacks() -> None:
    one, other = (planned(RULES_OF_TWO.replace("GAIN", "1"), model) for model in (two()[:1], two()))
    missing = difference.changes([one, other])
    assert "does not exist" in comparison.text(NAMES, missing)
    assert "| `1.weight` | start | does not exist | `orthogonal`" in comparison.markdown(NAMES, missing)
