"""The rule files that ship with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from initrules import presets, ruleset
from initrules.errors import ExtendsError
from initrules.source import Span


def test_names_are_sorted_and_reach_into_folders() -> None:
    names = presets.names()
    assert list(names) == sorted(names)
    assert {"ppo", "gpt2", "phase2/base"} <= set(names)


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_loads_says_what_it_is_for_and_why(name: str) -> None:
    loaded = ruleset.load(f"preset:{name}")
    assert loaded.about
    assert all(rule.why for rule in loaded.rules)


def test_an_unknown_preset() -> None:
    with pytest.raises(ExtendsError) as caught:
        presets.text("gpt3", Span("f.yaml", 1, 1))
    assert str(caught.value) == "f.yaml:1:1: unknown preset 'gpt3'\n  Did you mean 'gpt2'?"


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("initrules: 1\n", encoding="utf-8")
    monkeypatch.setattr(presets, "__file__", str(tmp_path / "presets.py"))
    assert presets.folder() == tmp_path / "presets"
    assert presets.names() == ("mine",)
    assert presets.text("mine") == "initrules: 1\n"
