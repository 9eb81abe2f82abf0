"""Findings about values: nobody claims them, or they do harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn
from torch.nn.utils import parametrizations

from initrules.apply import apply_
from support import isolated, messages, planned

WAY_OUT = "Leave the last layer out of the rule that wraps it, or give it a small value."


@isolated
def net() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].requires_grad_(False)
    return model


def told(rules: str, model: nn.Module, code: str) -> list[tuple[str, str | None]]:
    return [(f"{one.severity}: {one.message}", one.hint) for one in planned(rules, model).findings if one.code == code]


@pytest.mark.parametrize(("unmatched", "severity"), [
    pytest.param("error", "error", id="unmatched: error"),
    pytest.param("keep", "info", id="unmatched: keep"),
])  # fmt: skip
def test_unclaimed_parameters(unmatched: str, severity: str) -> None:
    """ "unclaimed parameters under `unmatched: error` (frozen ones and buffers are not asked for)"."""
    rule = "{rule: r, select: '0', set: {weight: 1}, optimize: {bias: {lr_scale: 1}}}"
    rules = f"unmatched: {unmatched}\nrules: [{rule}]"
    hint = "Add a rule, or an entry of 'defaults'; 'keep' leaves a value on purpose."
    message = f"{severity}: 3 parameters without a rule: '0.bias', '2.weight', '2.bias'"
    assert told(rules, net(), "unclaimed") == [(message, hint)]


def test_one_unclaimed_parameter() -> None:
    rules = (
        "unmatched: error\nrules: [{rule: r, select: '*', set: {weight: 1}}, {rule: s, select: '0', set: {bias: keep}}]"
    )
    assert [message for message, _ in told(rules, net(), "unclaimed")] == [
        "error: 1 parameter without a rule: '2.bias'"
    ]


def test_keep_is_a_claim() -> None:
    assert told("unmatched: error\ndefaults: [{rule: r, select: '**', set: {'*': keep}}]", net(), "unclaimed") == []


@pytest.mark.parametrize(("value", "wrap", "found"), [
    pytest.param("zeros", "spectral_norm", 1, id="spectral norm of zeros"),
    pytest.param("0", "weight_norm", 1, id="weight norm of a constant zero"),
    pytest.param("{orthogonal: {gain: 0}}", "spectral_norm", 1, id="a gain of zero"),
    pytest.param("{normal: {std: 0}}", "spectral_norm", 1, id="a std of zero"),
    pytest.param("ones", "spectral_norm", 0, id="ones are no zeros"),
    pytest.param("zeros", "orthogonal", 0, id="orthogonal does not divide by a norm"),
    pytest.param("zeros", "keep", 0, id="keep wraps nothing"),
])  # fmt: skip
def test_a_norm_of_zero(value: str, wrap: str, found: int) -> None:
    rules = f"rules: [{{rule: r, select: '0', set: {{weight: {value}}}, parametrize: {{weight: {wrap}}}}}]"
    assert len(told(rules, net(), "norm-of-zero")) == found


def test_a_norm_of_zero_says_both_places() -> None:
    rules = (
        "rules:\n  - {rule: wrap, select: {type: Linear, frozen: true}, parametrize: {weight: spectral_norm}}\n"
        "  - {rule: zero, select: {type: Linear, frozen: true}, set: {weight: zeros}}"
    )
    assert "\n".join(messages(planned(rules, net()), "norm-of-zero")) == (
        "rules.yaml:3:78: spectral_norm divides '0.weight', '1.weight' by its norm, and its value is zero "
        "(set at rules.yaml:4:70): the result is NaN\n"
        "    - {rule: wrap, select: {type: Linear, frozen: true}, parametrize: {weight: spectral_norm}}\n"
        f"                                                                               ^^^^^^^^^^^^^\n  {WAY_OUT}"
    )


def normed() -> nn.Module:
    return nn.ModuleDict({"s": parametrizations.spectral_norm(nn.Linear(2, 2)),
                          "w": parametrizations.weight_norm(nn.Linear(2, 2)),
                          "o": parametrizations.orthogonal(nn.Linear(2, 2))})  # fmt: skip


@pytest.mark.parametrize(("rule", "code", "message"), [
    pytest.param("select: s, set: {weight: zeros}", "norm-of-zero",
                 "error: spectral_norm divides 's.weight' by its norm, and its value is zero: the result is NaN",
                 id="a zero under the model's own norm"),
    pytest.param("select: s, set: {weight: zeros}, parametrize: {weight: keep}", "norm-of-zero",
                 "error: spectral_norm divides 's.weight' by its norm, and its value is zero: the result is NaN",
                 id="keep is not to blame"),
    pytest.param("select: w, set: {weight: zeros}", "norm-of-zero",
                 "error: weight_norm divides 'w.weight' by its norm, and its value is zero: the result is NaN",
                 id="weight norm"),
    pytest.param("select: '*', parametrize: {weight: spectral_norm}", "second-parametrization",
                 "error: spectral_norm comes on top of spectral_norm, which is already around 's.weight'",
                 id="wrapped twice"),
])  # fmt: skip
def test_models_with_parametrizations(rule: str, code: str, message: str) -> None:
    assert told(f"rules: [{{rule: r, {rule}}}]", isolated(normed)(), code)[0][0] == message


def test_zeros_are_fine_under_what_does_not_divide() -> None:
    assert told("rules: [{rule: r, select: o, set: {weight: zeros}}]", isolated(normed)(), "norm-of-zero") == []


def tied() -> nn.Module:
    model = nn.ModuleDict({"table": nn.Embedding(4, 2), "head": nn.Linear(2, 4, bias=False)})
    model["head"].weight = model["table"].weight
    return model


def shared() -> nn.Module:
    layer = nn.Linear(2, 2)
    return nn.ModuleDict({"one": layer, "two": layer})


@pytest.mark.parametrize(("build", "found"), [
    pytest.param(tied,
                 ["error: 'table.weight' is tied to 'head.weight', and spectral_norm would wrap one of them only"],
                 id="a tied tensor"),
    pytest.param(shared, [], id="a shared module is wrapped once for all its names"),
])  # fmt: skip
def test_a_tied_parametrization(build: Callable[[], nn.Module], found: list[str]) -> None:
    rules = "rules: [{rule: r, select: '*', parametrize: {weight: spectral_norm}}]"
    assert [message for message, _ in told(rules, isolated(build)(), "tied-parametrization")] == found


@pytest.mark.parametrize(("arguments", "reach"), [
    pytest.param("{std: 0.02, low: -2, high: 2}", "100", id="absolute bounds that were meant as σ"),
    pytest.param("{std: 0.02, low: -0.04, high: 0.04}", None, id="bounds at 2 σ"),
    pytest.param("{std: 0.02, mean: 1, low: 0.5, high: 1.01}", "25", id="one side"),
    pytest.param("{std: 0.02, low: -2}", None, id="an open side cuts nothing on purpose"),
    pytest.param("{std: 0.02, cut: 50}", None, id="cut counts in σ"),
])  # fmt: skip
def test_a_cut_at_tens_of_sigma(arguments: str, reach: str | None) -> None:
    rules = f"rules: [{{rule: r, select: '0', set: {{weight: {{trunc_normal: {arguments}}}}}}}]"
    expected = [(f"warning: trunc_normal cuts '0.weight' at {reach} σ, which cuts nothing",
                 "'low' and 'high' are absolute; 'cut' counts in σ.")] if reach else []  # fmt: skip
    assert told(rules, net(), "empty-cut") == expected


def test_cuts_that_cut_nothing_are_one_finding() -> None:
    rules = "rules: [{rule: r, select: {type: Linear}, set: {weight: {trunc_normal: {std: 0.02, low: -2, high: 2}}}}]"
    model = isolated(lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))()
    (found,) = (message for message, _ in told(rules, model, "empty-cut"))
    assert found == "warning: trunc_normal cuts '0.weight', '1.weight' at 100 σ, which cuts nothing"


@pytest.mark.parametrize("wrap", ["spectral_norm", "weight_norm", "orthogonal"])
def test_wrapping_says_which_state_dict_keys_change(wrap: str) -> None:
    """The keys foretold are those that torch then has."""
    model = isolated(nn.Sequential)(isolated(nn.Linear)(3, 3))
    body = f'rules: [{{rule: r, select: "0", set: {{weight: orthogonal}}, parametrize: {{weight: {wrap}}}}}]'
    plan = planned(body, model)
    decision = plan.rows[0].decisions["parametrize"]
    before = set(model.state_dict())
    apply_(model, plan)
    assert set(model.state_dict()) - before == set(decision.actions[0].state_dict_keys("0.weight"))
    (found,) = (finding for finding in plan.findings if finding.code == "state-dict-keys")
    assert found.message == (
        "the state-dict keys of 1 weight change: '0.weight' becomes "
        f"'{decision.actions[0].state_dict_keys('0.weight')[0]}'"
    )
    assert found.span == decision.span
