"""Records in files: written whole, read back the same, and used again only while nothing changed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from ablations import written
from initrules.ablation import records
from initrules.ablation.records import Files, Outcome, Record
from initrules.ablation.study import Study, load, rules_of
from initrules.errors import ApplyError

RECORD = Record(
    "arm", 3, "digest", Outcome.FINISHED, "", 1.5, {"loss": 0.1 + 0.2}, {"extra": None},
    ({"parameter": "w", "std": 0.5},), {"y": {"min": -1.0}}, {}, {"torch": "2"},
)  # fmt: skip


def test_a_record_comes_back_the_same(tmp_path: Path) -> None:
    file = Files.of(tmp_path, "arm", 3).result
    records.save(RECORD, file)
    assert records.load(file) == RECORD
    assert file == tmp_path / "runs" / "arm" / "3.json"
    assert [one.name for one in file.parent.iterdir()] == ["3.json"]


def test_what_is_not_finite_never_reaches_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.save(replace(RECORD, metrics={"loss": math.nan}), tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{"initrules-run": 1, "arm": "a"', id="cut off"),
        pytest.param('{"initrules-run": 2}', id="another version"),
        pytest.param("[]", id="something else"),
        pytest.param('{"initrules-run": 1, "outcome": "odd", "starts": []}', id="an outcome that is none"),
        pytest.param("\udcff", id="no text"),
    ],
)
def test_what_is_no_record_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8", errors="surrogateescape")
    assert records.load(tmp_path / "x.json") is None
    assert records.load(tmp_path / "none.json") is None


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ApplyError) as caught:
        records.write(tmp_path / "file" / "sub" / "x.json", "x")
    assert str(caught.value) == (
        f"'{tmp_path}/file/sub/x.json' cannot be written: Not a directory\n  Choose another place."
    )


def test_curves_without_a_last_line_that_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / "c").write_text('[0, {"a": 1.0, "b": null}]\n[1, {"a": 2.0}]\n[2, {"a": 3', encoding="utf-8")
    assert records.curves(tmp_path / "c") == {"a": ((0, 1.0), (1, 2.0)), "b": ((0, None),)}
    assert records.curves(tmp_path / "none") == {}


def test_when_a_run_is_used_again(tmp_path: Path) -> None:
    code = tmp_path / "toy.py"
    code.write_text("a = 1\n")
    known = replace(RECORD, code={str(code): records.code_digest(str(code))})

    def reusable(record: Record, limit: float = 10.0) -> bool:
        return records.reusable(record, "digest", limit)

    assert reusable(known)
    assert reusable(replace(known, outcome=Outcome.RAISED))
    assert not records.reusable(known, "another", 10.0)
    assert not reusable(replace(known, outcome=Outcome.RUNNING))
    assert not reusable(replace(known, outcome=Outcome.DIED))
    assert not reusable(replace(known, code={}))  # what could not be imported
    late = replace(known, outcome=Outcome.TIMED_OUT, seconds=10.1)
    assert reusable(late)
    assert not reusable(late, 20.0)  # it has more time now
    code.write_text("a = 2\n")
    assert not reusable(known)
    code.unlink()
    assert not reusable(known)


def digest(study: Study, arm: int = 1, seed: int = 0) -> str:
    return records.digest(study, study.arms[arm], seed, rules_of(study.arms[arm]))


def test_a_digest_tells_what_the_numbers_depend_on(tmp_path: Path) -> None:
    body = "arms: {plain: {}, ruled: {rules: rules.yaml, vars: {gain: 2}, options: {steps: 3}}}\n"
    first = load(written(tmp_path, body))
    found = {digest(first), digest(first, arm=0), digest(first, seed=1)}
    for change in (("gain: 2", "gain: 3"), ("steps: 3", "steps: 4"), ("ruled", "other")):
        found.add(digest(load(written(tmp_path, body.replace(*change)))))
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules.read_text() + "sources: {old: {file: old.pt}}\n")
    found.add(digest(first))
    (tmp_path / "old.pt").write_text("weights")
    found.add(digest(first))
    assert len(found) == 8
    written(tmp_path, body)
    assert digest(load(tmp_path / "study.yaml")) == digest(first)
    assert digest(replace(first, time_limit=3.0, seeds=(7,), about="x")) == digest(first)
