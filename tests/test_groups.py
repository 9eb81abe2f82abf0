"""Optimizer groups: every trainable parameter in exactly one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import initrules
from initrules.groups import Group, param_groups
from initrules.survey import stored_by_path
from reference import example
from support import isolated, planned


def groups(rules: str, model: nn.Module, **more: float) -> list[Group]:
    return param_groups(planned(rules, model), stored_by_path(model), lr=0.1, **more)


def shown(found: list[Group]) -> list[tuple[list[str], float, float]]:
    return [(group["names"], round(group["lr"], 9), group["weight_decay"]) for group in found]


@isolated
def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


NAMES = ["0.weight", "0.bias", "1.weight", "1.bias"]


@pytest.mark.parametrize(("optimize", "expected"), [
    pytest.param("{'*': {lr_scale: 1}}", [(NAMES, 0.1, 0.0)], id="a scale of 1 makes no group"),
    pytest.param("{'*': {lr_scale: keep, weight_decay: keep}}", [(NAMES, 0.1, 0.0)], id="keep is none"),
    pytest.param("{bias: {lr_scale: 0.5}}",
                 [(["0.weight", "1.weight"], 0.1, 0.0), (["0.bias", "1.bias"], 0.05, 0.0)], id="lr is multiplied"),
    pytest.param("{weight: {weight_decay: 0.2}}",
                 [(["0.weight", "1.weight"], 0.1, 0.2), (["0.bias", "1.bias"], 0.1, 0.0)], id="decay is replaced"),
    pytest.param("{bias: {freeze: true}}", [(["0.weight", "1.weight"], 0.1, 0.0)], id="freeze leaves out"),
    pytest.param("{bias: {freeze: false}}", [(NAMES, 0.1, 0.0)], id="freeze: false does not"),
    pytest.param("{'*': {lr_scale: 0}}", [(NAMES, 0.0, 0.0)], id="a scale of 0 is a group"),
])  # fmt: skip
def test_options(optimize: str, expected: list[tuple[list[str], float, float]]) -> None:
    assert shown(groups(f"rules: [{{rule: r, select: '*', optimize: {optimize}}}]", net())) == expected


def test_a_rule_replaces_the_decay_that_is_given() -> None:
    found = groups("rules: [{rule: r, select: '*', optimize: {bias: {weight_decay: 0}}}]", net(), weight_decay=0.3)
    assert shown(found) == [(["0.weight", "1.weight"], 0.1, 0.3), (["0.bias", "1.bias"], 0.1, 0.0)]


def test_frozen_parameters_and_buffers_are_left_out() -> None:
    model = net()
    dict(model.named_parameters())["0.bias"].requires_grad_(False)
    assert shown(groups("", model)) == [(["0.weight", "1.weight", "1.bias"], 0.1, 0.0)]


def tied() -> nn.Module:
    model = nn.ModuleDict({"table": nn.Embedding(4, 2), "head": nn.Linear(2, 4, bias=False)})
    model["head"].weight = model["table"].weight
    return model


@pytest.mark.parametrize("build", [
    pytest.param(net, id="plain"),
    pytest.param(isolated(tied), id="tied"),
    pytest.param(isolated(lambda: parametrizations.weight_norm(nn.Linear(2, 3))), id="weight_norm: norm and direction"),
    pytest.param(isolated(lambda: parametrizations.spectral_norm(nn.Linear(2, 3))), id="spectral_norm: the original"),
    pytest.param(lambda: nn.DataParallel(net()), id="wrapped"),
])  # fmt: skip
def test_all_that_trains_is_in_exactly_one_group(build: Callable[[], nn.Module]) -> None:
    """What ``model.parameters()`` gives, each tensor once, with a name beside it; an optimizer takes it."""
    model = build()
    found = groups("rules: [{rule: r, select: '**', optimize: {bias: {lr_scale: 2}}}]", model)
    tensors = [id(tensor) for group in found for tensor in group["params"]]
    assert sorted(tensors) == sorted(id(parameter) for parameter in model.parameters())
    assert all(len(group["params"]) == len(group["names"]) for group in found)
    torch.optim.SGD(found, lr=0.1)


def test_what_is_frozen_after_planning_is_left_out() -> None:
    model = net()
    plan = planned("", model)
    dict(model.named_parameters())["1.weight"].requires_grad_(False)
    (group,) = param_groups(plan, stored_by_path(model), lr=0.1)
    assert group["names"] == ["0.weight", "0.bias", "1.bias"]


def test_groups_of_another_model_than_the_one_that_was_planned() -> None:
    """A plan that was made on the meta device says how the real model is trained."""
    with torch.device("meta"):
        plan = initrules.plan(nn.Linear(2, 3), initrules.from_text("initrules: 1"))
    model = isolated(nn.Linear)(2, 3)
    (group,) = plan.param_groups(lr=0.1, model=model)
    assert [id(one) for one in group["params"]] == [id(one) for one in model.parameters()]


LAYERWISE = """initrules: 1
vars: {decay: 0.5, n_layers: COUNT}
rules:
  - {rule: early, select: "**", optimize: {"*": {lr_scale: decay ** (n_layers + 1)}}}
  - {rule: blocks, select: "**.BLOCKS.<layer>.**", optimize: {"*": {lr_scale: decay ** (n_layers - layer)}}}
  - {rule: late, select: [LATE], optimize: {"*": {lr_scale: 1}}}
  - {rule: no-decay, select: {path: "**", where: ndim < 2}, optimize: {"*": {weight_decay: 0}}}
  - {rule: frozen, select: "FROZEN", optimize: {"*": {freeze: true}}}
"""


@pytest.mark.parametrize(("name", "blocks", "late", "frozen"), [
    pytest.param("gpt2", "h", "transformer.ln_f", "transformer.wpe", id="GPT-2, whose output layer is tied"),
    pytest.param("vit", "blocks", "norm, head", "patch_embed.proj", id="ViT"),
])  # fmt: skip
def test_a_real_training_step(name: str, blocks: str, late: str, frozen: str) -> None:
    """AdamW's first step moves each entry by its rate: |g| / (|g| + eps) after bias correction."""
    model = isolated(example(name).build)()
    text = LAYERWISE.replace("COUNT", f'count("**.{blocks}.*")').replace("BLOCKS", blocks)
    rules = initrules.from_text(text.replace("LATE", late).replace("FROZEN", frozen))
    groups = initrules.plan(model, rules).param_groups(lr=1e-3, weight_decay=0.1)
    optimizer = torch.optim.AdamW(groups, eps=1e-30)
    before = {one: tensor.detach().clone() for one, tensor in model.named_parameters()}
    model(example(name).example_inputs()).logsumexp(-1).square().mean().backward()
    optimizer.step()
    listed: dict[str, Any] = {one: group for group in groups for one in group["names"]}
    assert listed.keys() == {one for one in before if not one.startswith(frozen)}
    depth = 4
    for one, tensor in model.named_parameters():
        if one not in listed:
            assert torch.equal(tensor, before[one])
            continue
        numbers = [int(part) for part in one.split(".") if part.isdigit()]
        scale = (
            0.5 ** (depth - numbers[0])
            if numbers
            else 1
            if one.rpartition(".")[0] in late.split(", ")
            else 0.5 ** (depth + 1)
        )
        decay = 0.1 if tensor.ndim > 1 else 0.0
        assert math.isclose(listed[one]["lr"], 1e-3 * scale), one
        assert listed[one]["weight_decay"] == decay, one
        assert tensor.grad is not None
        assert bool(tensor.grad.any()), one
        step = before[one] * (1 - 1e-3 * scale * decay) - 1e-3 * scale * tensor.grad.sign()
        assert torch.allclose(tensor, step, atol=2e-7), one
