"""PNG files of metrics and curves."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ablations import results
from initrules.ablation import plots
from initrules.ablation.study import Curve
from initrules.errors import ModelError

CURVES = '[0, {"a/b": 1.0, "$c$": 0.5}]\n[1, {"a/b": 2.0, "$c$": -0.5}]\n'


def test_each_metric_and_curve_is_a_file(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [1.0, 2.0], "arm": [3.0, None], "none": [None, None]}, curves=CURVES)
    found = replace(found, study=replace(found.study, curves=(Curve("$c$", log_scale=True),)))
    files = plots.write(found)
    assert [file.name for file in files] == ["metric-score.png", "curve-a-b.png", "curve--c-.png"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in plots.write(found)] == before


def test_without_matplotlib_there_is_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModelError) as caught:
        plots.write(results(tmp_path, {"base": [1.0]}))
    assert str(caught.value) == "plots need matplotlib\n  Install it: pip install 'initrules[plot]'."
