"""Tables as text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from ablations import results
from initrules.ablation import tables
from initrules.ablation.statistics import Interval

BASE = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


TABLE = """\
score: higher is better
arm     runs  mean  95 % interval    std  difference  95 % interval      p  P(better)  seeds won  verdict
base       8   3.5      1.875 … 5  2.449                                                          baseline
good       8   4.5      2.875 … 6  2.449          +1          1 … 1  0.016       0.62     8 of 8  better
bad   7 of 8     3  1.571 … 4.429   2.16                                                          not compared

✗ bad, seed 7, raised: ValueError: no <good>

Differences are to 'base', paired by seed, positive where the arm is better; intervals are bootstrapped (BCa); p is a \
paired permutation test, corrected for 2 arms (Holm).
Means of 'score' leave out runs without a result and flatter arms that fail, so such arms are not compared; \
'failed: VALUE' under the metric says what such a run counts."""


def test_the_table_in_words(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": BASE, "good": [x + 1 for x in BASE], "bad": [*BASE[:7], None]})
    assert tables.text(found, width=200) == TABLE
    assert str(found) == tables.text(found)


def test_too_few_seeds_are_called_too_few(tmp_path: Path) -> None:
    said = str(results(tmp_path, {"base": [1.0, 2.0], "arm": [2.0, 3.0]}))
    assert "not settled with 2 seeds" in said
    assert "With 2 seeds nothing can be settled: p is at least 0.50 here; 6 seeds are the least that can." in said
    assert "not settled with 1 seed\n" in str(results(tmp_path, {"base": [1.0], "arm": [2.0]}))


def test_an_arm_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    said = str(results(tmp_path, {"base": BASE}))
    assert "Differences" not in said
    assert "baseline" in said


def test_many_failures_are_counted(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [None] * 25})
    lines = list(tables.failure_lines(found))
    assert (len(lines), lines[-2:]) == (22, ["and 5 more runs without a result", ""])
    assert tables.text(found).splitlines()[2].split() == ["base", "0", "of", "25", "baseline"]


def test_long_messages_are_cut_in_the_table(tmp_path: Path) -> None:
    from dataclasses import replace  # noqa: PLC0415

    failed = replace(results(tmp_path, {"base": [None]}).records[0], message="x" * 500 + "\nsecond\nthird")
    assert tables.failure_text(failed) == f"✗ base, seed 0, raised: {'x' * 160} …"
    short = replace(failed, message="'toy.py' has no 'trian'\n  Did you mean 'train'?")
    assert tables.failure_text(short).endswith("raised: 'toy.py' has no 'trian'. Did you mean 'train'?")
    assert tables.failure_text(replace(failed, message="")) == "✗ base, seed 0, raised"


def test_runs_as_csv(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [0.1 + 0.2, None]})
    rows = list(csv.DictReader(io.StringIO(tables.runs_csv(found))))
    assert rows[0] == {"arm": "base", "seed": "0", "outcome": "finished", "message": "", "seconds": "2.00",
                       "score": "0.30000000000000004", "extra": "1.0"}  # fmt: skip
    assert (rows[1]["outcome"], rows[1]["message"], rows[1]["score"]) == ("raised", "ValueError: no <good>", "")


def test_lines_as_csv(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": BASE, "good": [x + 1 for x in BASE]})
    base, good = csv.DictReader(io.StringIO(tables.summary_csv(found)))
    assert (base["mean"], base["difference"], base["verdict"]) == ("3.5", "", "baseline")
    assert (good["difference"], good["p"], good["seeds_won"], good["verdict"]) == ("1.0", "0.0078125", "8", "better")


def test_everything_as_json(tmp_path: Path) -> None:
    found = results(tmp_path, {"base": [1.0, None], "arm": [None, None]})
    data = json.loads(json.dumps(tables.as_json(found), allow_nan=False))
    assert data["lines"][0]["values"] == [{"seed": 0, "value": 1.0}]
    assert data["lines"][1]["interval"] == {"mean": None, "low": None, "high": None}
    assert [run["outcome"] for run in data["runs"]] == ["finished", "raised", "raised", "raised"]
    whole = results(tmp_path, {"base": BASE, "good": [x + 1 for x in BASE]})
    assert tables.as_json(whole)["lines"][1]["comparison"]["difference"] == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_numbers_in_words() -> None:
    assert [tables.number(x) for x in (None, float("nan"), 0.123456, 12345.6, 1e-7)] == [
        "",
        "",
        "0.1235",
        "1.235e4",
        "1e-7",
    ]
    assert [tables.p_text(p) for p in (0.0001, 0.0123, 0.5)] == ["< 0.001", "0.012", "0.50"]
    assert tables.bounds(Interval(1.0, None, None)) == ""
