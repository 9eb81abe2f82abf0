"""Dangerous plans, each on a minimal model and on a real one; and what starts at zero on purpose, which is none."""

# ruff: noqa: E501  # whole messages in one line

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import initrules
from initrules import ruleset
from initrules.errors import Severity
from initrules.planning import PlanData
from preset_models import bert, gpt2, llama, phase2, ppo_policy, resnet, t5, torch_encoder
from reference import ALL, Reference
from support import isolated, isolation, planned
from wild import cases

CODES = {"dead-layer", "zero-layer", "zero-norm", "vanishing", "exploding", "saturated", "unkept", "other-function",
         "loud-logits", "ignored-value", "ignored-size", "norm-of-zero"}  # fmt: skip
ALARMS = {Severity.WARNING, Severity.ERROR}


def told(plan: PlanData) -> list[str]:
    return [f"{one.severity} {one.code}: {one.message}" for one in plan.findings if one.code in CODES]


def rule(*declared: str) -> str:
    """A rule file of rules, each given as ``SELECT: KEY: VALUE, ...``."""
    lines = []
    for n, one in enumerate(declared):
        select, _, blocks = one.partition(" => ")
        lines.append(f"  - {{rule: r{n}, select: {select}, {blocks}}}\n")
    return "rules:\n" + "".join(lines)


ALL_DRAWN = "{type: [Linear, Conv2d]} => set: {weight: kaiming_normal, bias: zeros}"


def net(*modules: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*modules)


@functools.cache
def sb3(depth: int = 8, activation: type[nn.Module] = nn.Tanh) -> Any:
    with isolation():
        return ppo_policy(depth, activation)


def orthogonal_policy() -> Any:
    model = copy.deepcopy(sb3(2))
    with isolation():
        parametrizations.orthogonal(model.mlp_extractor.policy_net[2])
    return model


CHAIN = (nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize(("build", "rules", "wanted"), [
    # every factor of a product is zero
    pytest.param(net(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), rule("'*' => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches '0.weight', '2.weight': they are factors of one product, and two of its factors are zero"], id="both factors zero"),
    pytest.param(net(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)),
                 rule("'*' => set: {weight: zeros, bias: zeros}", "'0' => set: {bias: 0.1}"),
                 ["info zero-layer: 1 hidden layer is zero, so that no gradient passes in the first step: '0.weight'"],
                 id="a bias between them lets the second one move"),
    pytest.param(net(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)), rule("'*' => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches '0.weight', '1.weight': they are factors of one product, and two of its factors are zero"], id="a convolution and its norm"),
    pytest.param(gpt2, rule("{name: [c_fc, c_proj]} => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches 'transformer.h.0.mlp.c_fc.weight', 'transformer.h.0.mlp.c_proj.weight', 'transformer.h.1.mlp.c_fc.weight', 'transformer.h.1.mlp.c_proj.weight': they are factors of one product, and two of its factors are zero"],
                 id="the feed-forward branches of a GPT-2"),
    pytest.param(
        net(nn.Linear(4, 8), nn.Linear(8, 8), nn.ReLU()),
        rule("'0' => set: {weight: zeros, bias: zeros}", "'1' => set: {weight: kaiming_normal}"),
        ["info zero-layer: 1 hidden layer is zero, so that no gradient passes in the first step: '0.weight'"],
        id="a bias that is not known",
    ),
    # no slope at what comes out
    pytest.param(net(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)),
                 rule("'0' => set: {weight: zeros, bias: zeros}", "'2' => set: {weight: kaiming_normal}"),
                 ["warning dead-layer: no gradient ever reaches '0.weight': it is zero, and ReLU has no slope at what comes out of it, 0"], id="zero in front of a ReLU"),
    pytest.param(net(nn.Linear(4, 1), nn.Hardtanh(0.0, 1.0)), rule("'0' => set: {weight: zeros, bias: 1}"),
                 ["warning dead-layer: no gradient ever reaches '0.weight': it is zero, and Hardtanh has no slope at what comes out of it, 1"], id="a bounded output at its edge"),
    pytest.param(torch_encoder, rule("{name: linear1} => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches 'layers.0.linear1.weight', 'layers.1.linear1.weight', 'layers.2.linear1.weight', 'layers.3.linear1.weight': it is zero, and ReLU has no slope at what comes out of it, 0"], id="in torch's encoder"),
    # a layer that is zero and stays so
    pytest.param(net(*CHAIN), rule(ALL_DRAWN, "'4' => set: {weight: zeros}, optimize: {weight: {freeze: true}}"),
                 ["warning zero-layer: no gradient ever passes through '4.weight': it is zero, and does not learn"],
                 id="a frozen zero head"),
    pytest.param(net(*CHAIN), rule(ALL_DRAWN, "'4' => set: {weight: zeros}, optimize: {weight: {lr_scale: 0}}"),
                 ["warning zero-layer: no gradient ever passes through '4.weight': it is zero, and does not learn"],
                 id="a zero head with a learning rate of zero"),
    pytest.param(net(*CHAIN), rule(ALL_DRAWN, "'4' => set: {weight: zeros}"), [], id="a zero last layer is meant"),
    # a whole head
    pytest.param(net(*CHAIN), rule("'*' => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches '0.weight', '2.weight': it is zero, and ReLU has no slope at what comes out of it, 0"], id="a whole head of zeros"),
    pytest.param(lambda: sb3(2), rule("{inside: mlp_extractor, type: Linear} => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches 'mlp_extractor.policy_net.0.weight', 'mlp_extractor.policy_net.2.weight', 'mlp_extractor.value_net.0.weight', 'mlp_extractor.value_net.2.weight': they are factors of one product, and two of its factors are zero"],
                 id="the whole policy and value heads of a PPO"),
    pytest.param(phase2, rule("{inside: '*.*_head', type: Linear, where: module.out_features <= 64} => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches 'v_h_e.value_head.0.weight', 'v_h_e.value_head.3.weight', 'x_h.value_head.0.weight', 'x_h.value_head.3.weight', 'u_r.y_head.0.weight' and 5 more: it is zero, and ReLU has no slope at what comes out of it, 0"], id="the heads of Phase 2, by their width"),
    pytest.param(lambda: sb3(2), rule("action_net => set: {weight: zeros}, optimize: {weight: {freeze: true}}"),
                 ["warning zero-layer: no gradient ever passes through 'action_net.weight': it is zero, and does not learn"],
                 id="a frozen zero policy head"),
    # norms
    pytest.param(net(nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2)),
                 rule(ALL_DRAWN, "'1' => set: {weight: zeros, bias: zeros}"),
                 ["warning zero-norm: all inputs give the same output: '1.weight' is zero, and no residual goes around it"],
                 id="a zero norm in a chain"),
    pytest.param(lambda: nn.ModuleDict({"branch": nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8))}),
                 rule(ALL_DRAWN, "branch.1 => set: {weight: zeros, bias: zeros}"), [],
                 id="the last norm of a branch may have a residual around it"),
    pytest.param(resnet, rule(ALL_DRAWN, "'**.layer.0.normalization' => set: {weight: zeros, bias: zeros}"),
                 ["warning dead-layer: no gradient ever reaches 'resnet.encoder.stages.0.layers.0.layer.0.normalization.weight', 'resnet.encoder.stages.1.layers.0.layer.0.normalization.weight', 'resnet.encoder.stages.1.layers.1.layer.0.normalization.weight': it is zero, and ReLU has no slope at what comes out of it, 0"], id="the first norm of a residual branch"),
    pytest.param(resnet, rule(ALL_DRAWN, "'**.layer.0.normalization' => set: {weight: zeros, bias: 0.1}"),
                 ["warning zero-norm: all inputs give the same output: 'resnet.encoder.stages.0.layers.0.layer.0.normalization.weight', 'resnet.encoder.stages.1.layers.0.layer.0.normalization.weight', 'resnet.encoder.stages.1.layers.1.layer.0.normalization.weight' is zero, and no residual goes around it"],
                 id="that norm with a bias"),
    pytest.param(resnet, rule(ALL_DRAWN, "'**.layer.1.normalization' => set: {weight: zeros, bias: zeros}"), [],
                 id="the last norm of a residual branch"),
    # depth
    pytest.param(net(*[one for _ in range(8) for one in (nn.Linear(32, 32), nn.ReLU())]),
                 rule("'*' => set: {weight: {normal: {std: 0.02}}, bias: zeros}"),
                 ["warning vanishing: the signal shrinks by a factor of 4.8e+07 in the model: 7 layers with gains of 0.08"],
                 id="a signal that vanishes"),
    pytest.param(net(*[one for _ in range(8) for one in (nn.Linear(32, 32), nn.ReLU())]),
                 rule("'*' => set: {weight: {normal: {std: 1}}, bias: zeros}"),
                 ["warning exploding: the signal grows by a factor of 1.6e+04 in the model: 7 layers with gains of 4"],
                 id="a signal that explodes"),
    pytest.param(net(*[one for _ in range(400) for one in (nn.Linear(2, 2), nn.ReLU())]),
                 rule("'*' => set: {weight: {normal: {std: 0.01}}, bias: zeros}"),
                 ["warning vanishing: the signal shrinks by a factor of 1e+798 in the model: 399 layers with gains of 0.01"],
                 id="further than floats reach"),
    pytest.param(net(*[one for _ in range(400) for one in (nn.Linear(2, 2), nn.Tanh())]),
                 rule("'*' => set: {weight: {normal: {std: 0.01}}, bias: zeros}"),
                 ["warning vanishing: the signal shrinks by a factor of 1e+738 in the model: 399 layers with gains of 0.014"],
                 id="so small that tanh is linear"),
    pytest.param(net(*[one for _ in range(8) for one in (nn.Linear(32, 32), nn.ReLU())]), rule(ALL_DRAWN), [],
                 id="He's gain keeps it"),
    pytest.param(net(*[one for _ in range(8) for one in (nn.Linear(32, 32), nn.LayerNorm(32), nn.ReLU())]),
                 rule("{type: Linear} => set: {weight: {normal: {std: 0.02}}, bias: zeros}"), [], id="norms bring it back"),
    pytest.param(lambda: sb3(8), rule("{type: Linear} => set: {weight: {normal: {std: 0.01}}, bias: zeros}"),
                 ["warning vanishing: the signal shrinks by a factor of 1.5e+09 in 'mlp_extractor.policy_net' and 'mlp_extractor.value_net': 7 layers with gains of 0.02 to 0.057"], id="a deep policy"),
    pytest.param(lambda: sb3(8, nn.ReLU), rule("{type: Linear} => set: {weight: {normal: {std: 1}}, bias: zeros}"),
                 ["warning exploding: the signal grows by a factor of 5.8e+03 in 'mlp_extractor.policy_net' and 'mlp_extractor.value_net': 7 layers with gains of 1.4 to 4"], id="a deep policy that explodes"),
    pytest.param(lambda: sb3(8), rule("{type: Linear} => set: {weight: {orthogonal: {gain: 1.41}}, bias: zeros}"), [],
                 id="a deep policy with orthogonal layers"),
    # an activation at its edge
    pytest.param(net(nn.Linear(4, 1), nn.Sigmoid()), rule("'0' => set: {weight: {orthogonal: {gain: 0.01}}, bias: 20}"),
                 ["warning saturated: Sigmoid has next to no slope at 20, the value of '0.bias': what stands before it hardly learns"], id="a sigmoid at 1"),
    pytest.param(net(nn.Linear(4, 1), nn.Sigmoid()),
                 rule("'0' => set: {weight: {orthogonal: {gain: 0.01}}, bias: -log(99)}"), [], id="the prior of a focal loss"),
    pytest.param(net(nn.Linear(4, 1), nn.Sigmoid()), rule("'0' => set: {weight: {normal: {std: 5}}, bias: 20}"), [],
                 id="a weight that reaches as far as the bias"),
    pytest.param(lambda: sb3(3), rule("{inside: mlp_extractor.policy_net, type: Linear} => set: {weight: {orthogonal: {gain: 0.1}}, bias: 9}"),
                 ["warning saturated: Tanh has next to no slope at 9, the value of 'mlp_extractor.policy_net.0.bias': what stands before it hardly learns"], id="a policy whose first layer is saturated"),
    # tied logits
    pytest.param(lambda: tied(64), rule("'*' => set: {weight: {normal: {std: 1}}}"),
                 ["warning loud-logits: an embedding is the output layer too: 'table.weight' of std 1 turns features of std 1 into logits of std 8"], id="a tied table of std 1"),
    pytest.param(lambda: tied(64), rule("'*' => set: {weight: {normal: {std: 0.02}}}"), [], id="a tied table of std 0.02"),
    pytest.param(lambda: llama(tie_word_embeddings=True), rule("{type: Embedding} => set: {weight: {normal: {std: 1}}}"),
                 ["warning loud-logits: an embedding is the output layer too: 'model.embed_tokens.weight' of std 1 turns features of std 1 into logits of std 8"], id="a tied Llama"),
    pytest.param(t5, rule("shared => set: {weight: {normal: {std: 1}}}"), [], id="T5 divides by the root of its width"),
    # parametrizations
    pytest.param(net(nn.Linear(4, 1)), rule("'0' => set: {weight: zeros}, parametrize: {weight: spectral_norm}"),
                 ["error norm-of-zero: spectral_norm divides '0.weight' by its norm, and its value is zero (set at rules.yaml:3:43): the result is NaN"], id="a spectral norm on zeros"),
    pytest.param(lambda: sb3(2), rule("action_net => set: {weight: zeros}, parametrize: {weight: spectral_norm}"),
                 ["error norm-of-zero: spectral_norm divides 'action_net.weight' by its norm, and its value is zero (set at rules.yaml:3:50): the result is NaN"], id="a spectral norm on a zero policy head"),
    pytest.param(net(nn.Linear(4, 4)), rule("'0' => set: {weight: {normal: {std: 0.1}}}, parametrize: {weight: orthogonal}"),
                 ["warning ignored-value: the parametrization makes orthogonal '0.weight': of 'normal std=0.1' only directions are left"], id="a std under an orthogonal parametrization"),
    pytest.param(net(parametrizations.orthogonal(nn.Linear(4, 4))), rule("'0' => set: {weight: {orthogonal: {gain: 2}}}"),
                 ["error ignored-value: the model's own parametrization keeps orthogonal '0.weight': 'orthogonal gain=2' cannot arrive"], id="a gain under the model's own"),
    pytest.param(orthogonal_policy, rule("mlp_extractor.policy_net.2 => set: {weight: {normal: {std: 0.1}}}"),
                 ["error ignored-value: the model's own parametrization keeps orthogonal 'mlp_extractor.policy_net.2.weight': 'normal std=0.1' cannot arrive"], id="a std under a policy's own"),
    pytest.param(net(parametrizations.orthogonal(nn.Linear(4, 4))), rule("'0' => set: {weight: orthogonal}"), [],
                 id="what fits arrives"),
    pytest.param(net(nn.Linear(4, 4)),
                 rule("'0' => set: {weight: {orthogonal: {gain: 2}}}, parametrize: {weight: spectral_norm}"),
                 ["info ignored-size: spectral_norm divides the size away from '0.weight': 'orthogonal gain=2' starts with a largest singular value of 1"], id="a gain under a spectral norm"),
    pytest.param(lambda: sb3(2), rule("mlp_extractor.policy_net.0 => set: {weight: {normal: {std: 3}}}, parametrize: {weight: spectral_norm}"),
                 ["info ignored-size: spectral_norm divides the size away from 'mlp_extractor.policy_net.0.weight': 'normal std=3' starts with a largest singular value of 1"], id="in a policy"),
])  # fmt: skip
def test_dangers(build: Callable[[], Any], rules: str, wanted: list[str]) -> None:
    assert told(planned(rules, isolated(build)())) == wanted


def tied(width: int) -> nn.Module:
    model = nn.ModuleDict({"table": nn.Embedding(10, width), "head": nn.Linear(width, 10, bias=False)})
    model["head"].weight = model["table"].weight
    return model


def test_places_ways_out_and_parameters() -> None:
    """Of those that the tests above do not compare whole."""
    rules = rule("'*' => set: {weight: {normal: {std: 0.001}}, bias: zeros}")
    model = nn.Sequential(*[one for _ in range(4) for one in (isolated(nn.Linear)(32, 32), nn.Tanh())])
    (found,) = (one for one in planned(rules, model).findings if one.code in CODES)
    assert found.parameters == ("0.weight", "2.weight", "4.weight", "6.weight")
    assert str(found) == (
        "rules.yaml:3:43: the signal shrinks by a factor of 5.5e+06 in the model: 3 layers with gains of 0.0057\n"
        "    - {rule: r0, select: '*', set: {weight: {normal: {std: 0.001}}, bias: zeros}}\n"
        "                                            ^^^^^^^^^^^^^^^^^^^^^^\n"
        "  A gain near 1 keeps it, here as {xavier_normal: {gain: 5/3}} gives it."
    )


# What is shipped, and what people use, gives no alarm


@pytest.mark.parametrize("reference", [pytest.param(one, id=one.rules) for one in ALL])
def test_no_alarm_in_the_shipped_rule_sets(reference: Reference) -> None:
    found = reference.plan(reference.model()).findings
    assert [str(one) for one in found if one.code in CODES and one.severity in ALARMS] == []


@pytest.mark.parametrize(("folder", "name"), [
    *((cases.REFERENCE, name) for name in cases.names(cases.REFERENCE)), *((cases.MORE, name) for name in cases.names(cases.MORE)),
])  # fmt: skip
def test_no_alarm_in_the_wild(folder: Any, name: str) -> None:
    with isolation():
        model = cases.imported(folder / f"{name}.py").build()
    rules = cases.rules_of((cases.HERE if folder == cases.REFERENCE else folder) / f"{name}.yaml")
    found = initrules.plan(model, rules).findings
    assert [str(one) for one in found if one.code in CODES and one.severity in ALARMS] == []


# What is said is true


def started(model: nn.Module, rules: str) -> nn.Module:
    initrules.apply_(model, ruleset.from_text(f"initrules: 1\n{rules}"), seed=0)
    return model


@pytest.mark.parametrize(("modules", "rules"), [
    pytest.param((nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), rule("'*' => set: {weight: zeros, bias: zeros}"), id="product"),
    pytest.param((nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)),
                 rule(ALL_DRAWN, "'0' => set: {weight: zeros, bias: zeros}"), id="closed"),
    pytest.param((nn.Linear(4, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2)),
                 rule(ALL_DRAWN, "'1' => set: {weight: zeros, bias: zeros}"), id="norm"),
])  # fmt: skip
def test_dead_layers_do_not_move(modules: tuple[nn.Module, ...], rules: str) -> None:
    with isolation():
        model = started(nn.Sequential(*modules), rules)
        plan = planned(rules, model)
        dead = [path for one in plan.findings if one.code == "dead-layer" for path in one.parameters]
        x, y = torch.randn(32, 4), torch.randn(32, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss: Any = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    parameters = dict(model.named_parameters())
    assert dead
    assert [float(parameters[path].detach().abs().max()) for path in dead] == [0.0] * len(dead)
    assert float(parameters[f"{len(modules) - 1}.bias"].detach().abs().max()) > 0


def test_bert_is_planned_without_alarm() -> None:
    rules = rule("{type: [Linear, Embedding]} => set: {weight: {normal: {std: 0.02}}, bias: zeros}")
    assert told(planned(rules, isolated(bert)())) == []
