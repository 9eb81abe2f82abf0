"""``initrules test`` as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from commands import ROOT, Result
from commands import run as run_in

TESTS = """initrules-test: 1
rules: preset:ppo
inventory: INVENTORY
cases:
  - name: biases
    expect: [{params: "**.bias", set: zeros, count: 6}]
  - name: heads
    expect: [{params: actor.4.weight, set: {orthogonal: {gain: GAIN}}}]
coverage: 100
"""
FAILURE = """✗ t.initrules-test.yaml
  ✗ heads
    t.initrules-test.yaml:8:39: actor.4.weight: set
      expected  orthogonal gain=0.1
      is        orthogonal gain=0.01
      because   'policy-head' decides it at preset:ppo:19:19: {orthogonal: {gain: policy_gain}}
                over 'hidden' at preset:ppo:14:19: {orthogonal: {gain: hidden_gain}}; REASON
1 passed, 1 failed
""".replace("REASON", "'policy-head' is a rule, and rules beat defaults")


class Run:
    """Runs ``initrules test`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Result:
        return run_in(self._capsys, "test", *words)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture(autouse=True)
def _inside_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("0.01")


def write(gain: str, name: str = "t") -> None:
    inventory = str(ROOT / "tests" / "rules" / "inventories" / "ppo.json")
    text = TESTS.replace("INVENTORY", inventory).replace("GAIN", gain)
    Path(f"{name}.initrules-test.yaml").write_text(text, encoding="utf-8")


def test_all_below_this_folder_pass(run: Run) -> None:
    assert run() == Result(0, "2 passed, 0 failed\n", "")
    assert "  ✓ biases\n  ✓ heads\n  coverage: 3 of 3" in run("-v").out


def test_a_failure_leaves_with_1_and_says_because(run: Run) -> None:
    write("0.1")
    assert run() == Result(1, FAILURE, "")


def test_a_file_that_cannot_run_leaves_with_2_and_the_others_run(run: Run) -> None:
    Path("z.initrules-test.yaml").write_text("initrules-test: 1\ncases: []\n", encoding="utf-8")
    found = run()
    assert found.code == 2
    assert found.out.endswith("2 passed, 0 failed, 1 could not run\n")
    assert "z.initrules-test.yaml:2:8: the value of 'cases' is empty" in found.out


def test_cases_are_chosen_by_name(run: Run) -> None:
    write("0.1")
    assert run("--case", "bias*") == Result(0, "1 passed, 0 failed\n", "")
    found = run("--case", "none")
    assert (found.code, found.err) == (2, "no case has a name like 'none'\n  --verbose lists the names.\n")


def test_junit_goes_to_a_file_and_the_table_is_shown(run: Run) -> None:
    write("0.1")
    found = run("--format", "junit", "-o", "result.xml")
    assert found == Result(1, f"{FAILURE}written to result.xml\n", "")
    suite = next(iter(JUnitXml.fromfile("result.xml")))
    assert [(case.name, case.is_passed) for case in suite] == [("biases", True), ("heads", False), ("coverage", True)]
    assert run("-o", "nowhere/result.xml").err.startswith("'nowhere/result.xml' cannot be written")


def test_junit_of_what_cannot_run(run: Run) -> None:
    Path("t.initrules-test.yaml").write_text("initrules-test: 1\n", encoding="utf-8")
    Path("u.initrules-test.yaml").write_text(
        "initrules-test: 1\ncases: [{name: a, rules: none.yaml, inventory: i, expect: [{finding: x}]}]\n"
    )
    found = JUnitXml.fromstring(run("--format", "junit").out.encode())
    assert (found.tests, found.errors) == (2, 2)


def test_json(run: Run) -> None:
    write("0.1")
    data = json.loads(run("--format", "json").out)
    assert data["initrules-test-result"] == 1
    (file,) = data["files"]
    assert (file["file"], file["passed"], file["problems"]) == ("t.initrules-test.yaml", False, [])
    assert [case["status"] for case in file["cases"]] == ["passed", "failed"]
    assert file["cases"][1]["failures"][0]["expected"] == "orthogonal gain=0.1"
    assert file["coverage"] == {"rules": 3, "per_cent": 100.0, "idle": []}


def test_annotations_stand_at_the_lines_that_asked(run: Run) -> None:
    write("0.1")
    text = Path("t.initrules-test.yaml").read_text().replace("preset:ppo\n", "preset:ppo-humanoid\n")
    Path("t.initrules-test.yaml").write_text(text, encoding="utf-8")
    Path("u.initrules-test.yaml").write_text("initrules-test: 1\n", encoding="utf-8")
    heads, coverage, broken, count = run("--format", "github").out.splitlines()
    assert heads.startswith(
        "::error file=t.initrules-test.yaml,line=8,col=39,endColumn=42,title=initrules test heads::"
    )
    assert coverage.startswith(
        "::error file=t.initrules-test.yaml,line=9,col=11,endColumn=14,title=initrules test coverage"
    )
    assert broken.startswith("::error file=u.initrules-test.yaml,line=1,col=1,")
    assert count == "1 passed, 1 failed, 1 could not run, 1 below the coverage asked for"


def test_torch_is_imported_only_to_draw(run: Run) -> None:
    """An inventory and no statistic: a fresh process runs the case without torch."""
    code = "import sys; from initrules import cli; sys.exit(cli._run(['test'], debug=False) or 'torch' in sys.modules)"
    assert run().code == 0
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
