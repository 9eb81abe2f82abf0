"""Plots are written, and say what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from initrules.errors import ApplyError
from initrules.plotting import plot
from initrules.readings import Run, Signal
from test_report_signals import RUN


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_plot(tmp_path: Path, ending: str, begins: bytes) -> None:
    file = tmp_path / f"signals.{ending}"
    plot([RUN, RUN], file)
    assert file.read_bytes().startswith(begins)
    if ending == "svg":
        assert "net.0" in file.read_text(encoding="utf-8")


def test_many_layers_have_no_names(tmp_path: Path) -> None:
    many = tuple(Signal(f"layer.{n}", "Linear", 1, 0.0, 1.0, back=1.0) for n in range(100))
    plot([Run("eval", many, "x")], tmp_path / "x.svg")
    assert "layer.50" not in (tmp_path / "x.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["signals.what", "nowhere/signals.png"])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ApplyError, match="cannot be written") as caught:
        plot([RUN], tmp_path / name)
    assert caught.value.hint == "Choose another place, or another ending."


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ApplyError, match="plots need matplotlib, which is not installed") as caught:
        plot([RUN], tmp_path / "x.png")
    assert caught.value.hint == "pip install 'initrules[plot]'"
