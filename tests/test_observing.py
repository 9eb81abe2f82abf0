"""What stands around the layers of real models; that a run leaves nothing behind; that rules read it."""

# ruff: noqa: E501  # whole messages in one line

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import initrules
from initrules import recording, ruleset
from initrules.errors import ModelError
from initrules.observing import observe, survey_with
from initrules.readings import Fact
from preset_models import bert, gpt2, llama, ppo_policy, resnet, torch_encoder
from support import isolated, isolation
from test_tracing import CHOICE, KEPT, Net, x

BRANCH = f"– it ends a residual branch: {CHOICE}"
END = f"– its output is the model's: {CHOICE}"


def told(fact: Fact) -> str:
    return f"{'–' if fact.gain is None else f'{fact.gain:.4g}'} {fact.why}"


def ids() -> Tensor:
    return torch.arange(16).view(2, 8)


def image() -> Tensor:
    return torch.zeros(2, 3, 32, 32)


@pytest.mark.parametrize(("build", "inputs", "wanted"), [
    pytest.param(gpt2, ids, {
        "transformer.h.1.attn.c_attn": "– its output goes into Split, for which there is no gain",
        "transformer.h.1.attn.c_proj": BRANCH,
        "transformer.h.1.mlp.c_fc": f"1.534 {KEPT}",
        "transformer.h.1.mlp.c_proj": BRANCH,
        "lm_head": END,
    }, id="GPT-2"),
    pytest.param(bert, lambda: {"input_ids": ids()}, {
        "bert.encoder.layer.0.attention.self.query": "– its output goes into attention, for which there is no gain",
        "bert.encoder.layer.0.intermediate.dense": f"1.534 {KEPT}",
        "bert.encoder.layer.0.output.dense": BRANCH,
        "bert.pooler.dense": "1.667 torch recommends it",
        "classifier": END,
    }, id="BERT"),
    pytest.param(llama, ids, {
        "model.layers.0.mlp.gate_proj": "– SiLU gates another signal: their product has no known gain",
        "model.layers.0.mlp.up_proj": "– its output goes into Mul, for which there is no gain",
        "model.layers.0.mlp.down_proj": BRANCH,
    }, id="Llama"),
    pytest.param(torch_encoder, lambda: torch.zeros(2, 3, 32), {
        "layers.0.linear1": "1.414 torch recommends it",
        "layers.0.linear2": BRANCH,
        "layers.0.self_attn.out_proj": "– it was not called as a module on these inputs",
    }, id="torch's encoder"),
    pytest.param(resnet, image, {
        "resnet.encoder.stages.1.layers.1.layer.1.convolution": "– a norm follows, which takes any gain away",
        "classifier.1": END,
    }, id="ResNet"),
    pytest.param(ppo_policy, lambda: torch.zeros(2, 4), {
        "mlp_extractor.policy_net.0": "1.667 torch recommends it",
        "mlp_extractor.policy_net.2": "1.667 torch recommends it",
        "action_net": "– its output goes to 2 consumers: Logsumexp, Sub",
        "value_net": END,
    }, id="a PPO policy"),
])  # fmt: skip
def test_gains_of_real_models(build: Callable[[], Any], inputs: Callable[[], Any], wanted: dict[str, str]) -> None:
    found = {one.path: told(one) for one in observe(isolated(build)(), inputs())}
    assert {path: found[path] for path in wanted} == wanted


@pytest.mark.parametrize(("build", "inputs", "ends", "last"), [
    pytest.param(gpt2, ids, ["transformer.h.0.attn.c_proj", "transformer.h.0.mlp.c_proj",
                             "transformer.h.1.attn.c_proj", "transformer.h.1.mlp.c_proj"], ["lm_head"], id="GPT-2"),
    pytest.param(resnet, image, [f"resnet.encoder.stages.{n}.layer.1.convolution" for n in ("0.layers.0", "1.layers.1")],
                 ["classifier.1"], id="ResNet, where a block with a convolution beside it has no shortcut"),
    pytest.param(ppo_policy, lambda: torch.zeros(2, 4), [], ["action_net", "value_net"], id="a PPO policy"),
])  # fmt: skip
def test_places_of_real_models(
    build: Callable[[], Any], inputs: Callable[[], Any], ends: list[str], last: list[str]
) -> None:
    found = observe(isolated(build)(), inputs())
    assert [one.path for one in found if one.residual] == ends
    assert [one.path for one in found if one.last] == last


def test_nothing_is_left_behind() -> None:
    with isolation():
        model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    model[4].weight.grad = torch.ones(2, 4)
    calls: list[str] = []
    model[0].register_forward_hook(lambda *_: calls.append("mine"))
    hooks = [dict(one._forward_hooks) for one in model.modules()]
    before, random, given = copy.deepcopy(model.state_dict()), torch.get_rng_state(), x()
    assert observe(model, given)[0].follows == "a norm"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True, True, True]
    assert torch.equal(model[4].weight.grad, torch.ones(2, 4))
    assert [dict(one._forward_hooks) for one in model.modules()] == hooks
    assert not any(one._forward_pre_hooks for one in model.modules())
    assert model.training
    assert (given.requires_grad, calls) == (False, ["mine"])


def test_a_model_that_fails_leaves_nothing_behind() -> None:
    model = isolated(nn.Sequential)(isolated(nn.Linear)(4, 4), isolated(nn.Linear)(3, 2)).requires_grad_(
        requires_grad=False
    )
    with pytest.raises(ModelError, match="running the model in eval mode raised RuntimeError"):
        observe(model, x())
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class Doubled(nn.Linear):
    """A layer whose forward does more than its class of torch does."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(super().forward(x))


def patched() -> nn.Module:
    layer = nn.Linear(4, 4)
    layer.forward = lambda input: input @ layer.weight  # type: ignore[method-assign]  # noqa: A006
    return layer


@pytest.mark.parametrize(("layer", "wanted"), [
    pytest.param(lambda: Doubled(4, 4), "– Doubled has a forward of its own, which may do more", id="a sub-class"),
    pytest.param(patched, "– Linear has a forward of its own, which may do more", id="a patched object"),
    pytest.param(lambda: parametrizations.spectral_norm(nn.Linear(4, 4)), "1.667 torch recommends it", id="a parametrization"),
])  # fmt: skip
def test_layers_of_ones_own(layer: Callable[[], nn.Module], wanted: str) -> None:
    model = nn.Sequential(isolated(layer)(), nn.Tanh(), isolated(nn.Linear)(4, 2))
    first, last = observe(model, x())
    assert (told(first), told(last)) == (wanted, END)


def test_a_hook_of_the_users_is_no_part_of_the_layer() -> None:
    model = nn.Sequential(isolated(nn.Linear)(4, 4), nn.Tanh(), isolated(nn.Linear)(4, 2))
    model[0].register_forward_hook(lambda _, __, output: output.sin())
    assert told(observe(model, x())[0]) == "– its output goes into Sin, for which there is no gain"


def test_the_input_by_its_name() -> None:
    model = isolated(Net)(lambda m, x: m.b(input=m.a(input=x).relu()))
    assert [(one.precedes, one.follows) for one in observe(model, {"x": x()})] == [
        ("the input", "ReLU"),
        ("ReLU", "the output"),
    ]


def test_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = gpt2()
    assert told(observe(model, ids())[2]) == f"1.534 {KEPT}"
    with torch.device("meta"):
        needy = Net(lambda m, x: m.b(x) if x.sum().item() else m.a(x))
    with pytest.raises(ModelError, match="running the model in eval mode raised") as caught:
        observe(needy, x())
    assert caught.value.hint == (
        "The model is on the meta device, where nothing has a value; '--device cpu' builds it with values."
    )


AUTO = """initrules: 1
rules:
  - rule: hidden
    select: {type: Linear, pick: all-but-last}
    set: {weight: {orthogonal: {gain: auto}}}
"""


def mlp(*between: nn.Module) -> nn.Sequential:
    with isolation():
        return nn.Sequential(nn.Linear(4, 4), *between, nn.Linear(4, 2))


def test_auto_is_the_gain_for_what_follows() -> None:
    model: Any = mlp(nn.Tanh())
    rules = ruleset.from_text(AUTO, "rules.yaml")
    plan = initrules.plan(model, rules, inputs=x())
    assert [row.value.summary for row in plan.rows if row.value] == ["orthogonal gain=1.667"]
    initrules.apply_(model, rules, inputs=x())
    assert torch.linalg.svdvals(model[0].weight.detach()).tolist() == pytest.approx([5 / 3] * 4)
    other: Any = mlp(nn.Tanh())
    plan.apply_(other)  # a model that was not run
    assert torch.equal(other[0].weight, model[0].weight)
    assert initrules.verify(model, rules, x(), seed=0).ok


@pytest.mark.parametrize(("model", "inputs", "message", "hint"), [
    pytest.param(lambda: mlp(nn.LayerNorm(4)), x, "a norm follows, which takes any gain away", None, id="a norm"),
    pytest.param(lambda: mlp(nn.Softmax(-1)), x, "its output goes into Softmax, for which there is no gain", None,
                 id="what is no activation"),
    pytest.param(lambda: mlp(nn.Tanh()), lambda: None, "no run has shown what follows this module",
                 "A run shows it for linear layers and convolutions: '--inputs file.py:function', a function "
                 "'example_inputs' beside the factory, or plan(..., inputs=...).", id="no run"),
])  # fmt: skip
def test_auto_is_refused_with_its_place_and_reason(
    model: Callable[[], nn.Module], inputs: Callable[[], Any], message: str, hint: str | None
) -> None:
    (error,) = initrules.plan(model(), ruleset.from_text(AUTO, "rules.yaml"), inputs=inputs()).errors
    assert error.span is not None
    assert error.span.place == "rules.yaml:5:39"
    assert error.message == f"'auto' has no value here: {message}, for '0.weight'"
    assert error.hint == (hint or "Ask only where it has one: select other parameters, or give the number.")


def test_rules_ask_what_stands_around() -> None:
    rules = ruleset.from_text("""initrules: 1
rules:
  - rule: branches
    select: {type: Linear, where: "get(module.observed.residual, false)"}
    set: {weight: zeros}
  - rule: heads
    select: {type: Linear, where: module.observed.last and module.observed.previous == "ReLU"}
    set: {weight: {normal: {std: "get(module.observed.gain, 0.25)"}}}
""")
    model = isolated(Net)(lambda m, x: m.b((x + m.a(x)).relu()))
    plan = initrules.plan(model, rules, inputs=x())
    assert {row.path: row.value.summary for row in plan.rows if row.value} == {
        "a.weight": "zeros", "b.weight": "normal std=0.25",
    }  # fmt: skip


def test_rules_that_ask_nothing_cost_no_run() -> None:
    def fail(*_: Any) -> None:
        raise AssertionError

    model = mlp(nn.Tanh())
    model.register_forward_pre_hook(fail)
    assert initrules.plan(model, ruleset.from_text("initrules: 1\nrules: []\n"), inputs=x()).errors == ()


def test_an_inventory_keeps_what_was_observed(tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text(recording.dumps(survey_with(mlp(nn.Tanh()), x())), encoding="utf-8")
    assert recording.read(str(file)).observed() == {
        "0": {"observed.gain": 5 / 3, "observed.next": "Tanh", "observed.previous": "the input",
              "observed.residual": False, "observed.last": False},
        "2": {"observed.refused": f"its output is the model's: {CHOICE}", "observed.next": "the output",
              "observed.previous": "Tanh", "observed.residual": False, "observed.last": True},
    }  # fmt: skip
