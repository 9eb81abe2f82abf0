"""What a rule file expects of outputs and gradients, met and not met, in each mode."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import initrules
from initrules.errors import EvaluationError, ModelError
from initrules.expectations import check
from initrules.verdict import Problem
from reference import example
from support import isolated, planned
from writing import snapshot


class Doubling(nn.Module):
    """Twice as large while training, so that modes can be told apart."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (2 if self.training else 1)


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(self.scale * 0) * x


@isolated
def net(last: nn.Module | None = None) -> Any:
    layers: dict[str, nn.Module] = {
        "body": nn.Linear(3, 4), "act": nn.Tanh(), "head": nn.Linear(4, 2), "last": last or Doubling()
    }  # fmt: skip
    model: Any = nn.Sequential(OrderedDict(layers))
    nn.init.zeros_(model.head.weight)
    nn.init.constant_(model.head.bias, 0.25)
    return model


KEPT = "rules: [{rule: r, select: '**', set: {'*': keep}}]"
INPUTS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


def problems(expect: str, model: Any = None, inputs: Any = INPUTS) -> list[Problem]:
    model = net() if model is None else model
    plan = planned(
        f"vars: {{v: 0.5}}\nexpect: [{expect}]\nrules: [{{rule: r, select: '**', set: {{'*': keep}}}}]", model
    )
    before = snapshot(model)
    found = check(model, plan, inputs)
    assert snapshot(model) == before
    return found


@pytest.mark.parametrize("expect", [
    pytest.param("{output: '', near: v, modes: [train]}", id="near, a variable, in train mode"),
    pytest.param("{output: '', near: v / 2, modes: [eval]}", id="in eval mode"),
    pytest.param("{output: head, near: 0.2, tolerance: 0.06}", id="the output of a module, about"),
    pytest.param("{output: head, within: [0.2, 0.3]}", id="within"),
    pytest.param("{output: head, through: -log(x), near: log(4)}", id="through an expression"),
    pytest.param("{output: head, through: sigmoid, near: 1 / (1 + exp(-0.25))}", id="through a function"),
    pytest.param("{output: head, through: identity, near: 0.25}", id="through nothing"),
    pytest.param("{output: head, through: x + v, near: 0.75}", id="through a variable"),
    pytest.param("{output: [body, act], varies: true}", id="several modules vary"),
    pytest.param("{output: '{head,last}', varies: false}", id="constant over examples"),
    pytest.param("{gradient: head, reaches: true}", id="a gradient"),
    pytest.param("{gradient: body, reaches: false}", id="no gradient below a zero layer"),
    pytest.param("{gradient: '**', reaches: true, after: 1}", id="but after one update"),
])  # fmt: skip
def test_what_is_met(expect: str) -> None:
    assert problems(expect) == []


@pytest.mark.parametrize(("expect", "subject", "message"), [
    pytest.param("{output: '', near: v}", "",
                 "has a mean output of 0.25 in eval mode, expected 0.5 ± 1e-05", id="near"),
    pytest.param("{output: head, within: [0, 0.2], modes: [eval]}", "head",
                 "has outputs from 0.25 to 0.25 in eval mode, expected within [0, 0.2]", id="within"),
    pytest.param("{output: head, through: x**2, near: 1, modes: [train]}", "head",
                 "has a mean output of 0.0625 through x ** 2 in train mode, expected 1 ± 1e-05", id="through"),
    pytest.param("{output: head, varies: true, modes: [eval]}", "head",
                 "has an output that is the same for all examples in eval mode", id="constant"),
    pytest.param("{output: body, varies: false, modes: [eval]}", "body",
                 "has an output that varies between examples in eval mode", id="not constant"),
    pytest.param("{output: head, through: log(x - 1), near: 1, modes: [eval]}", "head",
                 "has an output with 10 of 10 values not finite through log(x - 1) in eval mode", id="not finite"),
    pytest.param("{output: haed, near: 1}", "haed", "is no module of this model", id="no module"),
    pytest.param("{gradient: head, reaches: false, modes: [train]}", "head.weight", "gets a gradient in train mode",
                 id="a gradient that should not be"),
    pytest.param("{gradient: body, reaches: true, modes: [eval]}", "body.weight", "gets no gradient in eval mode",
                 id="no gradient"),
])  # fmt: skip
def test_what_is_not_met(expect: str, subject: str, message: str) -> None:
    found = problems(expect)
    assert (found[0].subject, found[0].message) == (subject, message)
    assert {problem.check for problem in found} == {"gradient" if "gradient" in expect else "output"}
    assert found[0].span is not None
    assert found[0].span.place.startswith("rules.yaml:3:")


def test_a_module_that_the_inputs_do_not_reach() -> None:
    (found, _) = problems("{output: head, near: 1}", inputs={"body": INPUTS})
    assert (found.subject, found.message) == (
        "head", "gave no output in train mode: the inputs do not reach it"
    )  # fmt: skip


def test_a_gradient_that_is_not_finite() -> None:
    (found,) = problems("{gradient: last, reaches: true, modes: [eval]}", net(Broken()))
    assert (found.subject, found.message) == ("last.scale", "gets a gradient that is not finite in eval mode")


def test_frozen_parameters_are_not_asked_for_gradients() -> None:
    model = net()
    model.body.requires_grad_(requires_grad=False)
    assert problems("{gradient: '**', reaches: true}", model) == []
    model.requires_grad_(requires_grad=False)
    with pytest.raises(ModelError) as caught:
        problems("{gradient: '**', reaches: true}", model)
    assert caught.value.message == "no output in train mode depends on a parameter that can be trained"


@pytest.mark.parametrize(("expect", "message"), [
    pytest.param("{output: head, near: head}", None, id="an unknown name"),
    pytest.param("{output: head, near: root.absent}", None, id="an attribute that is not there"),
    pytest.param("{output: head, near: 1 > 0}", "'1 > 0' must be a number, not True", id="no number"),
    pytest.param("{gradient: head, reaches: true, after: 0.5}", None, id="half an update"),
    pytest.param("{gradient: head, reaches: true, after: 1000}",
                 "'after' must be a whole number from 0 to 100, not 1000",
                 id="too many updates"),
])  # fmt: skip
def test_values_that_cannot_be(expect: str, message: str | None) -> None:
    with pytest.raises(initrules.RuleError) as caught:
        problems(expect)
    assert message is None or (isinstance(caught.value, EvaluationError) and caught.value.message == message)


def test_nothing_expected_runs_nothing() -> None:
    model = net()
    assert check(model, planned(KEPT, model), object()) == []


@pytest.mark.parametrize("name", ["gpt2", "resnet", "vit", "fixup"])
def test_shipped_rule_sets_let_every_parameter_of_their_example_learn(name: str) -> None:
    model = isolated(example(name).build)()
    plan = initrules.plan(model, f"preset:{name}")
    plan.apply_(seed=0)
    verdict = initrules.verify(model, plan, example(name).example_inputs(), seed=0)
    assert (verdict.problems, verdict.expected) == ((), 1)
