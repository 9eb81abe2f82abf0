"""The battery of tests: its words are those of the streams, its report goes on, the page says what the reports say."""

from __future__ import annotations

import itertools
from pathlib import Path

import dieharder
import numpy as np
import pytest

from initrules.streams import stream_key, stream_of, words_

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "docs" / "randomness"


def first(mode: str, start: int, count: int) -> list[int]:
    found: list[int] = next(dieharder.MODES[mode](start))[:count].ravel().tolist()
    return found


def words(name: str, numbers: list[int], *, far: bool = False) -> list[int]:
    stream = stream_of(stream_key(0, name))
    found: list[int] = words_(np.array(numbers, np.uint64), stream.far() if far else stream).tolist()
    return found


def test_words_of_each_mode() -> None:
    start = dieharder.APART
    assert first("stream", start, 3) == words("layers.0.weight", [start, start + 1, start + 2])
    assert first("rest", start, 3) == words("layers.0.weight", [start, start + 70, start + 140], far=True)
    rows = first("names", start, 2)
    assert len(rows) == 2 * dieharder.NAMES
    assert rows[7 :: dieharder.NAMES] == words("layers.7.weight", [start, start + 1])


@pytest.mark.parametrize("mode", dieharder.MODES)
def test_blocks_follow_each_other(mode: str) -> None:
    blocks = list(itertools.islice(dieharder.MODES[mode](0), 2))
    later = next(dieharder.MODES[mode](blocks[0].shape[0] * (70 if mode == "rest" else 1)))
    assert np.array_equal(blocks[1], later)


def test_a_report_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def judged(blocks: object, arguments: tuple[str, ...]) -> tuple[list[str], int]:
        del blocks
        asked.append(" ".join(arguments))
        return [f"{arguments[1]}|0|1|1|0.5|  PASSED  "], 2 * 10**9

    monkeypatch.setattr(dieharder, "judged", judged)
    (tmp_path / "names.txt").write_text("# -d 0: 0.05 GB\n   diehard_birthdays|   0|  100|  100|0.001|   WEAK   \n")
    dieharder.run("names", tmp_path)
    every = [" ".join(arguments) for arguments in dieharder.tests()]
    assert asked == every[1:]
    dieharder.run("names", tmp_path)
    count = len(every)
    assert len(asked) == count - 1
    assert dieharder.table(tmp_path).splitlines() == [
        "| mode | tests run | words | results | passed | weak | failed |",
        "|---|---|---|---|---|---|---|",
        f"| `names` | {count} of {count} | {2 * (count - 1)} GB | {count} | {count - 1} | 1 | 0 |",
        "",
        "- `names`: diehard_birthdays 0, p = 0.001: WEAK",
    ]


def test_the_page_says_what_the_reports_say() -> None:
    page = (ROOT / "docs" / "streams.md").read_text("utf-8")
    mark = "<!-- made by: tests/randomness/dieharder.py table docs/randomness -->\n"
    assert page.partition(mark)[2].partition("\n<!-- end -->")[0] == dieharder.table(REPORTS)


def test_nothing_failed() -> None:
    text = "".join(report.read_text("utf-8") for report in REPORTS.glob("*.txt"))
    assert text.count("PASSED") > 100
    assert "FAILED" not in text
