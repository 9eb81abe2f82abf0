"""TensorBoard runs, read back by TensorBoard's own reader."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ablations import results
from initrules.ablation import boards
from initrules.errors import ModelError


def test_every_run_has_its_curves_metrics_and_outputs(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [1.0, None]}, curves='[0, {"loss": 1.5}]\n[2, {"loss": null}]\n')
    for _ in range(2):  # the second time replaces the first
        top = boards.write(found)
    assert len(list((top / "base" / "0").iterdir())) == 1
    board = EventAccumulator(str(top / "base" / "0")).Reload()
    assert sorted(board.Tags()["scalars"]) == [
        "first output/y/max", "first output/y/mean", "first output/y/min", "first output/y/std", "loss", "metric/score"
    ]  # fmt: skip
    loss = [(event.step, event.value) for event in board.Scalars("loss")]
    assert loss[0] == (0, 1.5)
    assert loss[1][1] != loss[1][1]  # NaN
    assert board.Scalars("metric/score")[0].value == 1.0
    assert EventAccumulator(str(top / "base" / "1")).Reload().Tags()["scalars"] == ["loss"]


def test_without_tensorboard_there_is_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ModelError) as caught:
        boards.write(results(tmp_path, {"base": [1.0]}))
    assert str(caught.value) == (
        "TensorBoard runs need tensorboard\n  Install it: pip install 'initrules[tensorboard]'."
    )
