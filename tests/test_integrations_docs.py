"""The examples of docs/integrations.md run as they stand; and only they need what they import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning
import torch
import transformers
from torch import nn

import initrules
import test_integrations_lightning as lightning
import test_integrations_transformers as huggingface
from reference import ROOT
from support import isolation
from test_integrations_tracking import events

OPTIONAL = {
    "lightning", "pytorch_lightning", "transformers", "stable_baselines3", "gymnasium", "tensorboard", "wandb",
    "hydra", "omegaconf", "accelerate",
}  # fmt: skip
HOOKS = {"lightning.py", "transformers.py", "stable_baselines3.py"}
pytestmark = lightning.pytestmark


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with isolation():
        yield


def run(section: str, rules: str, **names: Any) -> dict[str, Any]:
    """Run the Python block of a section, in a folder with ``rules.yaml``; its names afterwards."""
    Path("rules.yaml").write_text(f"initrules: 1\nrules: [{rules}]\n", encoding="utf-8")
    text = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8").partition(f"\n## {section}\n")[2]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    names["initrules"] = initrules
    exec(compile(block[1], section, "exec"), names)
    return names


LINEAR = "{rule: all, select: {type: Linear}, set: {weight: orthogonal, bias: 0.5}}"


def test_tensorboard() -> None:
    names = run("TensorBoard", LINEAR, model=nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))
    assert names["record"].seed == 0
    assert events(Path("runs/first")).Tags()["histograms"] == ["init/all/{0,1}.weight", "init/all/{0,1}.bias"]


def test_lightning(tmp_path: Path) -> None:
    options = {
        "max_steps": 2, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
        "enable_model_summary": False, "accelerator": "cpu", "default_root_dir": str(tmp_path),
    }  # fmt: skip
    module = lightning.Fit()
    names = run(
        "Lightning", LINEAR, module=module, batches=lightning.data(), options=options, Trainer=pytorch_lightning.Trainer
    )
    assert module.first is not None
    assert module.first["0.bias"].tolist() == [0.5] * 4
    assert names["trainer"].global_step == 2


def test_hugging_face_trainer(tmp_path: Path) -> None:
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False, learning_rate=0.0,
    )  # fmt: skip
    row = torch.arange(8)
    names = run(
        "Hugging Face Trainer", "{rule: all, select: {type: Conv1D}, set: {bias: 0.5}}", model=huggingface.build(),
        arguments=arguments, data=[{"input_ids": row, "labels": row}] * 4, Trainer=transformers.Trainer,
    )  # fmt: skip
    assert names["trainer"].state.global_step == 1
    assert bool((names["model"].transformer.h[0].mlp.c_fc.bias == 0.5).all())


def test_stable_baselines3() -> None:
    policy = run("stable-baselines3", LINEAR)["agent"].policy
    assert policy.init_plan.data.row("action_net.weight").value.rule == "policy-head"
    assert policy.action_net.weight.norm(dim=1).tolist() == pytest.approx([0.1, 0.1])


def imported(file: Path) -> set[str]:
    """The packages that a file imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_only_the_hooks_import_what_is_optional() -> None:
    folder = ROOT / "src" / "initrules"
    users = {file.relative_to(folder) for file in folder.rglob("*.py") if imported(file) & OPTIONAL}
    assert users == {Path("integrations") / name for name in HOOKS}
