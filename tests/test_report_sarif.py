"""SARIF logs, held against the schema that OASIS published (see tests/schemas/README.md)."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from commands import ROOT, run
from initrules.errors import Finding, Severity
from initrules.report.sarif import log, uri
from initrules.source import Span

SCHEMA = json.loads((ROOT / "tests" / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft4Validator(SCHEMA)
FINDINGS = [
    Finding("dead-rule", Severity.ERROR, "it is dead", Span("rules/a b.yaml", 3, 5, 4), "Delete it.", "r"),
    Finding("frozen", Severity.INFO, "passed over \x1b \ud800"),
    Finding("dead-rule", Severity.WARNING, "it is dead", Span("rules/a b.yaml", 9, 5, 0), "Delete it.", "r"),
]


def results(found: dict[str, Any]) -> list[dict[str, Any]]:
    (one,) = found["runs"]
    return list(one["results"])


def test_the_schema_refuses_what_is_no_log() -> None:
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{"results": []}]})


@pytest.mark.parametrize("findings", [pytest.param(FINDINGS, id="some"), pytest.param([], id="none")])
def test_a_log_meets_the_schema(findings: list[Finding]) -> None:
    VALIDATOR.validate(json.loads(json.dumps(log(findings))))


def test_what_a_result_says() -> None:
    first, second, third = results(log(FINDINGS))
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("dead-rule", 0, "error")
    assert first["message"] == {"text": "it is dead. Delete it."}
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "rules/a%20b.yaml"},
        "region": {"startLine": 3, "startColumn": 5, "endColumn": 9},
    }
    assert (second["level"], second["message"]) == ("note", {"text": "passed over \\x1b \\ud800"})
    assert "locations" not in second
    assert third["level"] == "warning"
    assert third["locations"][0]["physicalLocation"]["region"]["endColumn"] == 6
    assert third["partialFingerprints"] == first["partialFingerprints"] != second["partialFingerprints"]


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        pytest.param("rules/a.yaml", "rules/a.yaml", id="relative"),
        pytest.param("/x/ü.yaml", "file:///x/%C3%BC.yaml", id="absolute"),
        pytest.param("preset:phase2/full", "preset:phase2/full", id="preset"),
        pytest.param("<rules>", "%3Crules%3E", id="text"),
    ],
)
def test_uri(file: str, wanted: str) -> None:
    assert uri(file) == wanted


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("lint", "tests/bad/everything.yaml"), id="a file that cannot be read"),
        pytest.param(
            ("lint", "rules/ppo.yaml", "--inventory", "tests/rules/inventories/phase2.json"), id="against a model"
        ),
        pytest.param(("plan", "preset:gpt2", "--inventory", "tests/rules/inventories/ppo.json"), id="plan"),
    ],
)
def test_real_output_meets_the_schema(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = json.loads(run(capsys, *words, "--format", "sarif").out)
    VALIDATOR.validate(found)
    assert any(one["level"] == "error" for one in results(found))
