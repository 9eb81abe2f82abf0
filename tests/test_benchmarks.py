"""The programs that measure: that they write their page, not what they measure."""

from __future__ import annotations

import re
from pathlib import Path

import documenting
import on_cuda
import pytest
import torch

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"<!-- measured: (\S+) -->", PAGE)


def test_every_program_has_its_place_on_the_page() -> None:
    helpers = {"measure.py", "documenting.py", "on_cuda.py"}
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


def test_without_a_gpu_the_comparison_with_one_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert on_cuda.main() == 0
    assert capsys.readouterr().out == "no CUDA device on this machine: nothing was compared\n"


@pytest.mark.parametrize(("seed", "same"), [(7, on_cuda.VALUES), (8, ("ones", "{formula: 'exp(-abs(i - j))'}"))])
def test_the_comparison_finds_what_differs(seed: int, same: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_cuda, "PRECISIONS", (torch.bfloat16,))
    with torch.random.fork_rng(devices=[]):
        found = on_cuda.differences(torch.device("cpu"), (7, seed))
    assert found == [f"{value} in torch.bfloat16" for value in on_cuda.VALUES if value not in same]
