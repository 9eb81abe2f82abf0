"""The callback in the real ``Trainer``: a few steps of a small GPT-2, ``model_init``, a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

import initrules
from initrules.errors import ApplyError
from initrules.integrations.transformers import InitCallback
from support import isolation
from test_integrations_tracking import events
from training_ranks import on_two_ranks

RULES = initrules.from_text("""initrules: 1
vars: {std: 0.1}
rules:
  - {rule: all, select: {type: [Conv1D, Embedding]}, set: {weight: {normal: {std: std}}}}
""")
WRAPPING = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: {type: Conv1D}, set: {weight: {normal: {std: 0.1}}}, parametrize: {weight: spectral_norm}}
""")


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with isolation():
        yield


def build() -> Any:
    return GPT2LMHeadModel(
        GPT2Config(
            n_layer=1, n_embd=16, n_head=2, vocab_size=32, n_positions=16, bos_token_id=0, eos_token_id=0,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        )
    )  # fmt: skip


class Watching(TrainerCallback):
    """Keeps what the weights were before the first step."""

    first: dict[str, Tensor]

    def on_step_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        del args, control
        if state.global_step == self.at:
            self.first = {name: one.detach().clone() for name, one in given["model"].state_dict().items()}

    def __init__(self, at: int = 0) -> None:
        self.at = at


def trainer(callback: InitCallback, watching: Watching, folder: Path, *, steps: int = 3, **given: Any) -> Any:
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=2, report_to=[], use_cpu=True,
        save_steps=3, disable_tqdm=True, logging_steps=100, dataloader_pin_memory=False,
    )  # fmt: skip
    rows = torch.randint(32, (16, 8), generator=torch.Generator().manual_seed(1))
    data = [{"input_ids": row, "labels": row} for row in rows]
    return Trainer(args=arguments, train_dataset=data, callbacks=[callback, watching], **given)


def expected(seed: int) -> dict[str, Tensor]:
    model = build()
    initrules.apply_(model, RULES, seed=seed)
    found: dict[str, Tensor] = {name: one for name, one in model.state_dict().items() if "bias" not in name}
    return found


@pytest.mark.parametrize("given", [{"model": build}, {"model_init": lambda: build}], ids=["model", "model_init"])
def test_training_begins_with_the_values_of_the_plan(given: dict[str, Any], tmp_path: Path) -> None:
    callback, watching = InitCallback(RULES, seed=7, vars={"std": 0.2}), Watching()
    made = trainer(callback, watching, tmp_path, **{name: make() for name, make in given.items()})
    made.train()
    model = build()
    initrules.plan(model, RULES, vars={"std": 0.2}).apply_(seed=7)
    assert callback.record is not None
    for name in callback.record.written:
        assert torch.equal(watching.first[name], model.state_dict()[name]), name
        assert not torch.equal(watching.first[name], made.model.state_dict()[name]), name


def test_a_checkpoint_wins(tmp_path: Path) -> None:
    first = trainer(InitCallback(RULES), Watching(), tmp_path, model=build())
    first.train()
    watching = Watching(at=3)
    trainer(InitCallback(RULES, seed=1), watching, tmp_path, steps=4, model=build()).train(resume_from_checkpoint=True)
    learned = first.model.state_dict()
    assert all(torch.equal(watching.first[name], learned[name]) for name in learned)


def test_tensorboard_gets_the_plan(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "logs")) as writer:
        trainer(InitCallback(RULES, writer=writer), Watching(), tmp_path, model=build()).train()
    assert "init/all/transformer.wte.weight" in events(tmp_path / "logs").Tags()["histograms"]


def test_parametrized_weights_are_trained_or_refused(tmp_path: Path) -> None:
    made = trainer(InitCallback(WRAPPING), Watching(), tmp_path, model=build())
    made.args.save_strategy = "no"
    made.train()
    assert "transformer.h.0.attn.c_attn.parametrizations.weight.original" in dict(made.model.named_parameters())
    late = trainer(InitCallback(WRAPPING), Watching(), tmp_path, model_init=build)
    with pytest.raises(ApplyError) as caught:
        late.train()
    assert str(caught.value).splitlines()[-1] == "  Call initrules.apply_ in 'model_init' instead."


def test_two_ranks_begin_and_go_on_alike(tmp_path: Path) -> None:
    """Under DDP over gloo, as torchrun starts it."""
    assert on_two_ranks("transformers", tmp_path) == [{"model": [], "model_init": []}] * 2
