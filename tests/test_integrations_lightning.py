"""The callback in Lightning's own trainer: a few steps, a checkpoint, a model that is built late."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import initrules
from initrules.errors import ApplyError
from support import isolation
from training_ranks import on_two_ranks

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what Lightning imports
    from pytorch_lightning import LightningModule, Trainer
    from pytorch_lightning.loggers import TensorBoardLogger

    from initrules.integrations.lightning import InitCallback

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*GPU available but not used"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
RULES = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: {type: Linear}, set: {weight: orthogonal, bias: 0.5}}
""")
WRAPPING = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: {type: Linear}, set: {weight: orthogonal, bias: 0.5}, parametrize: {weight: spectral_norm}}
""")


@pytest.fixture(autouse=True)
def _isolated() -> Iterator[None]:
    with isolation():
        yield


class Fit(LightningModule):
    """Learns a line; keeps what its weights were at the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
        self.first: dict[str, Tensor] | None = None

    def training_step(self, batch: Any, index: int) -> Tensor:
        del index
        if self.first is None:
            self.first = {name: one.detach().clone() for name, one in self.net.state_dict().items()}
        return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Late(Fit):
    """Builds its network when the trainer says so."""

    def __init__(self) -> None:
        super().__init__()
        self.net: Any = None

    def configure_model(self) -> None:
        if self.net is None:
            self.net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))


def data() -> Any:
    drawn = torch.randn(16, 4, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(drawn, drawn.sum(1, keepdim=True)), batch_size=4)


def fit(
    module: Fit, *callbacks: Any, folder: Path, steps: int = 3, logger: Any = False, resume: Any = None, **given: Any
) -> Trainer:
    trainer = Trainer(
        max_steps=steps, callbacks=list(callbacks), logger=logger, default_root_dir=str(folder), accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        barebones=False, log_every_n_steps=1, **{"devices": 1, **given},
    )  # fmt: skip
    trainer.fit(module, data(), ckpt_path=resume)
    return trainer


def expected(seed: int) -> dict[str, Tensor]:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    initrules.apply_(net, RULES, seed=seed)
    return net.state_dict()


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("module", [Fit, Late])
def test_training_begins_with_the_values_of_the_plan(module: type[Fit], tmp_path: Path) -> None:
    callback, fitted = InitCallback(RULES, seed=7, part="net"), module()
    trainer = fit(fitted, callback, folder=tmp_path)
    assert fitted.first is not None
    assert same(fitted.first, expected(7))
    assert trainer.global_step == 3
    assert not same(fitted.net.state_dict(), fitted.first)
    assert callback.record is not None
    assert callback.record.written == ("0.weight", "0.bias", "1.weight", "1.bias")


def test_the_whole_module_is_the_default_and_optimizers_get_what_is_parametrized(tmp_path: Path) -> None:
    callback, fitted = InitCallback(WRAPPING), Fit()
    fit(fitted, callback, folder=tmp_path)
    assert callback.record is not None
    assert callback.record.parametrized == ("net.0.weight", "net.1.weight")
    original = "0.parametrizations.weight.original"
    assert fitted.first is not None
    assert not torch.equal(fitted.first[original], fitted.net.state_dict()[original])


def test_a_second_fit_goes_on(tmp_path: Path) -> None:
    callback, fitted = InitCallback(RULES, part="net"), Fit()
    fit(fitted, callback, folder=tmp_path)
    learned, fitted.first = {name: one.clone() for name, one in fitted.net.state_dict().items()}, None
    fit(fitted, callback, folder=tmp_path)
    assert same(fitted.first, learned)


@pytest.mark.parametrize("module", [Fit, Late])
def test_a_checkpoint_wins(module: type[Fit], tmp_path: Path) -> None:
    fitted = module()
    trainer = fit(fitted, InitCallback(RULES, part="net"), folder=tmp_path, steps=4)  # an epoch
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = module()
    fit(again, InitCallback(RULES, seed=1, part="net"), folder=tmp_path, steps=6, resume=tmp_path / "last.ckpt")
    assert same(again.first, fitted.net.state_dict())


def test_only_fitting_initialises(tmp_path: Path) -> None:
    callback, module = InitCallback(RULES), Fit()
    before = {name: one.clone() for name, one in module.net.state_dict().items()}
    trainer = Trainer(callbacks=[callback], logger=False, default_root_dir=str(tmp_path), accelerator="cpu")
    callback.setup(trainer, module, "validate")
    assert callback.plan is None
    assert same(before, module.net.state_dict())


def test_what_is_built_late_cannot_be_parametrized(tmp_path: Path) -> None:
    with pytest.raises(ApplyError) as caught:
        fit(Late(), InitCallback(WRAPPING, part="net"), folder=tmp_path)
    assert str(caught.value).splitlines()[0] == (
        "<rules>:3:101: '0.weight' would be parametrized, but its optimizer is made"
    )
    assert str(caught.value).splitlines()[-1] == "  Call initrules.apply_ at the end of 'configure_model' instead."


@pytest.mark.parametrize("log", [True, False])
def test_tensorboard_gets_the_plan(log: bool, tmp_path: Path) -> None:
    from test_integrations_tracking import events  # noqa: PLC0415

    logger = TensorBoardLogger(str(tmp_path), name="", version="")
    fit(Fit(), InitCallback(RULES, part="net", log=log), folder=tmp_path, logger=logger)
    tags = ["init/all/0.bias", "init/all/0.weight", "init/all/1.bias", "init/all/1.weight"]
    assert sorted(events(tmp_path).Tags()["histograms"]) == (tags if log else [])


def test_two_ranks_begin_and_go_on_alike(tmp_path: Path) -> None:
    """Under DDP over gloo, as torchrun starts it."""
    assert on_two_ranks("lightning", tmp_path) == [{"Fit": [], "Late": []}] * 2
