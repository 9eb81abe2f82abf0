"""Why a rule does not decide a parameter, key by key; all parameters of a module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initrules import report
from initrules.errors import ModelError
from support import isolated, planned

RULES = """
vars: {on: false}
defaults: [{rule: all, select: '**', set: {'*': ones}}]
rules:
  - {rule: last, select: {inside: actor, type: Linear, pick: last}, set: {weight: zeros}}
  - {rule: named, select: {path: 'actor.0', name: '0', parent: actor, next: {type: ReLU}}, set: {bias: 2}}
  - {rule: switched, optional: true, select: {path: '*.2', where: on}, set: {weight: 3}}
  - {rule: others, select: {type: Linear, not: [actor, 'actor.**']}, set: {weight: 4}}
  - rule: deep
    optional: true
    select: {type: Linear, inside: {type: Sequential, parent: {name: head, type: ModuleDict}}}
    set: {weight: 6}
  - rule: apart
    select: {type: Linear, not: {name: '0', next: {type: ReLU}}}
    set: {bias: 7}
    optimize: {bias: {lr_scale: 2}}
  - {rule: either, optional: true, select: [{type: Conv2d}, {name: '7'}], set: {weight: 5}}
"""


@isolated
def model() -> nn.Module:
    def net() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))

    found = nn.ModuleDict({"actor": net(), "critic": net()})
    found["critic"][0].weight.requires_grad_(False)  # type: ignore[index]
    return found


@pytest.mark.parametrize(
    ("name", "rule", "expected"),
    [
        pytest.param(
            "actor.0.weight", "last",
            "actor.0.weight: rule 'last' does not claim it\n"
            "  met     type: Linear   Linear\n"
            "  met     inside: actor  actor.0 (Linear) in actor (Sequential) in the root (ModuleDict)\n"
            "  NOT MET pick: last     1 of 2 in actor (Sequential)\n"
            "  met     keys: weight   weight",
            id="pick",
        ),
        pytest.param(
            "critic.2.bias", "named",
            "critic.2.bias: rule 'named' does not claim it\n"
            "  NOT MET path: actor.0         critic.2\n"
            "  NOT MET name: 0               2\n"
            "  NOT MET parent: actor         critic (Sequential)\n"
            "  NOT MET next: {type: ReLU}    nothing follows\n"
            "  met     keys: bias            bias",
            id="texts and neighbours",
        ),
        pytest.param(
            "actor.2.weight", "switched",
            "actor.2.weight: rule 'switched' does not claim it\n"
            "  met     path: *.2     actor.2\n"
            "  met     keys: weight  weight\n"
            "  NOT MET where: on     false for it",
            id="where",
        ),
        pytest.param(
            "actor.2.weight", "others",
            "actor.2.weight: rule 'others' does not claim it\n"
            "  met     type: Linear             Linear\n"
            "  NOT MET not: [actor, actor.**]   actor.2 (Linear)\n"
            "  met     keys: weight             weight",
            id="not",
        ),
        pytest.param(
            "critic.2.weight", "deep",
            "critic.2.weight: rule 'deep' does not claim it\n"
            "  met type: Linear Linear\n"
            "  NOT MET inside: {type: Sequential, parent: {name: head, type: ModuleDict}} "
            "critic.2 (Linear) in critic (Sequential) in the root (ModuleDict)\n"
            "  met type: Sequential Sequential\n"
            "  NOT MET parent: {name: head, type: ModuleDict} the root (ModuleDict)\n"
            "  met type: ModuleDict ModuleDict\n"
            "  NOT MET name: head the root has no name\n"
            "  met keys: weight weight",
            id="selectors inside selectors, asked of the relative that comes nearest",
        ),
        pytest.param(
            "critic.0.bias", "apart",
            "critic.0.bias: rule 'apart' does not claim it\n"
            "  met type: Linear Linear\n"
            "  NOT MET not: {name: 0, next: {type: ReLU}} critic.0 (Linear)\n"
            "  met name: 0 0\n"
            "  met next: {type: ReLU} critic.1 (ReLU)\n"
            "  met keys: bias bias",
            id="what 'not' excludes",
        ),
        pytest.param(
            "critic.2.bias", "apart",
            "critic.2.bias: rule 'apart' claims it\n"
            "  set: decides it, rules.yaml:16:17\n"
            "  lr_scale: decides it, rules.yaml:17:33",
            id="several properties",
        ),
        pytest.param(
            "critic.0.weight", "others",
            "critic.0.weight: rule 'others' does not claim it\n"
            "  met     type: Linear            Linear\n"
            "  met     not: [actor, actor.**]  critic.0 (Linear)\n"
            "  met     keys: weight            weight\n"
            "  NOT MET frozen: true                  requires_grad is False",
            id="frozen",
        ),
        pytest.param(
            "actor.0.bias", "either",
            "actor.0.bias: rule 'either' does not claim it\n"
            "  NOT MET type: Conv2d  Linear\n"
            "  NOT MET keys: weight  bias",
            id="the selector that is nearest, and keys",
        ),
        pytest.param(
            "actor.2.weight", "all",
            "actor.2.weight: rule 'all' claims it and loses to 'last', rules.yaml:6:83: "
            "'last' is a rule, and rules beat defaults",
            id="claims and loses",
        ),
        pytest.param("actor.2.weight", "last", "actor.2.weight: rule 'last' decides it, rules.yaml:6:83", id="decides"),
    ],
)  # fmt: skip
def test_why_not(name: str, rule: str, expected: str) -> None:
    found = report.why_not_text(planned(RULES, model()), name, rule)
    assert [line.split() for line in found.splitlines()] == [line.split() for line in expected.splitlines()]
    assert len(found.splitlines()) <= 12


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        pytest.param(
            "actor.0.weigh", "last",
            "no parameter is named 'actor.0.weigh'\n  Did you mean 'actor.0.weight'?", id="parameter",
        ),
        pytest.param("actor.0.weight", "lst", "no rule is named 'lst'\n  Did you mean 'last'?", id="rule"),
    ],
)  # fmt: skip
def test_unknown_names(name: str, rule: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        report.why_not_text(planned(RULES, model()), name, rule)
    assert str(caught.value) == message


def test_module() -> None:
    assert report.module_text(planned(RULES, model()), "actor.2") == (
        "actor.2: Linear, 2 parameters of its own\n"
        "  weight: zeros   by 'last', rules.yaml:6:83   over all\n"
        "  bias: 7, lr_scale 2   by 'apart', rules.yaml:16:17   over all"
    )


def test_a_module_that_only_holds_others() -> None:
    assert report.module_text(planned(RULES, model()), "actor") == (
        "actor: Sequential, 0 parameters of its own\n  4 parameters below it; name one of the modules in it"
    )


def test_a_module_that_no_rule_claims() -> None:
    assert report.module_text(planned("rules: []", model()), "critic.0").splitlines()[1] == (
        "  weight: frozen, no rule asks for it"
    )


def test_a_module_of_many_parameters_takes_few_lines() -> None:
    many = nn.ParameterDict({f"p{n:02}": nn.Parameter(torch.zeros(1)) for n in range(40)})
    lines = report.module_text(planned("rules: []", many), "").splitlines()
    assert lines[0] == "the root: ParameterDict, 40 parameters of its own"
    assert lines[1] == "  p00: no rule claims it"
    assert lines[-1] == "  and 30 more"
    assert len(lines) == 12


def test_no_such_module() -> None:
    with pytest.raises(ModelError) as caught:
        report.module_text(planned(RULES, model()), "actr")
    assert str(caught.value) == "no module is at 'actr'\n  Did you mean 'actor'?"
