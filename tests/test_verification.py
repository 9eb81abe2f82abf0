"""Each way in which an initialisation goes wrong is planted, and named; correct models raise no alarm."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import initrules
import simulated
from initrules.construct import no_init
from initrules.errors import Severity
from initrules.planning import PlanData
from initrules.replicas import digests
from initrules.sources import Sources
from initrules.verdict import Verification
from initrules.verification import verify
from support import isolated, isolation, planned
from writing import Tied, applied, snapshot

RULES = """
defaults:
  - {rule: rest, select: '**', set: {'*': {normal: {std: 0.1}}}, optional: true}
rules:
  - {rule: hidden, select: fc, set: {weight: kaiming_uniform, bias: zeros}}
  - {rule: square, select: square, set: {weight: {orthogonal: {gain: 2}}, bias: {uniform: {bound: 0.1}}}}
  - {rule: thin, select: thin, set: {weight: {sparse: {sparsity: 0.5, std: 1}}, bias: {formula: i}}}
  - {rule: cut, select: cut, set: {weight: {trunc_normal: {std: 0.5}}, bias: {copy: square.bias}}}
  - {rule: times, select: times, set: {weight: [{normal: {std: 1}}, {repeat: {times: 4}}]}}
  - {rule: level, select: level, set: {weight: [{normal: {std: 1}}, {normalize: {std: 0.1}}]}}
  - {rule: own, select: own, set: {'*': reset}}
"""


@isolated
def net(dtype: torch.dtype = torch.float32) -> Any:
    linear = {name: nn.Linear(32, 32) for name in ("square", "thin", "cut", "times", "level", "own")}
    embed, fc = nn.Embedding(64, 16, padding_idx=3), nn.Linear(16, 64)
    return nn.Sequential(OrderedDict(embed=embed, fc=fc, **linear)).to(dtype)


def initialised(seed: int = 7) -> tuple[Any, PlanData]:
    model = net()
    plan = planned(RULES, model)
    applied_ = initrules.apply_(model, plan.rules, seed=seed)
    assert len(applied_.written) == 15
    return model, plan


def put(name: str, change: Callable[[Tensor], Any]) -> Callable[[Any], None]:
    """Plants a change of one parameter."""

    def plant(model: Any) -> None:
        with torch.no_grad():
            change(model.get_parameter(name))

    return plant


def drawn(std: float) -> Callable[[Tensor], Any]:
    return lambda tensor: tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)) * std)


def told(verdict: Verification) -> list[tuple[str, str, str]]:
    return [(one.subject, one.check, one.message) for one in verdict.problems if one.severity is Severity.ERROR]


KS = "its cumulative shares are"
PLANTED = [
    pytest.param(put("fc.weight", lambda t: t.mul_(1.3)), "fc.weight", "range",
                 "has values from -0.7927 to 0.7937, the rule's lie between -0.6124 and 0.6124", id="scaled"),
    pytest.param(put("embed.weight", lambda t: t.mul_(1.3)), "embed.weight", "spread",
                 "has std 0.133 about its mean, the rule gives 0.1", id="a wrong std"),
    pytest.param(put("embed.weight", lambda t: t[4:].add_(0.1)), "embed.weight", "mean",
                 "has mean 0.09548, the rule gives 0", id="a wrong mean"),
    pytest.param(put("cut.weight", drawn(0.44)), "cut.weight", "range",
                 "has values from -1.736 to 1.48, the rule's lie between -1 and 1", id="not cut"),
    pytest.param(put("fc.bias", lambda t: t.fill_(0.01)), "fc.bias", "value",
                 "differs in 64 of 64 values, by up to 0.01; every value is 0.01", id="a wrong constant"),
    pytest.param(put("thin.bias", lambda t: t.add_(1)), "thin.bias", "value",
                 "differs in 32 of 32 values, by up to 1", id="a wrong formula"),
    pytest.param(put("cut.bias", lambda t: t.mul_(2)), "cut.bias", "value",
                 "differs in 32 of 32 values, by up to 0.09952", id="a wrong copy"),
    pytest.param(put("square.weight", lambda t: t.mul_(1.001)), "square.weight", "orthogonality",
                 "is not orthogonal with gain 2: W·Wᵀ is up to 0.00801 off, 1.68e+04 eps (rounding explains 47.3)",
                 id="a wrong gain"),
    pytest.param(put("square.weight", lambda t: t.copy_(2 * torch.eye(32))), "square.weight", "shape",
                 "is orthogonal, but no random matrix: its sum is 1 of the largest possible one", id="an identity"),
    pytest.param(put("thin.weight", drawn(0.7)), "thin.weight", "value",
                 "has a column with 0 zeros, the rule gives 16", id="not sparse"),
    pytest.param(put("times.weight", drawn(1)), "times.weight", "value",
                 "does not repeat each slice of dimension 0 4 times", id="not repeated"),
    pytest.param(put("level.weight", lambda t: t.mul_(1.01)), "level.weight", "value",
                 "has a std that is up to 0.001 away from 0.1", id="not normalized"),
    pytest.param(put("own.weight", lambda t: t.mul_(1.5)), "own.weight", "shape",
                 f"has another distribution than Linear.reset_parameters gives it: {KS} 0.186 off (Kolmogorov-Smirnov)",
                 id="not as torch resets it"),
    pytest.param(put("embed.weight", lambda t: t[3].fill_(0.1)), "embed.weight", "padding",
                 "is not zero in row 3, the padding row", id="a padding row"),
    pytest.param(put("fc.weight", lambda t: t[0, :2].fill_(torch.nan)), "fc.weight", "finite",
                 "has 2 values of 1,024 that are not finite", id="not finite"),
    pytest.param(put("fc.weight", lambda t: t[1].copy_(t[0])), "fc.weight", "copies",
                 "has slices along dimension 0 that are equal: 64 of them, 63 different", id="equal rows"),
]  # fmt: skip


@pytest.mark.parametrize(("plant", "name", "check", "message"), PLANTED)
def test_a_planted_failure_is_named_without_the_seed(
    plant: Callable[[Any], None], name: str, check: str, message: str
) -> None:
    model, plan = initialised()
    plant(model)
    before = snapshot(model)
    found = told(verify(model, plan))
    assert (name, check, message) in found
    assert {subject for subject, _, _ in found} == {name}
    assert snapshot(model) == before


@pytest.mark.parametrize(("plant", "name", "check", "message"), PLANTED)
def test_a_planted_failure_is_named_with_the_seed(
    plant: Callable[[Any], None], name: str, check: str, message: str
) -> None:
    del check, message
    model, plan = initialised()
    plant(model)
    verdict = verify(model, plan, seed=7)
    assert {problem.subject for problem in verdict.problems} == {name}
    assert not verdict.ok


def test_a_correct_model_is_recomputed_bit_for_bit() -> None:
    model, plan = initialised()
    verdict = verify(model, plan, seed=7)
    assert told(verdict) == []
    assert (verdict.recomputed, verdict.tested, verdict.left, verdict.untested) == (15, 0, 0, ())


def test_a_single_entry_that_is_off_by_one_bit_is_found() -> None:
    model, plan = initialised()
    with torch.no_grad():
        model.cut.weight[3, 4] = torch.nextafter(model.cut.weight[3, 4], torch.tensor(9.0))
    (found,) = told(verify(model, plan, seed=7))
    assert found[:2] == ("cut.weight", "value")
    assert found[2].startswith("differs in 1 of 1,024 values, by up to ")


def test_another_seed_is_told_from_another_rule() -> None:
    model, plan = initialised()
    verdict = verify(model, plan, seed=8)
    said = {one.subject: one.message.partition(" from what")[2] for one in verdict.problems}
    fits = " seed 8 gives; they fit the rule, so that another seed may have drawn them"
    assert said["embed.weight"] == fits
    assert {name for name, message in said.items() if message == fits} == {
        "embed.weight", "fc.weight", "square.weight", "square.bias", "thin.weight", "cut.weight", "times.weight",
        "times.bias", "level.weight", "level.bias", "own.weight", "own.bias",
    }  # fmt: skip
    with torch.no_grad():
        model.embed.weight.mul_(3)
    (found,) = verify(model, plan, seed=8).of("embed.weight")
    assert found.message == (
        "differs in 1,008 of 1,024 values, by up to 1.104 from what seed 8 gives; it has std 0.3068 about its mean, "
        "the rule gives 0.1"
    )


# Ties, structure, what was never written


def test_a_tie_that_broke() -> None:
    model = isolated(Tied)()
    plan = planned("rules: [{rule: r, select: '**', set: {weight: {normal: {std: 1}}}}]", model)
    initrules.apply_(model, plan.rules, seed=0)
    model.out.weight = nn.Parameter(model.out.weight.detach().clone())
    assert told(verify(model, plan, seed=0)) == [("out.weight", "tie", "is no longer one tensor with 'embed.weight'")]


def test_other_structures() -> None:
    model, plan = initialised()
    model.cut = isolated(nn.Linear)(3, 32)
    model.own.half()
    model.more = isolated(nn.Linear)(1, 1, bias=False)
    model.thin.bias = None
    model.fc.to("meta")
    model.level.weight = nn.UninitializedParameter()
    found = told(verify(model, plan, seed=7))
    assert [one for one in found if one[1] == "structure"] == [
        ("fc.weight", "structure", "is on the meta device and has no values"),
        ("fc.bias", "structure", "is on the meta device and has no values"),
        ("thin.bias", "structure", "is not in the model"),
        ("cut.weight", "structure", "has shape 32×3, the plan is for 32×32"),
        ("level.weight", "structure", "is lazy and has no values yet"),
        ("own.weight", "structure", "is float16, the plan is for float32"),
        ("own.bias", "structure", "is float16, the plan is for float32"),
        ("more.weight", "structure", "is not in the plan"),
    ]
    assert {name for name, check, _ in found if check != "structure"} == {"cut.bias"}


def test_what_was_never_written_is_said_to_be_as_before() -> None:
    model, plan = net(), planned(RULES, net())
    before = digests(model)
    verdict = verify(model, plan, seed=7, before=before)
    assert "fc.weight" in {one.subject for one in verdict.problems}
    assert all(
        one.message.endswith("; it was never written: its values are those from before") for one in verdict.problems
    )
    initrules.apply_(model, plan.rules, seed=7)
    assert verify(model, plan, seed=7, before=before).ok


def test_a_layer_as_torch_leaves_it_is_recognised() -> None:
    model, plan = initialised()
    with isolation():
        model.cut.reset_parameters()
    (found,) = [
        message for name, check, message in told(verify(model, plan)) if (name, check) == ("cut.weight", "spread")
    ]
    assert found == (
        "has std 0.1032 about its mean, the rule gives 0.4398; it looks as Linear.reset_parameters leaves it, so that "
        "it was never written"
    )


def test_what_cannot_be_tested_but_is_as_before_is_named() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(40))

        def reset_parameters(self) -> None:
            nn.init.normal_(self.weight)

    model = Own()
    plan = planned("rules: [{rule: r, select: '', set: {weight: reset}}]", model)
    verdict = verify(model, plan, before=digests(model))
    assert told(verdict) == [("weight", "unchanged", "was never written: its values are those from before")]
    name = f"{Own.__module__}.{Own.__qualname__}"
    assert verdict.untested == (("weight", f"'{name}' resets it by code of its own; give the seed to recompute it"),)


def test_what_was_built_under_no_init_and_not_written() -> None:
    with no_init():
        model = nn.Linear(4, 4)
    plan = planned("rules: [{rule: r, select: '', set: {weight: {normal: {std: 1}}, bias: zeros}}]", model)
    assert ("weight", "unchanged", "was built under 'no_init' and never written") in told(verify(model, plan, seed=0))


def test_two_parameters_with_the_same_values() -> None:
    model: Any = nn.Sequential(*(isolated(nn.Linear)(8, 8, bias=False) for _ in range(3)))
    plan = planned("rules: [{rule: r, select: '*', set: {weight: {normal: {std: 1}}}}]", model)
    initrules.apply_(model, plan.rules, seed=0)
    with torch.no_grad():
        model[2].weight.copy_(model[0].weight)
    assert told(verify(model, plan)) == [
        ("2.weight", "copies", "begins with the same values as '0.weight', though each is drawn by itself")
    ]


# Parametrized weights


WRAPPED = """
rules:
  - {rule: r, select: '', set: {weight: {normal: {std: 1}}, bias: zeros}, parametrize: {weight: WRAP}}
"""


@pytest.mark.parametrize("wrap", ["spectral_norm", "weight_norm", "orthogonal"])
@pytest.mark.parametrize("training", [True, False])
def test_wrapped_weights(wrap: str, training: bool) -> None:
    value = "orthogonal" if wrap == "orthogonal" else "{normal: {std: 1}}"
    model = isolated(nn.Linear)(40, 20).train(training)
    plan = planned(WRAPPED.replace("WRAP", wrap).replace("{normal: {std: 1}}", value), model)
    initrules.apply_(model, plan.rules, seed=0)
    before = snapshot(model)
    for seed in (0, None):
        verdict = verify(model, plan, seed=seed)
        assert (told(verdict), verdict.untested) == ([], ())
    assert snapshot(model) == before
    assert not verify(model, plan, seed=1).ok


def test_a_spectral_norm_whose_vectors_are_stale() -> None:
    model: Any = isolated(nn.Linear)(40, 20)
    plan = planned(WRAPPED.replace("WRAP", "spectral_norm"), model)
    initrules.apply_(model, plan.rules, seed=0)
    with isolation(), torch.no_grad():
        model.parametrizations.weight.original.normal_()
    found = [one for one in told(verify(model, plan)) if one[1] == "parametrization"]
    assert found == [(
        "weight", "parametrization",
        "has spectral norm 5.382 instead of 1: its vectors u and v estimate 1.889, the largest singular value is 10.17",
    )]  # fmt: skip


def test_a_spectral_norm_on_zeros() -> None:
    with isolation():
        model: Any = parametrizations.spectral_norm(nn.Linear(4, 4))
    plan = planned("rules: [{rule: r, select: '', set: {weight: {normal: {std: 1}}}}]", model)
    with torch.no_grad():
        model.parametrizations.weight.original.zero_()
    assert told(verify(model, plan)) == [
        ("weight", "finite", "has 16 values of 16 that are not finite after its parametrization (SpectralNorm)")
    ]


# What cannot be recomputed, and small parameters


def test_what_is_changed_in_place_is_said_to_be_untestable() -> None:
    model: Any = isolated(nn.Linear)(4, 4)
    plan = planned("rules: [{rule: r, select: '', set: {weight: [keep, {scale: 2}], bias: keep}}]", model)
    initrules.apply_(model, plan.rules, seed=0)
    verdict = verify(model, plan, seed=0)
    assert verdict.untested == (("weight", "it was changed in place, and what was there before is not known"),)
    assert (verdict.left, verdict.ok) == (1, True)


def test_small_parameters_are_pooled_by_rule() -> None:
    model: Any = nn.Sequential(*(isolated(nn.Linear)(5, 1, bias=False) for _ in range(40)))
    plan = planned("rules: [{rule: r, select: '*', set: {weight: {normal: {std: 1}}}}]", model)
    initrules.apply_(model, plan.rules, seed=0)
    assert verify(model, plan).tests == 2
    with torch.no_grad():
        for layer in model:
            layer.weight.mul_(2)
    assert told(verify(model, plan)) == [(
        "0.weight", "spread",
        "and 39 others of the rule, pooled and in units of its std: has std 1.952 about its mean, the rule gives 1",
    )]  # fmt: skip
    few = verify(model[:3], planned(
        "rules: [{rule: r, select: '*', set: {weight: {normal: {std: 1}}}}]", model[:3]))  # fmt: skip
    assert few.untested == tuple((f"{n}.weight", "15 values are too few for a test") for n in range(3))
    assert few.tested == 0


def test_global_streams_are_tested_though_a_seed_is_given() -> None:
    model = net()
    plan = planned(f"stream: global\n{RULES}", model)
    with isolation():
        applied(f"stream: global\n{RULES}", model)
    verdict = verify(model, plan, seed=0)
    assert (verdict.seed, verdict.recomputed, verdict.tested, told(verdict)) == (None, 3, 12, [])


def test_loads_are_compared() -> None:
    model = isolated(nn.Linear)(2, 2, bias=False)
    text = (
        "initrules: 1\nsources: {s: {file: x.pt}}\nrules: [{rule: r, select: '', set: {weight: {load: {source: s}}}}]"
    )
    plan = initrules.plan(model, initrules.from_text(text), sources={"s": {"weight": torch.ones(2, 2)}})
    plan.apply_()
    assert initrules.verify(model, plan).recomputed == 1
    model.weight.data[0] = 3
    assert told(initrules.verify(model, plan)) == [("weight", "value", "differs in 2 of 4 values, by up to 2")]
    assert Sources({}).catalogs == {}


@pytest.mark.parametrize("seed", [pytest.param(7, id="recomputed"), pytest.param(None, id="tested")])
def test_progress_is_told_of_every_parameter_that_the_plan_writes(seed: int | None) -> None:
    model, plan = initialised()
    steps: list[None] = []
    assert verify(model, plan, seed=seed, on_row=lambda: steps.append(None)).ok
    assert len(steps) == 15


# Correct models


@pytest.mark.parametrize("tens", range(20))
def test_correct_models_raise_no_alarm(tens: int) -> None:
    """Ten random models each: architectures, dtypes, values, keyed and torch's own streams."""
    for number in range(10 * tens, 10 * tens + 10):
        assert told(simulated.verdict_of(number)) == [], number


def test_a_wrong_std_is_found() -> None:
    """A std that is 10 % off in 1,000 values, 50 samples each: an error is certain for a uniform, rare for a normal.

    No test could do better: 10 % are 4.5 standard errors of a normal's std, a chance of one in a million is 4.9. So
    a warning, at a chance of one in a hundred, tells it.
    """
    rate = {
        (law, std, budget): sum(odd < budget for odd in odds)
        for law in ("normal", "uniform") for std in (0.9, 1.1)
        for odds in ([simulated.chance(std, 1000, seed, law) for seed in range(50)],)
        for budget in (1e-6, 1e-2)
    }  # fmt: skip
    assert all(count >= 49 for (law, _, _), count in rate.items() if law == "uniform")
    assert [rate["normal", std, 1e-2] for std in (0.9, 1.1)] == [50, 45]
    assert [rate["normal", std, 1e-6] for std in (0.9, 1.1)] == [16, 7]
