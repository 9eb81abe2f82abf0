"""The programs that measure: that they write their page, not what they measure."""

from __future__ import annotations

import re
from pathlib import Path

import documenting
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"<!-- measured: (\S+) -->", PAGE)


def test_every_program_has_its_place_on_the_page() -> None:
    helpers = {"measure.py", "documenting.py"}
    assert sorted(PROGRAMS) == sorted({file.name for file in (ROOT / "tests" / "benchmarks").glob("*.py")} - helpers)


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_was_written_by_the_programs(program: str) -> None:
    block = PAGE.partition(f"<!-- measured: {program} -->\n```text\n")[2].partition("```")[0]
    assert re.match(r"\d+ cores of .+; Python 3\.\d+\.\d+, torch \S+, numpy \S+\n", block)
    assert "ratio" in block or "thread" in block


def test_a_block_is_replaced_and_the_rest_of_the_page_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documenting, "machine", lambda: "a machine")
    page = "a\n<!-- measured: x.py -->\n```text\nold\n```\nb\n<!-- measured: y.py -->\n```text\n```\nc\n"
    once = documenting.put(page, "x.py", "new")
    assert once == page.replace("old\n", "a machine\nnew\n")
    assert documenting.put(once, "x.py", "new") == once
