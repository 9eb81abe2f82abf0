"""The fifth strategy of the first user: Phase 2 starts from a checkpoint of Phase 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import initrules
from alike import tensors
from initrules import ruleset
from initrules.actions.copied import renamed
from initrules.errors import Problems
from reference import RULES, example
from support import isolation
from writing import memory, same

SHARED = [f"{network}.{encoder}" for network, encoder in (
    ("v_h_e", "state_encoder"), ("x_h", "own_state_encoder"), ("u_r", "own_state_encoder"),
    ("q_r", "own_state_encoder"), ("v_r", "own_state_encoder"), ("v_h_e", "agent_encoder"),
    ("x_h", "own_agent_encoder"))]  # fmt: skip


def networks(**arguments: Any) -> Any:
    with isolation():
        return example("phase2").build(**arguments)


def saved(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    network = example("phase1").save(folder / "phase1.pt", steps=2)
    return folder / "phase1.pt", {name: value.detach() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    return saved(tmp_path_factory.mktemp("phase1"))


def test_phase1_checkpoint_is_reproducible(checkpoint: tuple[Path, dict[str, Tensor]], tmp_path: Path) -> None:
    (_, one), (_, other) = checkpoint, saved(tmp_path)
    with isolation():
        fresh = example("phase1").build().state_dict()
    assert all(same(value, other[name]) for name, value in one.items())
    assert not any(same(value, fresh[name]) for name, value in one.items())


def test_strategy_5_transfer(checkpoint: tuple[Path, dict[str, Tensor]]) -> None:
    file, stored = checkpoint
    root = networks()
    target = [memory(tensor) for tensor in root.rnd.target.state_dict().values()]
    plan = initrules.plan(root, RULES / "phase2/transfer.yaml", sources={"phase1": file})
    record = plan.apply_()
    found = tensors(root)
    taken = {name for name in found if any(name.startswith(f"{prefix}.") for prefix in SHARED)}
    (transfer,) = plan.data.transfers
    assert {name for name in dict(transfer.taken) if "running" not in name} == {
        row.path for row in plan.rows if any(str(name) in taken for name in row.parameter.names)
    }
    for name, tensor in transfer.taken:
        assert same(found[name], stored[tensor]), name
        assert name.split(".", 1)[1].removeprefix("own_") == tensor
    assert [memory(tensor) for tensor in root.rnd.target.state_dict().values()] == target
    assert not any(name.startswith("rnd.target") for name in record.written)


def test_strategy_5_transfer_takes_no_half_layer(checkpoint: tuple[Path, dict[str, Tensor]]) -> None:
    """``q_head.0.bias`` fits by name and shape, ``q_head.0.weight`` does not."""
    file, stored = checkpoint
    root = networks()
    layer = root.v_h_e.value_head[0]
    assert stored["q_head.0.bias"].shape == layer.bias.shape
    assert stored["q_head.0.weight"].shape != layer.weight.shape
    plan = initrules.plan(root, RULES / "phase2/transfer.yaml", sources={"phase1": file})
    plan.apply_()
    for name in ("v_h_e.value_head.0", "v_h_e.goal_encoder.fc"):
        for local in ("weight", "bias"):
            row = plan.data.row(f"{name}.{local}")
            assert row is not None
            assert row.value is not None
            assert row.value.rule == "torch-own"
    assert not same(layer.bias, stored["q_head.0.bias"])


def test_strategy_5_transfer_lists_what_is_left_over_on_both_sides(checkpoint: tuple[Path, dict[str, Tensor]]) -> None:
    file, stored = checkpoint
    plan = initrules.plan(networks(), RULES / "phase2/transfer.yaml", sources={"phase1": file})
    (transfer,) = plan.data.transfers
    left = [name for name in stored if name.startswith(("goal_encoder", "q_head"))]
    assert list(transfer.left) == left
    assert [name for name, _ in transfer.refused] == [
        "v_h_e.goal_encoder.fc.weight", "v_h_e.goal_encoder.fc.bias",
        "v_h_e.value_head.0.weight", "v_h_e.value_head.0.bias",
    ]  # fmt: skip
    rows = {row.path for row in plan.rows if not row.parameter.buffer}
    assert {*transfer.without, *dict(transfer.taken), *dict(transfer.refused)} == rows
    assert "q_r.q_head.0.weight" in transfer.without
    text = str(plan)
    assert all(f"○ {name} is in the file and not taken" in text for name in left)


def test_strategy_5_transfer_takes_the_first_layer_where_all_encoders_fit(
    checkpoint: tuple[Path, dict[str, Tensor]],
) -> None:
    file, stored = checkpoint
    root = networks(goal_features=32)
    initrules.apply_(root, RULES / "phase2/transfer.yaml", sources={"phase1": file})
    assert same(root.v_h_e.goal_encoder.fc.weight, stored["goal_encoder.fc.weight"])
    assert same(root.v_h_e.value_head[0].weight, stored["q_head.0.weight"])
    assert not same(root.v_h_e.value_head[3].weight, stored["q_head.3.weight"])


def test_strategy_5_transfer_adds_to_another_strategy(
    checkpoint: tuple[Path, dict[str, Tensor]], tmp_path: Path
) -> None:
    file, stored = checkpoint
    rules = tmp_path / "both.yaml"
    rules.write_text("initrules: 1\nextends: [preset:phase2/full, preset:phase2/transfer]\n", encoding="utf-8")
    root = networks()
    plan = initrules.plan(root, rules, sources={"phase1": file})
    assert plan.errors == ()
    plan.apply_()
    assert same(root.q_r.own_state_encoder.output_fc.weight, stored["state_encoder.output_fc.weight"])
    assert not bool(root.q_r.q_head[6].weight.any())


def test_half_a_layer_is_not_taken_by_two_rules_either() -> None:
    """Weight and bias of one module, loaded by different rules, stand or fall together."""
    rules = ruleset.from_text(
        """initrules: 1
sources: {old: {file: old.pt}}
defaults: [{rule: rest, select: "**", set: {"*": ones}}]
rules:
  - {rule: weights, select: "**", set: {weight: {load: {source: old, missing: next}}}}
  - {rule: biases, select: "**", set: {bias: {load: {source: old, missing: next}}}}
""",
        "r.yaml",
    )
    with isolation():
        model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 3))
    stored = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    stored["0.weight"] = torch.zeros(7, 7)
    initrules.apply_(model, rules, sources={"old": stored})
    assert [float(value.sum()) for value in model.state_dict().values()] == [6, 3, 0, 0]


FALLBACK = """initrules: 1
sources: {old: {file: old.pt}}
rules:
  - {rule: fallback, select: "**", set: {"*": ones}}
  - {rule: warm, select: "**", set: {"*": {load: {source: old, missing: next}}}}
"""


def test_a_fallback_is_no_dead_rule_when_everything_fits() -> None:
    with isolation():
        model = nn.Linear(2, 3)
    plan = initrules.plan(model, ruleset.from_text(FALLBACK, "r.yaml"), sources={"old": model.state_dict()})
    assert [(str(found.severity), found.code, found.rule) for found in plan.findings] == [
        ("info", "unused-fallback", "fallback"),
        ("info", "contested", "warm"),
    ]


@pytest.mark.parametrize(("optional", "severity"), [("", "warning"), (", optional: true", "info")])
def test_a_rule_that_loads_nothing_is_told(optional: str, severity: str) -> None:
    text = FALLBACK.replace("missing: next}}}", f"missing: next}}}}}}{optional}")
    with isolation():
        model = nn.Linear(2, 3)
    plan = initrules.plan(model, ruleset.from_text(text, "r.yaml"), sources={"old": {"weight": torch.ones(1)}})
    assert [(str(found.severity), found.code) for found in plan.findings] == [(severity, "loads-nothing")]


@pytest.mark.parametrize(("path", "prefixes", "name"), [
    pytest.param("a.b.c.weight", {"*.b": "x"}, "x.c.weight", id="a star is one segment"),
    pytest.param("a.b.c.weight", {"*": "x", "a.b": "y"}, "y.c.weight", id="the longest wins"),
    pytest.param("a.b.weight", {"*.b.c": "x"}, "a.b.weight", id="longer than the path"),
    pytest.param("ab.weight", {"a": "x"}, "ab.weight", id="prefixes end at a dot"),
    pytest.param("a.b.weight", {"": "x"}, "x.a.b.weight", id="nothing is a prefix of everything"),
    pytest.param("a.b.weight", {"a.*": ""}, "weight", id="to the root"),
])  # fmt: skip
def test_prefixes(path: str, prefixes: dict[str, str], name: str) -> None:
    assert renamed(path, prefixes) == name


def test_a_preset_looks_for_its_checkpoint_in_the_current_folder(
    checkpoint: tuple[Path, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkpoint[0].parent)
    assert initrules.plan(networks(), "preset:phase2/transfer").data.transfers[0].taken
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problems, match=r"no file 'phase1\.pt'[^!]*relative to the current folder"):
        initrules.plan(networks(), "preset:phase2/transfer")
