"""Weights under torch's old hooks: one name, and a value that arrives in the next forward pass."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from initrules import apply_, plan
from initrules.errors import Problems
from initrules.ruleset import from_text
from initrules.survey import stored_by_path, survey
from support import isolated, isolation, planned
from writing import WEIGHT, WRAP, applied, same, snapshot


def weight_norm(layer: Any, name: str = "weight", dim: int | None = 0) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the old API says that it is old
        return nn.utils.weight_norm(layer, name, dim)  # type: ignore[arg-type]


@isolated
def hooked(kind: str, layer: str = "linear") -> Any:
    made: nn.Module = nn.Linear(5, 4) if layer == "linear" else nn.ConvTranspose2d(3, 4, 2)
    if kind == "spectral_norm":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return nn.Sequential(nn.utils.spectral_norm(made))
    return nn.Sequential(weight_norm(made, dim=None if kind == "weight_norm of all" else 0))


KINDS = pytest.mark.parametrize("kind", ["weight_norm", "weight_norm of all", "spectral_norm"])
LAYERS = pytest.mark.parametrize(("layer", "inputs"), [("linear", (2, 5)), ("transposed", (2, 3, 4, 4))])


@KINDS
def test_survey_shows_one_name(kind: str) -> None:
    weight, bias = survey(hooked(kind)).parameters
    assert (weight.path, bias.path) == ("0.weight", "0.bias")
    assert (weight.shape, weight.buffer) == ((4, 5), False)
    assert weight.parametrized == (kind.removesuffix(" of all"),)


@KINDS
@LAYERS
@pytest.mark.parametrize("forward", [False, True], ids=["fresh", "after a forward pass"])
def test_a_value_arrives(kind: str, layer: str, inputs: tuple[int, ...], forward: bool) -> None:
    model = hooked(kind, layer)
    batch = torch.ones(inputs)
    if forward:
        model(batch)
    applied(
        WEIGHT.format("{orthogonal: {gain: 3}}") if layer == "linear" else WEIGHT.format("{normal: {std: 2}}"), model
    )
    plain = isolated(nn.Linear)(5, 4) if layer == "linear" else isolated(nn.ConvTranspose2d)(3, 4, 2)
    with torch.no_grad():
        wanted = plain.weight
        apply_(nn.Sequential(plain), from_text(
            f"initrules: 1\n{WEIGHT.format('{orthogonal: {gain: 3}}' if layer == 'linear' else '{normal: {std: 2}}')}",
            "r.yaml"))  # fmt: skip
        if kind == "spectral_norm":
            matrix = wanted.flatten(1) if layer == "linear" else wanted.transpose(0, 1).flatten(1)
            wanted = wanted / torch.linalg.matrix_norm(matrix, 2)
    torch.testing.assert_close(model[0].weight, wanted, rtol=1e-5, atol=1e-6)  # before the next forward pass
    for training in (True, False):
        model.train(training)(batch)
        torch.testing.assert_close(model[0].weight, wanted, rtol=1e-5, atol=1e-6)


@KINDS
def test_training_goes_on(kind: str) -> None:
    model = hooked(kind)
    applied(WEIGHT.format("xavier_normal"), model)
    before = snapshot(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(2, 5)).square().sum().backward()
    optimizer.step()
    moved = {name for name, value in snapshot(model).items() if value != before[name]}
    assert "0.bias" in moved
    assert moved & {"0.weight_v", "0.weight_orig"}


@KINDS
def test_keep_then_scale_reads_the_effective_weight(kind: str) -> None:
    model = hooked(kind)
    model.eval()(torch.ones(2, 5))
    before = model[0].weight.detach().clone()
    applied(WEIGHT.format("[keep, {scale: 0.5}]"), model)
    model(torch.ones(2, 5))
    expected = before / 2
    if kind == "spectral_norm":  # dividing by its largest singular value undoes any factor
        expected = before / torch.linalg.matrix_norm(before, 2)
    torch.testing.assert_close(model[0].weight.detach(), expected, rtol=1e-5, atol=1e-6)


@KINDS
def test_reset_writes_what_the_plain_layer_would_get(kind: str) -> None:
    model: Any = hooked(kind)
    plain: Any = nn.Sequential(isolated(nn.Linear)(5, 4))
    model(torch.ones(2, 5))  # leaves an attribute that torch cannot copy
    applied(WEIGHT.format("reset"), model)
    applied(WEIGHT.format("reset"), plain)
    wanted = plain[0].weight.detach()
    if kind == "spectral_norm":
        wanted = wanted / torch.linalg.matrix_norm(wanted, 2)
    torch.testing.assert_close(model[0].weight.detach(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["weight_norm", "weight_norm of all", "spectral_norm"])
def test_zero_is_refused_before_any_write(kind: str) -> None:
    model = hooked(kind)
    before = snapshot(model)
    with pytest.raises(Problems, match=r"divides '0\.weight' by its norm, and its value is zero"):
        applied(WEIGHT.format("zeros"), model)
    assert snapshot(model) == before


def test_a_zero_row_is_refused_before_any_write() -> None:
    model = hooked("weight_norm")
    before = snapshot(model)
    with pytest.raises(Problems, match=r"'0\.weight' cannot be written: its parametrization divides by a norm that is"):
        applied(WEIGHT.format('{formula: "i"}'), model)  # row 0 is zero
    assert snapshot(model) == before


@pytest.mark.parametrize("wrap", ["weight_norm", "spectral_norm", "orthogonal"])
@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_a_second_wrap_is_refused(kind: str, wrap: str) -> None:
    found = planned(WRAP.format("xavier_normal", wrap), hooked(kind)).errors
    assert [str(f).splitlines()[0] for f in found] == [
        f"rules.yaml:3:83: {wrap} comes on top of {kind}, which is already around '0.weight'"
    ]


def test_a_tie_that_one_side_wraps_is_refused() -> None:
    model = isolated(nn.Sequential)(isolated(nn.Embedding)(4, 5), isolated(nn.Linear)(5, 4))
    model[1].weight = model[0].weight
    weight_norm(model[1])  # shares memory with the embedding
    before = snapshot(model)
    with pytest.raises(Problems, match=r"one tensor with '0\.weight', but '1\.weight' is parametrized"):
        applied(WEIGHT.format("xavier_normal"), model)
    assert snapshot(model) == before


def test_groups_hold_both_halves_once() -> None:
    model = hooked("weight_norm")
    rules = from_text(f"initrules: 1\n{WEIGHT.format('xavier_normal')}", "r.yaml")
    (group,) = plan(model, rules).param_groups(lr=0.1)
    assert group["names"] == ["0.weight", "0.weight", "0.bias"]
    assert {id(p) for p in group["params"]} == {id(p) for p in model.parameters()}
    assert [tuple(t.shape) for t in stored_by_path(model)["0.weight"]] == [(4, 5), (4, 1)]


def test_a_gate_matrix_of_an_lstm() -> None:
    with isolation():
        model: Any = nn.Sequential(weight_norm(nn.LSTM(3, 4), "weight_hh_l0"))
    applied("rules:\n  - {rule: all, select: '**', set: {weight_hh_l0: orthogonal}}", model)
    model(torch.ones(2, 1, 3))
    for gate in model[0].weight_hh_l0.detach().chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(4))


def test_a_hook_whose_tensors_are_gone_is_none() -> None:
    model = hooked("weight_norm")
    layer = copy.copy(model[0])
    layer._parameters = {"bias": layer.bias}
    assert [p.path for p in survey(layer).parameters] == ["bias"]


def test_the_same_value_as_without_the_hook() -> None:
    model: Any = hooked("weight_norm")
    plain: Any = nn.Sequential(isolated(nn.Linear)(5, 4))
    applied(WEIGHT.format("{normal: {std: 0.3}}"), model)
    applied(WEIGHT.format("{normal: {std: 0.3}}"), plain)
    assert same(model[0].weight_v, plain[0].weight)
