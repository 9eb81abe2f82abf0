"""Optimizer groups: every trainable parameter in exactly one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from initrules.groups import Group, param_groups
from initrules.survey import stored_by_path
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
    torch.optim.SGD(found, lr=0.1)  # type: ignore[arg-type]
