"""Plans as data: versioned, sorted, JSON-ready, with all that a decision stands on."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import nn

from initrules import report
from initrules.errors import Finding, Severity
from initrules.report.data import finding_json
from initrules.source import Span
from support import isolated, planned

RULES = """
vars: {std: 0.5, many: [1, std]}
defaults: [{rule: all, select: {type: [Linear, Conv2d]}, set: {weight: kaiming_normal, bias: zeros}}]
rules:
  - rule: wide
    select: {name: a, type: Linear}
    set: {weight: {normal: {std: std}}}
    parametrize: {weight: spectral_norm}
    lock: true
"""


@isolated
def model() -> Any:
    net = nn.ModuleDict({"a": nn.Linear(2, 3), "n": nn.BatchNorm1d(1), "c": nn.Conv2d(4, 4, 1, groups=2, bias=False)})
    net["b"] = nn.ModuleDict({"again": net["a"]})
    net["n"].requires_grad_(requires_grad=False)
    return net


def test_a_row_whole() -> None:
    data = report.as_json(planned(RULES, model()))
    by_name = {row["name"]: row for row in data["parameters"]}
    place = "rules.yaml:8:19"
    assert by_name["a.weight"] == {
        "name": "a.weight",
        "names": ["a.weight", "b.again.weight"],
        "shape": [3, 2],
        "dtype": "float32",
        "mean": 0.0,
        "std": 0.5,
        "decisions": {
            "set": {
                "rule": "wide",
                "place": place,
                "written": "{normal: {std: std}}",
                "value": [{"normal": {"std": 0.5}}],
                "summary": "normal std=0.5",
                "lock": True,
                "lost": [
                    {
                        "rule": "all",
                        "place": "rules.yaml:4:72",
                        "written": "kaiming_normal",
                        "reason": "'wide' is locked",
                    }
                ],
            },
            "parametrize": {
                "rule": "wide",
                "place": "rules.yaml:9:27",
                "written": "spectral_norm",
                "value": [{"spectral_norm": {}}],
                "summary": "spectral_norm",
                "lock": True,
                "lost": [],
            },
        },
    }
    assert by_name["n.weight"]["frozen"] is True
    assert by_name["n.running_mean"]["buffer"] is True
    assert (by_name["c.weight"]["fans"], by_name["c.weight"]["torch_fans"]) == ([2, 2], [2, 4])


def test_the_top_level() -> None:
    data = report.as_json(planned(RULES, model()))
    assert data["initrules-plan"] == 1
    assert data["files"] == ["rules.yaml"]
    assert data["variables"] == {"many": ["1", "std"], "std": "0.5"}
    assert data["rules"][0] | {"place": ""} == {
        "rule": "all", "place": "", "tier": "default", "claimed": 3, "won": 2, "taken": {"wide": 1},
    }  # fmt: skip
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_equal_plans_give_equal_text() -> None:
    first, second = (json.dumps(report.as_json(planned(RULES, model()))) for _ in range(2))
    assert first == second


def test_a_parametrized_weight_says_so() -> None:
    net = isolated(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))()
    (row, _) = report.as_json(planned("about: x", net))["parameters"]
    assert len(row["parametrized"]) == 1


def test_what_a_checkpoint_gives_is_data() -> None:
    import initrules  # noqa: PLC0415

    rules = (
        "rules: [{rule: a, select: '**', set: {'*': {load: {source: s, missing: next}}}}]\nsources: {s: {file: x.pt}}"
    )
    net = isolated(nn.Linear)(2, 2)
    given = {"s": {"weight": torch.zeros(2, 2), "bias": torch.zeros(3), "other": torch.zeros(1)}}
    loaded = initrules.from_text(f"initrules: 1\n{rules}")
    (transfer,) = initrules.plan(net, loaded, sources=given).to_dict()["transfers"]
    assert transfer["source"] == "s"
    assert "other" in transfer["left"]
    assert "bias" in transfer["refused"]


def test_a_finding_leaves_out_what_it_has_not() -> None:
    assert finding_json(Finding("code", Severity.INFO, "m")) == {"code": "code", "severity": "info", "message": "m"}
    full = Finding("code", Severity.ERROR, "m", Span("f", 1, 2), "Hint.", "rule", ("a", "b"))
    assert finding_json(full) == {
        "code": "code", "severity": "error", "message": "m", "place": "f:1:2", "hint": "Hint.", "rule": "rule",
        "parameters": ["a", "b"],
    }  # fmt: skip
