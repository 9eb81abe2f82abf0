"""Results in Markdown, and documents with blocks that programs fill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ablations import results
from initrules.ablation.markdown import filled, markdown

BASE = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
SHOWN = """\
**score**: higher is better; of a &lt;b&gt; \\| c

| arm | runs | mean | 95 % interval | std | difference | 95 % interval | p | P(better) | seeds won | verdict |
|---|---|---|---|---|---|---|---|---|---|---|
| `base` | 8 | 3.5 | 1.875 … 5 | 2.449 |  |  |  |  |  | baseline |
| `good` | 8 | 4.5 | 2.875 … 6 | 2.449 | +1 | 1 … 1 | 0.016 | 0.62 | 8 of 8 | better |
| `bad` | 7 of 8 | 3 | 1.571 … 4.429 | 2.16 |  |  |  |  |  | not compared |

- ✗ bad, seed 7, raised: ValueError: no &lt;good>"""


def test_tables_failures_and_notes(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": BASE, "good": [x + 1 for x in BASE], "bad": [*BASE[:7], None]})
    metric = replace(found.study.metrics[0], about="of a <b> | c")
    found = replace(found, study=replace(found.study, metrics=(metric,)))
    assert markdown(found, notes=False) == SHOWN.replace("b&gt; \\|", "b> \\|")
    assert markdown(found).startswith(f"{SHOWN.replace('b&gt; ', 'b> ')}\n\nDifferences are to 'base'")
    assert markdown(found).count("\n\n") == 4


def test_blocks_replace_what_stands_between_their_marks() -> None:
    text = "a\n<!-- one-2: made by report.py -->\nold\n<!-- end -->\nb <!-- two: of something -->\n<!-- end -->\n"
    assert filled(text, {"one-2": "new\nlines"}) == text.replace("old", "new\nlines")
    with pytest.raises(KeyError, match="one-2"):
        filled(text, {})
