"""Broken files as people write them, each beside the exact text that they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from initrules import ruleset
from initrules.errors import RuleError

_FOLDER = Path(__file__).parent / "bad"


@pytest.mark.parametrize("name", sorted(path.stem for path in _FOLDER.glob("*.yaml")))
def test_a_broken_file_says_what_is_wrong_where_and_the_way_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_FOLDER)
    with pytest.raises(RuleError) as caught:
        ruleset.load(f"{name}.yaml")
    assert f"{caught.value}\n" == Path(f"{name}.txt").read_text(encoding="utf-8")


def test_every_broken_file_has_its_text() -> None:
    assert {path.stem for path in _FOLDER.glob("*.yaml")} == {path.stem for path in _FOLDER.glob("*.txt")}
