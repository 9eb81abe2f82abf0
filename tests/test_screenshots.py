"""The pictures in the README come from the program: the script that makes them runs, and they are small."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from commands import ROOT

PICTURES = ("environments.png", "page.png", "plan.png")


def width_and_height(file: Path) -> tuple[int, int]:
    """As the first chunk of a PNG has them."""
    head = file.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_the_script_makes_every_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "docs" / "screenshots.py"))["main"](tmp_path)
    for name in PICTURES:
        assert width_and_height(tmp_path / name) == width_and_height(ROOT / "docs" / "images" / name), name
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(PICTURES)


def test_pictures_are_small_and_are_described() -> None:
    shown = {}
    for document in (ROOT / "README.md", ROOT / "docs" / "html.md"):
        for text, link in re.findall(r"!\[([^\]]*)\]\(([^)]+\.png)\)", document.read_text("utf-8")):
            shown[(document.parent / link).resolve()] = text
    assert sorted({file.name for file in shown}) == sorted(PICTURES)
    for file, text in shown.items():
        assert file.stat().st_size < 300_000
        assert len(text) > 30
