"""Findings about rules: each with its code, its severity, its place and a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from initrules.errors import Severity
from initrules.planning import PlanData
from support import isolated, messages, planned, planned_files, winners


@isolated
def net() -> nn.Module:
    """``body.0``, ``body.1`` and ``frozen`` (a frozen layer), a norm with buffers."""
    model = nn.ModuleDict({"body": nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)), "frozen": nn.Linear(2, 2)})
    model["frozen"].requires_grad_(False)
    model["norm"] = nn.BatchNorm1d(2)
    return model


def told(plan: PlanData, code: str) -> list[tuple[str, str | None]]:
    """The findings of one code: severity and message, and the hint."""
    return [(f"{one.severity}: {one.message}", one.hint) for one in plan.findings if one.code == code]


OPTIONAL = "If that is right for some models, add 'optional: true'."


@pytest.mark.parametrize(("rule", "message", "hint"), [
    pytest.param("select: {type: Conv2d}, set: {weight: ones}",
                 "no module meets {type: Conv2d}",
                 "Choose one of 'BatchNorm1d', 'Linear', 'ModuleDict', 'Sequential', '_BatchNorm', '_NormBase'.",
                 id="no module"),
    pytest.param("select: body.*, set: {gain: ones}",
                 "its selector meets 2 modules, none with 'gain'",
                 "Choose one of 'bias', 'weight'.", id="no such key"),
    pytest.param("select: body.*, set: {wieght: ones, '*_x': ones}, optimize: {wieght: {lr_scale: 1}}",
                 "its selector meets 2 modules, none with 'wieght', '*_x'",
                 "Did you mean 'weight'?", id="a misspelt key"),
    pytest.param("select: body, set: {weight: ones}",
                 "its selector meets 1 module, none with 'weight'",
                 "These modules own no parameters; select the layers inside them.", id="a container"),
    pytest.param("select: {path: body.*, where: numel > 100}, set: {weight: ones}",
                 "'where' is false for all of 2 modules", "", id="where is false"),
    pytest.param("select: {path: body.*, where: numel > 100}, set: {gain: ones}",
                 "its selector meets 2 modules, none with 'gain'",
                 "Choose one of 'bias', 'weight'.", id="where is not to blame"),
])  # fmt: skip
def test_a_rule_that_claims_nothing_is_an_error(rule: str, message: str, hint: str) -> None:
    plan = planned(f"rules: [{{rule: r, {rule}}}]", net())
    expected = [(f"error: the rule 'r' claims nothing: {message}", f"{hint} {OPTIONAL}".strip())]
    assert told(plan, "claims-nothing") == expected
    assert told(planned(f"rules: [{{rule: r, {rule}, optional: true}}]", net()), "claims-nothing") == []


def test_its_place_is_its_name() -> None:
    (found,) = messages(planned("rules: [{rule: r, select: x, set: {weight: ones}}]", net()), "claims-nothing")
    assert found == (
        "rules.yaml:2:16: the rule 'r' claims nothing: no module meets x\n"
        "    rules: [{rule: r, select: x, set: {weight: ones}}]\n"
        "                   ^\n"
        "  If that is right for some models, add 'optional: true'."
    )


def test_a_tied_tensor_that_not_excludes() -> None:
    model = isolated(lambda: nn.ModuleDict({"table": nn.Embedding(4, 2), "head": nn.Linear(2, 4, bias=False)}))()
    model["head"].weight = model["table"].weight
    plan = planned("rules: [{rule: r, select: {path: head, not: table}, set: {weight: ones}}]", model)
    message = "error: the rule 'r' claims nothing: its selector meets 1 module, and 'not' meets another name of "
    assert told(plan, "claims-nothing") == [(f"{message}'table.weight'", OPTIONAL)]


def test_aliases_are_one_module() -> None:
    """A module under two names is counted once."""
    layer = isolated(lambda: nn.Linear(2, 2))()
    plan = planned("rules: [{rule: r, select: '**.x', set: {gain: ones}}]", nn.ModuleDict(
        {"a": nn.ModuleDict({"x": layer}), "b": nn.ModuleDict({"x": layer})}))  # fmt: skip
    assert "meets 1 module, none with 'gain'" in messages(plan, "claims-nothing")[0]


def test_passing_over_frozen_parameters_counts_as_claiming() -> None:
    plan = planned("rules: [{rule: r, select: frozen, set: {weight: ones}}]", net())
    assert plan.errors == ()
    assert told(plan, "frozen") == [
        (
            "info: 2 frozen parameters passed over: 'frozen.weight', 'frozen.bias'",
            "A selector with 'frozen: true' claims parameters with requires_grad=False too.",
        )
    ]


def test_frozen_parameters_that_somebody_claims_are_not_counted() -> None:
    plan = planned("rules: [{rule: r, select: [frozen, {path: frozen, frozen: true}], set: {'*': ones}}]", net())
    assert winners(plan) == {"frozen.weight": "r", "frozen.bias": "r"}
    assert told(plan, "frozen") == []


@pytest.mark.parametrize(("rule", "expected"), [
    pytest.param("select: body.*, set: {weight: ones, wieght: ones}",
                 [("warning: the key 'wieght' of rule 'r' meets no parameter", "Did you mean 'weight'?")],
                 id="two letters swapped"),
    pytest.param("select: body.*, set: {weight: ones, bia: ones}",
                 [("warning: the key 'bia' of rule 'r' meets no parameter", "Did you mean 'bias'?")],
                 id="a letter left out"),
    pytest.param("select: body.*, set: {weight: ones, biass: ones}",
                 [("warning: the key 'biass' of rule 'r' meets no parameter", "Did you mean 'bias'?")],
                 id="a letter too many"),
    pytest.param("select: body.*, set: {weight: ones, banks: ones}",
                 [("info: the key 'banks' of rule 'r' meets no parameter", None)], id="two edits away"),
    pytest.param("select: body.*, set: {weight: ones, 'biasx*': ones}",
                 [("info: the key 'biasx*' of rule 'r' meets no parameter", None)], id="a glob has no near name"),
    pytest.param("select: body.*, set: {weight: ones, bias: ones, '*': zeros}",
                 [("info: the key '*' of rule 'r' decides nothing: other keys fit better", None)], id="beaten"),
    pytest.param("select: body.*, set: {bais: ones}, optional: true",
                 [("warning: the key 'bais' of rule 'r' meets no parameter", "Did you mean 'bias'?")],
                 id="a typo that makes an optional rule claim nothing"),
    pytest.param("select: frozen, set: {weight: ones, bais: ones}",
                 [("warning: the key 'bais' of rule 'r' meets no parameter", "Did you mean 'bias'?")],
                 id="beside frozen parameters"),
    pytest.param("select: {path: body.*, where: ndim == 1}, set: {'*': ones, weight: zeros}", [],
                 id="a key whose parameter fails where has met it"),
    pytest.param("select: nowhere, set: {weight: ones}, optional: true", [], id="nobody is there to have it"),
])  # fmt: skip
def test_a_key_that_meets_no_parameter(rule: str, expected: list[tuple[str, str | None]]) -> None:
    assert told(planned(f"rules: [{{rule: r, {rule}}}]", net()), "unmet-key") == expected


@pytest.mark.parametrize(("select", "expected"), [
    pytest.param("[body.0, boby.1]", [("warning: 'boby.1'", "Did you mean 'body.1'?")], id="a path one edit away"),
    pytest.param("{path: [body.0, head]}", [("info: 'head'", None)], id="an alternative that is not there"),
    pytest.param("{name: ['0', boby]}", [("warning: 'boby'", "Did you mean 'body'?")], id="a name"),
    pytest.param("{name: ['0', x1]}", [("info: 'x1'", None)], id="the number of a layer is no misspelt name"),
    pytest.param("{type: [Linear, Liner]}", [("warning: 'Liner'", "Did you mean 'Linear'?")], id="a class"),
    pytest.param("{type: [Linear, '=Conv*']}", [("info: '=Conv*'", None)], id="a glob over classes"),
    pytest.param("{path: body.*, not: bodi.0}", [("warning: 'bodi.0'", "Did you mean 'body.0'?")], id="a typo in not"),
    pytest.param("{type: Linear, inside: [body, {type: Block}]}", [("info: 'Block'", None)], id="a nested selector"),
])  # fmt: skip
def test_an_alternative_that_meets_nothing(select: str, expected: list[tuple[str, str | None]]) -> None:
    plan = planned(f"rules: [{{rule: r, select: {select}, set: {{weight: ones}}}}]", net())
    assert told(plan, "unmet-pattern") == [
        (f"{text} in the selector of rule 'r' meets no module", hint) for text, hint in expected
    ]


@pytest.mark.parametrize(("select", "found"), [
    pytest.param("[body.0, head]", 0, id="other models may have it"),
    pytest.param("[body.0, body.q]", 1, id="one edit away is most likely a typo"),
    pytest.param("[head, tail]", 0, id="a rule that meets nothing at all"),
])  # fmt: skip
def test_optional_rules_serve_many_models(select: str, found: int) -> None:
    plan = planned(f"rules: [{{rule: r, optional: true, select: {select}, set: {{weight: ones}}}}]", net())
    assert len(told(plan, "unmet-pattern")) == found


LOSES = "{rule: loses, select: body.0, set: {weight: ones}"


@pytest.mark.parametrize(("rules", "severity", "message", "hint"), [
    pytest.param(f"rules: [{LOSES}}}, {{rule: takes, select: body.*, set: {{weight: zeros}}}}]",
                 "error", "'takes' (rules.yaml:2:68) takes the one parameter that it claims",
                 "Move it below that rule, or delete it.", id="a rule of its own file"),
    pytest.param(f"rules: [{LOSES}, optional: true}}, {{rule: takes, select: body.*, set: {{weight: zeros}}}}]",
                 "error", "'takes' (rules.yaml:2:84) takes the one parameter that it claims",
                 "Move it below that rule, or delete it.", id="even if optional"),
    pytest.param(f"rules: [{LOSES}}}, {{rule: takes, lock: true, select: body.*, set: {{weight: zeros}}}}]",
                 "error", "'takes' (rules.yaml:2:68) takes the one parameter that it claims",
                 "A locked rule beats it wherever it stands: make the selectors disjoint, or delete it.", id="a lock"),
    pytest.param("rules: [{rule: loses, select: body.*, set: {weight: ones}}, "
                 "{rule: a, select: body.0, set: {weight: 2}}, {rule: b, select: body.1, set: {weight: 3}}]",
                 "error", "'a' (rules.yaml:2:68) and 'b' (rules.yaml:2:113) take all 2 that it claims",
                 "Move it below them, or delete it.", id="two rules together"),
    pytest.param(f"defaults: [{LOSES}}}]\nrules: [{{rule: takes, select: body.*, set: {{weight: zeros}}}}]",
                 "info", "'takes' (rules.yaml:3:16) takes the one parameter that it claims", None, id="a dead default"),
])  # fmt: skip
def test_a_rule_that_loses_everything(rules: str, severity: str, message: str, hint: str | None) -> None:
    found = [one for one in planned(rules, net()).findings if one.code.startswith("dead-")]
    assert [(one.severity, one.message, one.hint) for one in found] == [
        (severity, f"the rule 'loses' decides nothing: {message}", hint)
    ]


@pytest.mark.parametrize(("base", "overlay", "hint"), [
    pytest.param(f"rules: [{LOSES}}}]", "rules: [{rule: takes, select: body.*, set: {weight: zeros}}]",
                 "If that is meant, write 'remove: [loses]' in the overlay.", id="a base rule"),
    pytest.param("rules: [{rule: takes, lock: true, select: body.*, set: {weight: zeros}}]", f"rules: [{LOSES}}}]",
                 "If it should win, write 'unlock: [takes]' in the file that extends.", id="an overlay's rule"),
])  # fmt: skip
def test_a_rule_made_dead_by_another_file_is_a_warning(tmp_path: Path, base: str, overlay: str, hint: str) -> None:
    plan = planned_files(tmp_path, net(), base=base, overlay=f"extends: base.yaml\n{overlay}")
    (found,) = (one for one in plan.findings if one.code == "overridden-rule")
    assert (found.severity, found.rule, found.hint) == (Severity.WARNING, "loses", hint)


@pytest.mark.parametrize(("rule", "expected"), [
    pytest.param("select: body.*, set: {weight: ones}, decides: 2", [], id="met"),
    pytest.param("select: body.*, set: {weight: ones}, decides: count('body.*')", [], id="an expression"),
    pytest.param("select: body.0, set: {'*': ones}, decides: 1",
                 [("error: the rule 'r' must decide 1 parameter and decides 2",
                   "Change the number or the selector; it wins 'body.0.weight', 'body.0.bias'.")], id="too many"),
    pytest.param("select: frozen, set: {weight: ones}, decides: 2",
                 [("error: the rule 'r' must decide 2 parameters and decides 0",
                   "Change the number or the selector.")], id="frozen parameters are not won"),
    pytest.param("select: nowhere, set: {weight: ones}, decides: 2, optional: true", [], id="optional: nothing"),
    pytest.param("select: body.0, set: {weight: ones}, decides: 2, optional: true",
                 [("error: the rule 'r' must decide 2 parameters and decides 1",
                   "Change the number or the selector; it wins 'body.0.weight'.")], id="or exactly that many"),
    pytest.param("select: body.*, optimize: {'*': {lr_scale: 1}}, decides: 4", [], id="a rule without set"),
    pytest.param("select: body.*, set: {weight: ones}, optimize: {'*': {lr_scale: 1}}, decides: 2", [],
                 id="a rule with set counts what it sets"),
    pytest.param("select: body.*, set: {weight: ones}, decides: 1 / count('zz')",
                 [("error: '1 / count('zz')' divides by zero", "Write another number.")], id="no value"),
])  # fmt: skip
def test_decides(rule: str, expected: list[tuple[str, str | None]]) -> None:
    assert told(planned(f"rules: [{{rule: r, {rule}}}]", net()), "decides") == expected


def test_decides_counts_wins_not_claims() -> None:
    rules = (
        "[{rule: r, select: body.*, decides: 2, set: {weight: ones}}, {rule: s, select: body.0, set: {weight: zeros}}]"
    )
    (found,) = told(planned(f"rules: {rules}", net()), "decides")
    assert found[0] == "error: the rule 'r' must decide 2 parameters and decides 1"


def test_where_that_has_no_value() -> None:
    """One finding for all parameters, and no second one about a rule that claims nothing."""
    plan = planned("rules: [{rule: r, select: {path: body.*, where: module.groups > 1}, set: {weight: ones}}]", net())
    (found,) = plan.errors
    assert (found.code, found.message) == (
        "where",
        "'module' has no recorded attribute 'groups', for 'body.0.weight', 'body.1.weight'",
    )


@pytest.mark.parametrize(("where", "message"), [
    pytest.param("module.kind", "'module.kind' is the text 'plain', neither true nor false", id="text"),
    pytest.param("sizes", "'sizes' is a list, neither true nor false", id="a list"),
])  # fmt: skip
def test_where_is_a_truth(where: str, message: str) -> None:
    rules = (
        f"vars: {{sizes: [1, 2]}}\nrules: [{{rule: r, select: {{path: body.*, where: {where}}}, set: {{weight: 1}}}}]"
    )
    model = net()
    for layer in model.modules():
        layer.kind = "plain"  # type: ignore[assignment]
    (found,) = planned(rules, model).errors
    assert (found.message, found.hint) == (
        f"{message}, for 'body.0.weight', 'body.1.weight'", "Compare it: ==, != or in."
    )  # fmt: skip


def test_contested_overlaps_are_information() -> None:
    rules = (
        "[{rule: all, select: '**', set: {'*': 1}}, {rule: body, select: body.*, set: {'*': 2}}, "
        "{rule: lock, lock: true, select: body.0, set: {bias: 3}}]"
    )
    plan = planned(f"rules: {rules}", net())
    assert told(plan, "contested") == [
        ("info: 'body' takes 'body.0.weight', 'body.1.weight', 'body.1.bias' from 'all'", None)
    ]


def test_a_long_list_is_counted() -> None:
    model = isolated(lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(4))))()
    plan = planned("rules: [{rule: r, select: '*', set: {'*': orthogonal}}]", model)
    (found,) = plan.errors
    assert found.message.endswith("for '0.bias', '1.bias', '2.bias', '3.bias'")
    more = isolated(lambda: nn.Sequential(*(nn.Linear(1, 1) for _ in range(8))))()
    (found,) = planned("rules: [{rule: r, select: '*', set: {'*': orthogonal}}]", more).errors
    assert found.message.endswith("for '0.bias', '1.bias', '2.bias', '3.bias', '4.bias' and 3 more")
    assert len(found.parameters) == 8


def test_a_key_of_several_options_is_told_once() -> None:
    rule = "rules: [{rule: r, select: body.*, optimize: {'*': {lr_scale: 1}, bia: {lr_scale: 2, weight_decay: 0}}}]"
    assert len(told(planned(rule, net()), "unmet-key")) == 1


NO_EFFECT = [("info: the rule 'b' changes nothing: without it 'a' would give the same values",
              "Delete it, or say what it is for: 'allow: {no-effect: ...}'.")]  # fmt: skip


@pytest.mark.parametrize(("rules", "found"), [
    pytest.param("  - {rule: b, select: body.0, set: {weight: ones}}", NO_EFFECT, id="what was there before"),
    pytest.param("  - {rule: b, select: body.0, set: {weight: 3 - 2}}", NO_EFFECT, id="however it is written"),
    pytest.param("  - {rule: b, select: body.0, set: {weight: ones, bias: 2}}", [], id="one value is another"),
    pytest.param("  - {rule: b, select: body.0, set: {weight: ones}, optimize: {weight: {lr_scale: 1}}}", [],
                 id="what nobody else decides"),
    pytest.param("  - {rule: b, select: body.0, set: {weight: ones}, lock: true}", [], id="a lock is there on purpose"),
    pytest.param("  - {rule: b, select: body.0, set: {weight: one}}", [], id="a variable is there to be turned"),
    pytest.param("  - {rule: b, select: nowhere, optional: true, set: {weight: ones}}", [], id="no claims"),
    pytest.param("  - {rule: b, select: norm, set: {running_mean: keep}}", [], id="nobody else claims it"),
])  # fmt: skip
def test_no_effect(rules: str, found: list[tuple[str, str]]) -> None:
    body = f"vars: {{one: 1}}\ndefaults: [{{rule: a, select: '**', set: {{'*': ones}}}}]\nrules:\n{rules}"
    assert told(planned(body, net()), "no-effect") == found
