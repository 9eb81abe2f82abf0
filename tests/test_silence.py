"""Findings that rules allow with a reason."""

from __future__ import annotations

import pytest
from torch import nn

from initrules import report, ruleset
from initrules.errors import Finding, Problems, Severity
from initrules.silence import Silenced, idle, silence
from support import isolated, planned

OVERLAP = """rules:
  - {rule: one, select: '**', set: {weight: ones}}
  - {rule: two, select: '**', set: {weight: zeros}, allow: {contested: 'two is stronger on purpose'ALLOW}}
  - {rule: three, select: '**', set: {bias: zeros}}
"""


@isolated
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2))


def rules(body: str) -> ruleset.RuleSet:
    return ruleset.from_text(f"initrules: 1\n{body}", "f.yaml")


def test_a_reason_takes_the_finding_out_of_the_plan() -> None:
    plan = planned(OVERLAP.replace("ALLOW", ""), model())
    assert [one.code for one in plan.findings] == ["dead-rule"]
    assert [(one.finding.code, one.reason) for one in plan.silenced] == [("contested", "two is stronger on purpose")]
    assert report.as_json(plan)["silenced"] == [
        {
            "code": "contested", "severity": "info", "message": "'two' takes '0.weight' from 'one'",
            "place": "rules.yaml:4:12", "rule": "two", "parameters": ["0.weight"],
            "reason": "two is stronger on purpose",
        }
    ]  # fmt: skip
    assert "1 finding silenced by 'allow'; lint --silenced lists them" in report.plan_text(plan)


def test_an_error_is_never_silenced() -> None:
    allowed = rules("rules: [{rule: a, select: x, set: {weight: 0}, allow: {unmet-key: why}}]").rules
    error, warning = (Finding("unmet-key", severity, "m", rule="a") for severity in (Severity.ERROR, Severity.WARNING))
    assert silence([error, warning], allowed) == ((error,), (Silenced(warning, "why"),))


@pytest.mark.parametrize(
    ("owners", "silenced"),
    [
        pytest.param("ab", ["because; of a"], id="all of its parameters"),
        pytest.param("abc", [], id="one parameter is of a rule that does not allow it"),
        pytest.param("", [], id="no parameter at all"),
    ],
)
def test_a_finding_about_parameters(owners: str, silenced: list[str]) -> None:
    names = [f"rule: {name}, select: '{at}', set: {{weight: 0}}" for at, name in enumerate("abc")]
    allows = [", allow: {zero-layer: 'of a'}", ", allow: {zero-layer: because}", ""]
    body = "\n".join(f"  - {{{name}{allow}}}" for name, allow in zip(names, allows, strict=True))
    net = isolated(lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(3))))()
    plan = planned(f"rules:\n{body}", net)
    finding = Finding("zero-layer", Severity.INFO, "m", parameters=tuple(f"{'abc'.index(n)}.weight" for n in owners))
    left, gone = silence([finding], plan.rules.rules, plan.rows)
    assert [one.reason for one in gone] == silenced
    assert len(left) + len(gone) == 1


def test_reasons_that_silence_nothing() -> None:
    plan = planned(OVERLAP.replace("ALLOW", ", unmet-key: never"), model())
    found = list(idle(plan.rules.rules, plan.silenced, {}))
    assert [(one.code, one.rule, one.message) for one in found] == [
        ("unused-allow", "two", "'allow' of rule 'two' silences nothing: there is no 'unmet-key' to silence")
    ]


@pytest.mark.parametrize(
    ("allow", "message"),
    [
        pytest.param("contestd: why", "unknown code of a finding: 'contestd'\n", id="misspelt"),
        pytest.param("dead-rule: why", "unknown code of a finding: 'dead-rule'\n", id="an error"),
        pytest.param("contested: ''", "the value of 'contested' is empty\n", id="no reason"),
        pytest.param("contested: true", "the value of 'contested' must be text, not 'true'\n", id="a switch"),
    ],
)
def test_what_cannot_be_allowed(allow: str, message: str) -> None:
    with pytest.raises(Problems) as caught:
        rules(f"rules: [{{rule: a, select: x, set: {{weight: 0}}, allow: {{{allow}}}}}]")
    assert message in str(caught.value)
