"""Plans: what a row says, what stops one, and why claims lose."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from initrules.apply import apply_
from initrules.planning import PlanData
from support import isolated, messages, planned, planned_files


@isolated
def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))


def test_a_row_for_every_parameter_and_buffer() -> None:
    model = nn.Sequential(isolated(lambda: nn.Linear(2, 2))(), nn.BatchNorm1d(2))
    assert [row.path for row in planned("", model).rows] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked",
    ]  # fmt: skip


def test_a_row_is_found_by_any_name() -> None:
    layer = isolated(lambda: nn.Linear(2, 2))()
    plan = planned("", nn.ModuleDict({"a": layer, "b": layer}))
    assert plan.row("b.weight") is plan.row("a.weight") is plan.rows[0]
    assert plan.row("c.weight") is None


def test_what_a_decision_says() -> None:
    plan = planned(
        'vars: {g: sqrt(4)}\nrules: [{rule: r, why: a test, select: "<n>", '
        "set: {weight: {orthogonal: {gain: g}}}, optimize: {weight: {lr_scale: n + 1}}}]",
        net(),
    )
    row = plan.row("2.weight")
    assert row is not None
    assert row.value is not None
    value = row.value
    assert (value.rule, value.why, value.written, value.summary) == (
        "r", "a test", "{orthogonal: {gain: g}}", "orthogonal gain=2",
    )  # fmt: skip
    assert (value.span.place, value.captures, value.writes, value.lock) == ("rules.yaml:3:61", {"n": 2}, True, False)
    assert row.moments == (0.0, 2 / 2)
    assert (row.decisions["lr_scale"].actions[0].value, row.target.fans()) == (3, (4, 2))


@pytest.mark.parametrize(("rules", "losers"), [
    pytest.param("rules: [{rule: a, select: '*', set: {'*': 1}}, {rule: b, select: '0', set: {weight: 2}}]",
                 [("a", "1", "'b' stands later")], id="in one file"),
    pytest.param("rules: [{rule: b, lock: true, select: '0', set: {weight: 2}}, {rule: a, select: '*', set: {'*': 1}}]",
                 [("a", "1", "'b' is locked")], id="a lock"),
    pytest.param("defaults: [{rule: a, select: '*', set: {'*': 1}}]\nrules: [{rule: b, select: '0', set: {weight: 2}}]",
                 [("a", "1", "'b' is a rule, and rules beat defaults")], id="a default"),
    pytest.param("rules: [{rule: a, select: '*', set: {'*': 1}}, {rule: c, select: '*', set: {'*': zeros}}, "
                 "{rule: b, select: '0', set: {weight: 2}}]",
                 [("c", "zeros", "'b' stands later"), ("a", "1", "'b' stands later")], id="the nearest loser first"),
])  # fmt: skip
def test_why_claims_lose(rules: str, losers: list[tuple[str, str, str]]) -> None:
    row = planned(rules, net()).row("0.weight")
    assert row is not None
    assert row.value is not None
    assert row.value.rule == "b"
    assert [(one.rule, one.written, one.reason) for one in row.value.losers] == losers


def test_a_later_file(tmp_path: Path) -> None:
    base = "rules: [{rule: a, select: '*', set: {'*': 1}}]"
    top = "extends: base.yaml\nrules: [{rule: b, select: '0', set: {weight: 2}}]"
    row = planned_files(tmp_path, net(), base=base, top=top).row("0.weight")
    assert row is not None
    assert row.value is not None
    assert row.value.losers[0].reason == "'b' stands in a later file"


def test_tallies() -> None:
    rules = "rules: [{rule: a, select: '*', set: {'*': 1}}, {rule: b, select: '0', set: {weight: 2}}]"
    assert [(t.rule, t.tier.name, t.claimed, t.won, dict(t.taken)) for t in planned(rules, net()).tallies] == [
        ("a", "RULE", 4, 3, {"b": 1}), ("b", "RULE", 1, 1, {}),
    ]  # fmt: skip


def tied() -> nn.Module:
    """One tensor as a convolution (out, in, 1) and as a transposed one (in, out, 1)."""
    model = nn.ModuleDict({"conv": nn.Conv1d(2, 6, 1, bias=False), "back": nn.ConvTranspose1d(6, 2, 1, bias=False)})
    model["back"].weight = model["conv"].weight
    return model


@pytest.mark.parametrize("other", ["freeze: false", "lr_scale: 1", "weight_decay: 1"])
def test_the_target_is_that_of_the_value(other: str) -> None:
    """Fans for the draw come from the claim on the value, whatever else is claimed by another name."""
    rules = (
        f"rules: [{{rule: o, select: conv, optimize: {{weight: {{{other}}}}}}}, "
        "{rule: s, select: back, set: {weight: kaiming_normal}}]"
    )
    row = planned(rules, isolated(tied)()).row("conv.weight")
    assert row is not None
    assert row.moments is not None
    assert row.target.fans() == (6, 2)
    assert row.moments.std == pytest.approx((2 / 6) ** 0.5)


@pytest.mark.parametrize(("rule", "message"), [
    pytest.param("select: '*', set: {'*': orthogonal}",
                 "rules.yaml:2:43: orthogonal needs at least 2 dimensions, this parameter has 1, "
                 "for '0.bias', '2.bias'\n"
                 "    rules: [{rule: r, select: '*', set: {'*': orthogonal}}]\n"
                 "                                              ^^^^^^^^^^\n"
                 "  Name the key 'weight', or select layers whose parameter is a matrix.", id="a shape"),
    pytest.param("select: '*', parametrize: {bias: spectral_norm}",
                 "rules.yaml:2:52: spectral_norm needs at least 2 dimensions, this parameter has 1, "
                 "for '0.bias', '2.bias'", id="a parametrization"),
    pytest.param("select: '2', set: {weight: 1 / (module.in_features - 4)}",
                 "rules.yaml:2:46: '1 / (module.in_features - 4)' divides by zero, for '2.weight'", id="an expression"),
])  # fmt: skip
def test_a_value_that_the_parameter_cannot_take(rule: str, message: str) -> None:
    """One finding for all parameters of a declaration, at the value's own place."""
    (found,) = messages(planned(f"rules: [{{rule: r, {rule}}}]", net()), "value")
    assert found.startswith(message)


def test_a_loser_needs_no_value() -> None:
    broken = "{rule: a, select: '*', set: {weight: 1 / (module.in_features - 2)}}"
    rules = f"rules: [{broken}, {{rule: b, select: '*', set: {{weight: 1, bias: 0}}}}]"
    assert {one.code for one in planned(rules, net()).errors} == {"dead-rule"}


def test_a_broken_value_is_no_moments() -> None:
    plan = planned("rules: [{rule: r, select: '*', set: {bias: orthogonal, weight: 1 / (size(0) - 4)}}]", net())
    assert [row.moments for row in plan.rows] == [None, None, (-0.5, 0.0), None]


@pytest.mark.parametrize(("block", "found"), [
    pytest.param("set: {weight: zeros}", 1, id="a value"),
    pytest.param("set: {weight: [keep, {scale: 2}]}", 1, id="a transform"),
    pytest.param("set: {weight: keep}", 0, id="keep"),
    pytest.param("parametrize: {weight: spectral_norm}", 1, id="a parametrization"),
    pytest.param("optimize: {weight: {lr_scale: 2}}", 0, id="an option needs no shape"),
])  # fmt: skip
def test_lazy_parameters(block: str, found: int) -> None:
    plan = planned(f"rules: [{{rule: r, select: '', {block}}}]", isolated(lambda: nn.LazyLinear(2))())
    assert [(one.message, one.hint) for one in plan.errors] == [
        (
            "its shape is not known yet: it is a lazy parameter, for 'weight'",
            "Run the model once before planning, or leave this parameter to its module.",
        )
    ] * found


def test_findings_stand_worst_first_then_by_place() -> None:
    plan = planned(
        "rules:\n  - {rule: a, select: '0', set: {weight: ones, bais: 1}}\n"
        "  - {rule: b, select: '9', set: {weight: 1}}\n"
        "  - {rule: c, select: '2', set: {weight: 1, z: 1}}",
        net(),
    )
    assert [one.code for one in plan.findings] == ["claims-nothing", "unmet-key", "unclaimed", "unmet-key"]
    assert [one.code for one in plan.errors] == ["claims-nothing"]


def fingerprint(rules: str, model: nn.Module) -> str:
    return planned(rules, model).fingerprint()


KAIMING = "rules: [{rule: r, select: '**', set: {weight: kaiming_normal}}]"


def test_the_fingerprint_changes_with_what_values_depend_on() -> None:
    """The same action on the same shape with other fans draws other values."""
    grouped = isolated(lambda: nn.Conv1d(4, 4, 1, groups=2))()
    plain = isolated(lambda: nn.Conv1d(2, 4, 1))()
    assert grouped.weight.shape == plain.weight.shape
    mode = KAIMING.replace("kaiming_normal", "{kaiming_normal: {mode: fan_out}}")
    assert fingerprint(mode, grouped) != fingerprint(mode, plain)
    padded = isolated(lambda: nn.Embedding(3, 2, padding_idx=0))()
    assert fingerprint(KAIMING, padded) != fingerprint(KAIMING, isolated(lambda: nn.Embedding(3, 2))())


def test_the_fingerprint_does_not_change_with_names_of_rules_or_order() -> None:
    model = net()
    other = nn.Sequential()
    for name in ("2", "1", "0"):
        other.add_module(name, getattr(model, name))
    renamed = KAIMING.replace("rule: r", "why: another, rule: other")
    assert fingerprint(KAIMING, model) == fingerprint(renamed, model) == fingerprint(KAIMING, other)


def test_a_global_stream_reads_fans_as_torch_does() -> None:
    rules = "stream: global\nrules: [{rule: r, select: '**', set: {weight: fan_in}}]"
    model = isolated(lambda: nn.ConvTranspose1d(6, 2, 1, bias=False))()
    row = planned(rules, model).rows[0]
    assert row.value is not None
    assert row.value.actions[0].value == 2


def test_two_plans_of_one_model_are_equal() -> None:
    def data(plan: PlanData) -> object:
        return plan.rows, plan.findings, plan.tallies

    assert data(planned(KAIMING, net())) == data(planned(KAIMING, net()))
    assert torch.equal(*(dict(net().named_parameters())["0.weight"] for _ in range(2)))


def tied_table() -> nn.Module:
    model = nn.ModuleDict({"table": nn.Embedding(400, 2), "head": nn.Linear(2, 400, bias=False)})
    model["head"].weight = model["table"].weight
    return model


@pytest.mark.parametrize(("owner", "bound"), [
    pytest.param("table", 5.0, id="N(0, 1) of an embedding"),
    pytest.param("head", 2**-0.5, id="U(-1/√2, 1/√2) of a linear layer with two inputs"),
])  # fmt: skip
def test_a_reset_is_that_of_the_first_name_that_was_met(owner: str, bound: float) -> None:
    model = isolated(tied_table)()
    plan = planned(f"rules: [{{rule: r, select: {owner}, set: {{weight: reset}}}}]", model)
    apply_(model, plan)
    largest = max(float(parameter.detach().abs().max()) for parameter in model.parameters())
    assert plan.rows[0].target.met == f"{owner}.weight"
    assert bound / 2 < largest <= bound


@pytest.mark.parametrize(("value", "hint"), [
    pytest.param("{uniform: {low: 1, high: 0}}", "Swap the two: {uniform: {low: -1, high: 1}}.", id="bounds"),
    pytest.param("{trunc_normal: {std: 1, low: 1, high: 0}}", "Swap the two.", id="cuts"),
    pytest.param("{trunc_normal: {std: 1, low: 50, high: 60}}",
                 "Move 'low' and 'high' towards the mean, or leave them out.", id="cut off"),
    pytest.param("{sparse: {sparsity: 2}}", "Write a number from 0 to 1.", id="share"),
    pytest.param("1e300", "Choose smaller values, or store the parameter in a wider dtype.", id="overflow"),
    pytest.param("[zeros, {repeat: {times: 3}}]",
                 "Choose a number that divides it, or select the layers that it divides.", id="repeat"),
    pytest.param("dirac", "Select layers whose parameter has them, or choose another action.", id="dimensions"),
    pytest.param("{parts: {q: zeros}}", "Give them: {dim: 0, sizes: {q: 64, kv: 32}}.", id="parts"),
    pytest.param("{parts: {dim: 5, sizes: [1, 1], each: zeros}}", "Count dimensions from 0.", id="dim"),
])  # fmt: skip
def test_a_value_that_does_not_fit_has_a_way_out(value: str, hint: str) -> None:
    plan = planned(f"rules: [{{rule: r, select: '0', set: {{weight: {value}}}}}]", net())
    assert {finding.hint for finding in plan.findings if finding.code in {"value", "empty-cut"}} == {hint}
