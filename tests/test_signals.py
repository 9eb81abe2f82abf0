"""Signals and gradients of a run, against what torch says; and that nothing is left behind."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from initrules.errors import ModelError
from initrules.readings import Run, Signal
from initrules.signals import signals
from preset_models import gpt2, ppo_policy, quiet, resnet
from support import isolated, isolation


class Net(nn.Module):
    """Two layers, and a forward of one's own."""

    def __init__(self, forward: Callable[[Net, Tensor], Any]) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.run = forward

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def x() -> Tensor:
    return torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


def one(model: Any, inputs: Any, mode: str = "eval") -> tuple[Run, dict[str, Signal]]:
    (found,) = signals(model, inputs, modes=[mode])
    return found, {row.path: row for row in found.signals}


def net() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2))


def test_numbers_are_those_of_torch() -> None:
    model = isolated(net)()
    with isolation():
        model[0].weight.data[0] = 0
        model[0].bias.data[0] = -1  # a unit that is off for all inputs
    found, rows = one(model, x())
    first = model[0](x())
    assert rows["0"].mean == pytest.approx(float(first.detach().mean()))
    assert rows["0"].std == pytest.approx(float(first.detach().std(correction=0)))
    assert [rows["1"].dead, rows["0"].dead, rows["0"].still] == [1 / 8, 0, 1 / 8]
    with isolation(0):
        sent = torch.randn(16, 2)
    gradients = torch.autograd.grad((model.eval()(x()) * sent).sum(), [model[0].weight, model[0].bias])
    assert rows["0"].weights == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in gradients)), rel=1e-5)
    assert rows["3"].back == pytest.approx(float(sent.square().mean().sqrt()))
    assert rows["1"].weights is None
    assert (found.loss, found.first_bad, found.first_bad_gradient) == ("random directions of std 1", None, None)
    assert found.ratio == pytest.approx((rows["3"].std or 0) / (rows["0"].std or 1))
    assert found.gradient_ratio == pytest.approx((rows["0"].back or 0) / (rows["3"].back or 1))


def test_both_modes_are_run_and_nothing_is_left() -> None:
    with isolation():
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 2)).eval()
    model[3].weight.grad = torch.ones(2, 8)
    model[1].bias.requires_grad_(False)
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    trained, evaluated = signals(model, x())
    assert [trained.mode, evaluated.mode] == ["train", "eval"]
    assert trained.signals != evaluated.signals
    assert signals(model, x()) == (trained, evaluated)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model[3].weight.grad, torch.ones(2, 8))
    assert model[0].weight.grad is None
    assert [p.requires_grad for p in model.parameters()] == [True, True, True, False, True, True]
    assert not any(module.training or module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def nan_inside(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    return m.b(h / (h - h))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("forward", "bad", "gradient"), [
    pytest.param(nan_inside, "made after 'a', outside of any layer, and given to 'b'",
                 "reaches the output of 'a' first: 64 of 64 values are NaN", id="between layers"),
    pytest.param(lambda m, x: m.b(m.a(x / 0)), "made before the first layer, outside of any layer, and given to 'a'",
                 None, id="before any"),
    pytest.param(lambda m, x: m.b(m.a(x).sqrt().nan_to_num()), None,
                 "reaches the output of 'a' first: 36 of 64 values are NaN", id="backwards only"),
    pytest.param(lambda m, x: m.b(m.a(x)) / 0, "made after 'b', outside of any layer, and returned",
                 "reaches the output of 'b' first: 64 of 64 values are infinite", id="after all"),
    pytest.param(lambda m, x: m.b(m.a(x) - torch.full((4,), math.inf)), "made by 'b': 48 of 64 values are NaN", None,
                 id="minus infinity alone is a mask"),
])  # fmt: skip
def test_where_it_stops_being_finite(
    forward: Callable[[Net, Tensor], Any], bad: str | None, gradient: str | None
) -> None:
    found, _ = one(isolated(Net)(forward), x())
    assert found.first_bad == bad
    if gradient is not None:
        assert found.first_bad_gradient == gradient


def test_the_layer_that_made_it() -> None:
    model = isolated(net)()
    with isolation():
        model[0].bias.data[0] = math.nan
        model[3].bias.data[0] = math.inf
    found, rows = one(model, x())
    assert found.first_bad == "made by '0', whose 'bias' is not finite: 16 of 128 values are NaN"
    assert rows["0"].problem == "16 of 128 values are NaN"
    assert rows["0"].std is not None
    assert math.isnan(rows["0"].std)


@dataclasses.dataclass
class Out:
    """An output of one's own."""

    loss: Any
    y: Any


@pytest.mark.parametrize(("forward", "loss"), [
    pytest.param(lambda m, x: (m.a(x), None, [m.b(x)]), "random directions of std 1", id="a tuple"),
    pytest.param(lambda m, x: {"y": m.b(m.a(x))}, "random directions of std 1", id="a dict"),
    pytest.param(lambda m, x: {"loss": m.b(m.a(x)).sum(), "y": x}, "the model's own loss", id="a dict with a loss"),
    pytest.param(lambda m, x: Out(m.b(m.a(x)).mean(), x), "the model's own loss", id="a dataclass with a loss"),
    pytest.param(lambda m, x: Out(m.b(m.a(x)), 3), "random directions of std 1", id="a loss that is no number"),
    pytest.param(lambda m, x: m.b(m.a(m.a(x))), "random directions of std 1", id="called twice"),
])  # fmt: skip
def test_outputs_of_all_kinds(forward: Callable[[Net, Tensor], Any], loss: str) -> None:
    found, rows = one(isolated(Net)(forward), x())
    assert found.loss == loss
    assert all(row.back and row.weights for row in rows.values())


def test_called_twice_and_never() -> None:
    found, rows = one(isolated(Net)(lambda m, x: m.a(m.a(x))), x())
    assert (rows["a"].calls, rows["b"].calls, rows["b"].std, rows["b"].weights) == (2, 0, None, 0)
    assert [row.path for row in found.signals] == ["a", "b"]


def test_frozen_parts_and_no_gradient_at_all() -> None:
    model = isolated(net)()
    model[0].requires_grad_(False)
    _, rows = one(model, x())
    assert (rows["0"].weights, rows["0"].back) == (None, None)
    assert rows["3"].weights
    found, rows = one(model.requires_grad_(False), x())
    assert found.loss == "nothing: no output depends on a trainable parameter"
    assert found.gradient_ratio is None
    assert rows["3"].std


def test_a_batch_of_one_in_train_mode_says_what_torch_says() -> None:
    model = nn.Sequential(isolated(nn.Linear)(4, 8), nn.BatchNorm1d(8))
    message = "running the model in train mode raised ValueError: Expected more than 1 value per channel when training"
    with pytest.raises(ModelError, match=message):
        signals(model, x()[:1])
    assert not any(module._forward_hooks for module in model.modules())
    assert one(model, x()[:1])[1]["1"].calls == 1


def test_a_backward_pass_that_fails() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        h = m.a(x).exp()
        y: Tensor = m.b(h)
        h += 1  # exp needs its value
        return y

    with pytest.raises(ModelError, match="the backward pass in eval mode raised one of the variables needed") as caught:
        one(isolated(Net)(forward), x())
    assert caught.value.hint == "Look at the operations in place; --debug shows where it was raised."


def test_parametrized_weights_count() -> None:
    model = nn.Sequential(parametrizations.weight_norm(isolated(nn.Linear)(4, 2)))
    _, rows = one(model, x())
    assert rows["0"].kind == "Linear"
    assert rows["0"].weights


@pytest.mark.parametrize(("mode", "bad"), [("train", None), ("eval", "made by '1': 64 of 64 values are NaN")])
def test_statistics_that_only_eval_mode_reads(mode: str, bad: str | None) -> None:
    with isolation():
        model: Any = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[1].running_var.fill_(-1)
    assert one(model, x(), mode)[0].first_bad == bad


def test_a_nan_planted_in_gpt2() -> None:
    model = isolated(gpt2)()
    with isolation():
        model.transformer.h[1].mlp.c_fc.weight.data[0, 0] = math.nan
        model.lm_head.weight.data[0, 0] = math.nan
    for found in signals(model, torch.arange(16).view(2, 8)):
        assert found.first_bad == (
            "made by 'transformer.h.1.mlp.c_fc', whose 'weight' is not finite: 16 of 4096 values are NaN"
        )
        assert all(row.problem is None for row in found.signals if ".h.0." in row.path)


def test_a_model_without_values() -> None:
    with pytest.raises(ModelError, match="the model is on the meta device, where nothing has a value"):
        signals(nn.Linear(2, 2, device="meta"), torch.ones(1, 2))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_gpt2(mode: str) -> None:
    ids = torch.arange(16).view(2, 8)
    with quiet():
        found, rows = one(isolated(gpt2)(), {"input_ids": ids, "labels": ids}, mode)
    assert found.loss == "the model's own loss"
    assert rows["transformer.h.0.ln_1"].std == pytest.approx(1, abs=0.05)
    assert rows["transformer.h.1.mlp.act"].kind == "NewGELUActivation"
    assert all(row.back for row in rows.values() if row.calls)
    assert rows["transformer.h.0.attn.attn_dropout"].calls == 0


def test_a_resnet_and_a_policy() -> None:
    with isolation():
        _, rows = one(isolated(resnet)(), torch.randn(4, 3, 32, 32))
    convolution = rows["resnet.embedder.embedder.convolution"]
    assert convolution.std
    assert 0 <= (rows["resnet.embedder.embedder.activation"].dead or 0) < 1
    found, rows = one(isolated(ppo_policy)(), x())
    assert rows["action_net"].calls == rows["value_net"].calls == 1
    assert found.first_bad is None


def test_numbers_without_dimensions_and_of_no_size() -> None:
    class Scalar(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum()

    class Empty(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:0]

    with isolation():
        model = nn.Sequential(nn.Linear(4, 2), Scalar())
        _, rows = one(model, x())
        assert (rows["1"].std, rows["1"].dead) == (0.0, 0.0)
        _, rows = one(nn.Sequential(nn.Linear(4, 2), Empty()), x())
        assert rows["1"].std is None
