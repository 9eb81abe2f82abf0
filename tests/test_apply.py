"""Writing a plan: phases, streams, ties, parametrizations, and everything that is refused."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from initrules import planning, ruleset
from initrules.actions.base import Action, Draw
from initrules.actions.table import BUILTIN
from initrules.apply import apply_
from initrules.errors import ApplyError, Problems
from initrules.fans import Target
from initrules.survey import survey
from initrules.writer import Record, WriteError
from support import isolated, isolation, planned
from writing import NORMAL, WEIGHT, WRAP, One, Tied, applied, behind, chain, memory, same, snapshot, values

# What is refused, and that nothing was written by then


class ForgetsOne(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.extra = nn.Parameter(torch.ones(3))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)


class NeedsAnArgument(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def reset_parameters(self, std: float) -> None:
        nn.init.normal_(self.weight, std=std)


class NoWayBack(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.triu()


def inference_tensor() -> nn.Module:
    with torch.inference_mode():
        return One(torch.ones(3, 3))


def one_way() -> nn.Module:
    model = One(torch.ones(3, 3))
    nn.utils.parametrize.register_parametrization(model, "weight", NoWayBack())
    return model


def wrapped(wrap: Callable[..., nn.Module], **arguments: Any) -> Callable[[], nn.Module]:
    return isolated(lambda: wrap(nn.Linear(3, 3, bias=False), **arguments))


@pytest.mark.parametrize(
    ("build", "value", "message"),
    [
        pytest.param(
            inference_tensor, "ones", "'last.weight' was made in inference mode, so that it cannot be written",
            id="inference tensor",
        ),
        pytest.param(
            lambda: One(torch.ones(1, 3).expand(3, 3)), "ones",
            "'last.weight' is expanded: several of its entries are one number in memory", id="stride 0",
        ),
        pytest.param(
            lambda: One(torch.eye(3).to_sparse(), requires_grad=True), "ones",
            "'last.weight' is stored as torch.sparse_coo, and only dense tensors can be written", id="sparse",
        ),
        pytest.param(
            one_way, "ones", "'last.weight' is wrapped in NoWayBack, which has no right_inverse to write through",
            id="parametrization without a way back",
        ),
        pytest.param(
            wrapped(parametrizations.orthogonal), "{formula: i + j * j}",
            "'last.weight' cannot be written: its parametrization (Orthogonal) gives another value than the one "
            "written to it", id="orthogonal parametrization, another matrix",
        ),
        pytest.param(
            wrapped(parametrizations.orthogonal, orthogonal_map="cayley", use_trivialization=False), "orthogonal",
            "'last.weight' cannot be written: NotImplementedError: It is not possible to assign to the matrix "
            "exponential or the Cayley parametrizations when use_trivialization=False.",
            id="orthogonal parametrization that takes nothing",
        ),
        pytest.param(
            NeedsAnArgument, "reset",
            "'last.weight' cannot be written: TypeError: NeedsAnArgument.reset_parameters() missing 1 required "
            "positional argument: 'std'", id="reset method with arguments",
        ),
    ],
)  # fmt: skip
def test_unwritable_parameter_is_found_before_the_first_write(
    build: Callable[[], nn.Module], value: str, message: str
) -> None:
    model = behind(build())
    first = snapshot(model[0])
    rules = f"rules:\n  - {{rule: all, select: '*', set: {{weight: {value}}}}}\n"
    rules += "  - {rule: before, select: first, set: {weight: ones, bias: ones}}"
    plan = planned(rules, model)
    with pytest.raises(Problems) as caught:
        apply_(model, plan)
    assert [problem.message for problem in caught.value.problems] == [message]
    assert [problem.span and problem.span.place.partition(":")[0] for problem in caught.value.problems] == [
        "rules.yaml"
    ]
    assert snapshot(model[0]) == first


def test_reset_that_leaves_a_parameter_out_is_refused() -> None:
    model = ForgetsOne()
    with pytest.raises(Problems) as caught:
        applied("rules:\n  - {rule: all, select: '**', set: {'*': reset}}", model)
    assert str(caught.value).splitlines() == [
        "rules.yaml:3:42: 'extra' cannot be written: the reset method of ForgetsOne does not give it a value",
        "    - {rule: all, select: '**', set: {'*': reset}}",
        "                                           ^^^^^",
        "  Name the distribution instead, or 'keep'.",
    ]
    assert model.weight.tolist() == [1, 1, 1]


def test_lazy_parameter_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls lazy modules a feature under development
        model = behind(nn.LazyLinear(3))
    before = memory(model[0].weight)
    with pytest.raises(Problems) as caught:
        applied(WEIGHT.format("zeros"), model)
    assert [problem.message for problem in caught.value.problems] == [
        "its shape is not known yet: it is a lazy parameter, for 'last.weight'"
    ]
    assert memory(model[0].weight) == before


def test_errors_of_the_plan_stop_everything_and_come_all_at_once() -> None:
    model = chain("a", "b")
    before = snapshot(model)
    rules = """
rules:
  - {rule: fine, select: a, set: {weight: ones}}
  - {rule: shape, select: a, set: {bias: orthogonal}}
  - {rule: nothing, select: c, set: {bias: zeros}}
"""
    with pytest.raises(Problems) as caught:
        applied(rules, model)
    assert len(caught.value.problems) == 2
    assert snapshot(model) == before


@pytest.mark.parametrize(
    ("device", "message"),
    [
        pytest.param("meta", "the meta device holds no values", id="meta"),
        pytest.param("nowhere", "the device 'nowhere' cannot be used: ", id="no device"),
    ],
)
def test_device_is_tried_before_the_first_write(device: str, message: str) -> None:
    model = chain("a")
    before = snapshot(model)
    with pytest.raises(ApplyError) as caught:
        apply_(model, planned(NORMAL, model), device=device)
    assert caught.value.message.startswith(message)
    assert snapshot(model) == before


@dataclass(frozen=True, slots=True, kw_only=True)
class FailsOnB(Action):
    """An action that cannot write parameters of ``b``, but for the first ``tries`` times."""

    name: ClassVar[str] = "fails"
    tries: ClassVar[list[int]] = []

    def write_(self, tensor: Tensor, target: Target, draw: Draw) -> None:
        del draw
        if target.path.startswith("b.") and not self.tries:
            message = "out of ideas"
            raise ValueError(message)
        if target.path.startswith("b."):
            self.tries.pop()
        tensor.fill_(3)


def test_an_action_of_ones_own_is_tried_before_the_first_write() -> None:
    model = chain("a", "b", "c")
    before = snapshot(model)
    rules = ruleset.from_text(
        "initrules: 1\nrules:\n  - {rule: all, select: '*', set: {weight: fails}}",
        tables=BUILTIN.plus({"fails": FailsOnB}),
    )
    with pytest.raises(Problems) as caught:
        apply_(model, planning.make(rules, survey(model)))
    assert [problem.message for problem in caught.value.problems] == [
        "'b.weight' cannot be written: ValueError: out of ideas"
    ]
    assert snapshot(model) == before


def test_failure_half_way_names_the_parameter_and_keeps_a_record() -> None:
    model = chain("a", "b", "c")
    rules = ruleset.from_text(
        "initrules: 1\nrules:\n  - {rule: all, select: '*', set: {weight: fails}}",
        tables=BUILTIN.plus({"fails": FailsOnB}),
    )
    plan = planning.make(rules, survey(model))
    FailsOnB.tries.append(1)  # the trial goes well
    with pytest.raises(WriteError) as caught:
        apply_(model, plan, seed=7)
    assert str(caught.value) == (
        "writing 'b.weight' failed after 1 others were written: ValueError: out of ideas\n"
        "  Build the model again before the next try."
    )
    assert caught.value.record == Record(7, plan, ("a.weight",), ())
    assert isinstance(caught.value.__cause__, ValueError)
    assert (model[0].weight == 3).all()


# A plan and the model it was made for


def test_plan_for_another_model_is_refused_with_the_difference() -> None:
    plan = planned(NORMAL, chain("a", "b"))
    model = chain("a", "c")
    before = snapshot(model)
    with pytest.raises(ApplyError) as caught:
        apply_(model, plan)
    assert str(caught.value) == (
        "this is not the model that was planned: 'b.bias' is gone, 'b.weight' is gone, "
        "'c.bias' is new, 'c.weight' is new (2 gone, 2 new)\n  Plan this model again."
    )
    assert snapshot(model) == before


def test_plan_whose_decisions_would_differ_is_refused() -> None:
    rules = WEIGHT.format("{normal: {std: 1 / module.in_features}}")
    with pytest.raises(ApplyError) as caught:
        apply_(chain("a", width=8), planned(rules, chain("a", width=6)))
    assert caught.value.message == (
        "this is not the model that was planned: 2 parameters would be decided differently, the first is 'a.weight'"
    )


def compiled() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own imports use what torch deprecates
        model: Any = torch.compile(chain("a", "b"))
    assert isinstance(model, nn.Module)
    return model


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: chain("b", "a"), id="other order"),
        pytest.param(lambda: chain("a", "b").to(torch.bfloat16), id="other dtype"),
        pytest.param(lambda: chain("a", "b").to("meta"), id="on the meta device"),
        pytest.param(compiled, id="compiled"),
        pytest.param(lambda: chain("a", "b").eval(), id="eval mode"),
    ],
)
def test_plan_fits_every_model_of_equal_decisions(other: Callable[[], nn.Module]) -> None:
    model = other()
    record = apply_(model, planned(NORMAL, chain("a", "b")))
    assert sorted(record.written) == ["a.bias", "a.weight", "b.bias", "b.weight"]


def test_record_says_what_was_done() -> None:
    model = chain("a")
    plan = planned(WRAP.format("ones", "spectral_norm"), model)
    assert apply_(model, plan, seed=3) == Record(3, plan, ("a.weight",), ("a.weight",))


# Streams: the value depends on (seed, canonical name) and the action


DRAWN = ["{normal: {std: 1}}", "{uniform: {bound: 1}}", "{trunc_normal: {std: 1}}", "orthogonal", "reset"]


@pytest.mark.parametrize("value", DRAWN)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("a", "new", "b", "c"), id="a layer more"),
        pytest.param(("c", "b", "a"), id="other order"),
        pytest.param(("a", "c"), id="a layer less"),
    ],
)
def test_other_layers_change_nothing(value: str, names: tuple[str, ...]) -> None:
    rules = f"rules:\n  - {{rule: all, select: '*', set: {{weight: {value}}}}}"
    before, after = values(rules, chain("a", "b", "c")), values(rules, chain(*names))
    common = [f"{name}.weight" for name in ("a", "b", "c") if name in names]
    assert [same(before[name], after[name]) for name in common] == [True] * len(common)


def test_editing_one_rule_changes_no_other_parameter() -> None:
    rules = "rules:\n  - {{rule: all, select: '*', set: {{'*': {{normal: {{std: 1}}}}}}}}\n"
    rules += "  - {{rule: b, select: b, set: {{weight: {0}}}}}"
    before = values(rules.format("orthogonal"), chain("a", "b", "c"))
    after = values(rules.format("{uniform: {bound: 3}}"), chain("a", "b", "c"))
    assert [name for name in before if not same(before[name], after[name])] == ["b.weight"]


@pytest.mark.parametrize("value", DRAWN)
def test_equal_seeds_give_equal_bits_and_others_do_not(value: str) -> None:
    drawn = [values(WEIGHT.format(value), chain("a"), seed=seed)["a.weight"] for seed in (0, 0, 1, -1)]
    assert same(drawn[0], drawn[1])
    assert not any(same(drawn[0], other) for other in drawn[2:])


def test_layers_of_equal_shape_differ() -> None:
    found = values(NORMAL, chain("a", "b"))
    assert not same(found["a.weight"], found["b.weight"])


@pytest.mark.parametrize("value", DRAWN)
def test_the_state_of_the_global_generator_and_the_old_values_do_not_matter(value: str) -> None:
    found = []
    for seed in (1, 2):
        with isolation(seed):
            model = nn.Linear(4, 4)
            torch.rand(seed)
            found.append(values(WEIGHT.format(value), model)["weight"])
    assert same(*found)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
@pytest.mark.parametrize("value", DRAWN[:4])
def test_low_precision_is_the_float32_value_cast(value: str, dtype: torch.dtype) -> None:
    full = values(WEIGHT.format(value), One(torch.zeros(4, 4)))["weight"]
    low = values(WEIGHT.format(value), One(torch.zeros(4, 4).to(dtype)))["weight"]
    assert same(full.to(dtype), low)


def test_progress_is_reported_once_for_each_write() -> None:
    model = chain("a", "b")
    calls: list[None] = []
    record = apply_(model, planned(WEIGHT.format("ones"), model), on_row=lambda: calls.append(None))
    assert len(calls) == len(record.written) == 2


# What stays as it was


def test_modes_flags_gradients_and_other_generators_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        message = "the seed of every device would change"
        raise AssertionError(message)

    model = chain("a", "b").train()
    monkeypatch.setattr(torch, "manual_seed", fail)
    model[1].eval()
    model[0].bias.requires_grad_(False)
    model[0].weight.grad = torch.ones(6, 6)
    parameters = list(model.parameters())
    states = random.getstate(), repr(np.random.get_state())  # noqa: NPY002  # the state that must not move
    applied("rules:\n  - {rule: all, select: {path: '*', frozen: true}, set: {'*': reset}}", model)
    assert [module.training for module in model.modules()] == [True, True, False]
    assert [p.requires_grad for p in model.parameters()] == [True, False, True, True]
    assert model[0].weight.grad is not None
    assert (model[0].weight.grad == 1).all()
    assert all(one is other for one, other in zip(parameters, model.parameters(), strict=True))
    assert (random.getstate(), repr(np.random.get_state())) == states  # noqa: NPY002


def test_keep_and_unclaimed_parameters_keep_every_byte() -> None:
    model = chain("a", "b", "c")
    with torch.no_grad():
        model[1].weight.fill_(float("nan"))
    before = snapshot(model)
    record = applied(
        "rules:\n  - {rule: a, select: a, set: {'*': ones}}\n  - {rule: b, select: b, set: {'*': keep}}", model
    )
    after = snapshot(model)
    assert record.written == ("a.weight", "a.bias")
    assert [name for name in after if after[name] != before[name]] == ["a.weight", "a.bias"]


@contextlib.contextmanager
def default_device(device: str) -> Iterator[None]:
    with torch.device(device):
        yield


@pytest.mark.parametrize(
    "context",
    [
        pytest.param(torch.inference_mode, id="inference mode"),
        pytest.param(torch.no_grad, id="no_grad"),
        pytest.param(lambda: default_device("meta"), id="another default device"),
    ],
)
@pytest.mark.parametrize("value", DRAWN)
def test_the_caller_s_context_changes_no_value(value: str, context: Callable[[], Any]) -> None:
    model = isolated(nn.Linear)(4, 4).to("meta")
    rules = f"{WEIGHT.format(value)[:-2]}, bias: zeros}}}}"
    with context():
        applied(rules, model)
    assert same(model.weight, values(rules, isolated(nn.Linear)(4, 4))["weight"])
    model(torch.ones(4)).sum().backward()
    assert model.weight.grad is not None


# Kinds of tensors


ANY_SHAPE = ["zeros", "ones", "-0.5", "{normal: {std: 1}}", "{uniform: {bound: 1}}", "{trunc_normal: {std: 1}}"]
MATRIX = [
    *ANY_SHAPE,
    "orthogonal",
    "xavier_uniform",
    "kaiming_normal",
    "{variance_scaling: {distribution: truncated_normal}}",
]


@pytest.mark.parametrize("value", MATRIX)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (2, 0, 4)])
def test_parameters_without_entries_take_every_value(value: str, shape: tuple[int, ...]) -> None:
    model = One(torch.empty(shape))
    assert applied(WEIGHT.format(value), model).written == ("weight",)
    assert model.weight.shape == shape


@pytest.mark.parametrize("value", ANY_SHAPE)
def test_parameters_without_dimensions_take_a_value(value: str) -> None:
    model = One(torch.tensor(7.0))
    applied(WEIGHT.format(value), model)
    assert model.weight.shape == ()
    assert -5 < model.weight.item() < 5


@pytest.mark.parametrize("value", MATRIX)
@pytest.mark.parametrize(
    ("make", "stride"),
    [
        pytest.param(lambda: torch.zeros(5, 4).t(), (1, 4), id="transposed"),
        pytest.param(lambda: torch.zeros(8, 10)[::2, ::2], (20, 2), id="every second entry"),
    ],
)
def test_strides_are_kept_and_change_no_value(value: str, make: Callable[[], Tensor], stride: tuple[int, int]) -> None:
    model = One(make())
    found = values(WEIGHT.format(value), model)["weight"]
    assert model.weight.stride() == stride
    assert same(found.contiguous(), values(WEIGHT.format(value), One(torch.zeros(4, 5)))["weight"])


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_channels_last_is_kept(device: str) -> None:
    rules = WEIGHT.format("kaiming_normal")
    plain = isolated(nn.Conv2d)(3, 4, 3, bias=False)
    conv: Any = isolated(nn.Conv2d)(3, 4, 3, bias=False)
    conv = conv.to(memory_format=torch.channels_last).to(device)
    applied(rules, conv)
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert same(conv.weight, values(rules, plain)["weight"])


def test_float64_is_drawn_in_float64() -> None:
    found = values(WEIGHT.format("{uniform: {bound: 1}}"), One(torch.zeros(100, dtype=torch.float64)))["weight"]
    assert not torch.equal(found, found.float().double())


def test_complex_parameters() -> None:
    found = values(WEIGHT.format("orthogonal"), One(torch.zeros(5, 5, dtype=torch.complex64)))["weight"]
    assert torch.allclose(found @ found.mH, torch.eye(5, dtype=torch.complex64), atol=1e-5)
    constant = values(WEIGHT.format("0.5"), One(torch.zeros(5, dtype=torch.complex64)))["weight"]
    assert constant.tolist() == [0.5] * 5


def test_buffers_are_written_by_literal_key_only() -> None:
    norm = nn.BatchNorm1d(3)
    norm.running_mean = torch.full((3,), 9.0)
    norm.register_buffer("mask", torch.zeros(2, dtype=torch.bool))
    record = applied(
        "rules:\n  - {rule: all, select: '**', set: {'*': 0.5, running_var: 4, num_batches_tracked: 7, mask: 1}}", norm
    )
    assert sorted(record.written) == ["bias", "mask", "num_batches_tracked", "running_var", "weight"]
    found = [norm.get_buffer(name).tolist() for name in ("running_mean", "running_var", "num_batches_tracked", "mask")]
    assert found == [[9] * 3, [4] * 3, 7, [True, True]]


class Masked(nn.Module):
    """A module whose reset method reads a buffer."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.register_buffer("mask", torch.tensor([1.0, 0, 1, 0]))

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.copy_(2 * self.mask)


def test_reset_sees_the_buffers_of_its_module() -> None:
    assert values(WEIGHT.format("reset"), Masked())["weight"].tolist() == [2, 0, 2, 0]


def test_reset_that_needs_a_value_from_the_meta_device_is_refused() -> None:
    with torch.device("meta"):
        model = Masked()
    with pytest.raises(Problems, match="the reset method of Masked does not give it a value"):
        applied("rules:\n  - {rule: all, select: '**', set: {weight: reset, mask: 1}}", model)
    assert model.weight.is_meta


# Ties and padding


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tied_parameters_stay_tied_and_are_written_once(device: str) -> None:
    with isolation(), torch.device(device):
        model = Tied()
    record = applied(WEIGHT.format("{normal: {std: 1}}"), model)
    assert record.written == ("embed.weight",)
    assert model.out.weight is model.embed.weight
    assert model.out.weight.device.type == "cpu"
    assert same(model.out.weight, values(WEIGHT.format("{normal: {std: 1}}"), isolated(Tied)())["embed.weight"])


def test_the_canonical_name_is_the_key_whichever_name_a_rule_meets() -> None:
    by_linear = "rules:\n  - {rule: all, select: {type: Linear}, set: {weight: {normal: {std: 1}}}}"
    by_embedding = by_linear.replace("Linear", "Embedding")
    assert same(values(by_linear, isolated(Tied)())["out.weight"], values(by_embedding, isolated(Tied)())["out.weight"])


def test_two_parameters_that_view_the_same_memory_are_one() -> None:
    model = chain("a", "b")
    model[1].weight.data = model[0].weight.data
    record = applied(WEIGHT.format("{normal: {std: 1}}"), model)
    assert record.written == ("a.weight",)
    assert same(model[0].weight, model[1].weight)


@pytest.mark.parametrize("select", ["Embedding", "Linear"])
@pytest.mark.parametrize("value", ["ones", "{normal: {std: 1}}", "orthogonal", "{uniform: {low: 1, high: 2}}"])
def test_padding_row_stays_zero_whichever_name_a_rule_meets(select: str, value: str) -> None:
    model = isolated(Tied)(padding_idx=-2)
    applied(f"rules:\n  - {{rule: all, select: {{type: {select}}}, set: {{weight: {value}}}}}", model)
    assert [bool(row.any()) for row in model.embed.weight] == [True, True, True, False, True]


# Models on the meta device


class Mixed(nn.Module):
    """Layers that keep their tensors in different ways."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 4, batch_first=True)
        self.norm = nn.BatchNorm1d(4)
        self.several = nn.ParameterList([torch.zeros(2), torch.zeros(2)])
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.rnn(x)[0][:, -1]
        out: Tensor = self.out(self.norm(hidden)) + self.several[0]
        return out


MIXED = """
rules:
  - {rule: own, select: {type: [LSTM, BatchNorm1d, Linear]}, set: {'*': reset}}
  - {rule: buffers, select: norm, set: {running_mean: zeros, running_var: ones, num_batches_tracked: zeros}}
  - {rule: list, select: several, set: {'*': {normal: {std: 1}}}}
"""


def test_a_model_on_the_meta_device_gets_the_values_of_one_on_the_cpu() -> None:
    with torch.device("meta"):
        model = Mixed()
    model.norm.weight.requires_grad_(False)
    rules = MIXED.replace("{type: [LSTM", "{frozen: true, type: [LSTM")
    found, expected = values(rules, model), values(rules, isolated(Mixed)())
    assert list(found) == list(expected)
    assert all(same(found[name], expected[name]) for name in expected)
    assert not model.norm.weight.requires_grad
    other = isolated(Mixed)()
    other.load_state_dict(model.state_dict())
    inputs = torch.linspace(-1, 1, 24).reshape(2, 3, 4)
    assert torch.equal(model(inputs), other(inputs))


def test_a_formula_that_names_another_parameter_is_tried_with_what_that_will_be() -> None:
    rules = (
        "rules:\n  - {rule: all, select: '**', set: {weight: {normal: {std: 1}}, bias: {formula: norm(module.weight)}}}"
    )
    with torch.device("meta"):
        model = nn.Linear(3, 3)
    applied(rules, model)
    assert torch.allclose(model.bias, model.weight.norm())


def test_rehearsals_draw_nothing_from_a_global_stream() -> None:
    class Own(nn.Linear):
        """Not torch's own class, so that its reset method is tried first."""

    model: Any = isolated(lambda: nn.Sequential(Own(3, 3), Own(3, 3)))()
    rules = "stream: global\nrules:\n  - {rule: all, select: '*', set: {'*': reset}}"
    with isolation(3):
        applied(rules, model)
    with isolation(3):
        expected = [nn.Linear(3, 3), nn.Linear(3, 3)]
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(model, expected, strict=True))


def test_tensors_on_the_meta_device_without_a_value_are_named() -> None:
    with torch.device("meta"):
        model = Mixed()
    rules = "rules:\n  - {rule: all, select: '**', set: {'*': ones}}\n  - {rule: kept, select: out, set: {bias: keep}}"
    with pytest.raises(Problems) as caught:
        applied(rules, model)
    assert str(caught.value) == (
        "1 parameter on the meta device, and no rule gives a value: out.bias\n"
        "  Add a rule or a default for them, or build the model on a real device.\n"
        "3 buffers on the meta device, and no rule gives a value: norm.running_mean, norm.running_var, "
        "norm.num_batches_tracked\n"
        "  Build the model under 'initrules.no_init(meta=True)', which keeps buffers, or write a rule for them."
    )
    assert all(tensor.is_meta for tensor in model.state_dict().values())


# Other roots


@dataclass(frozen=True)
class Pair:
    one: nn.Module
    other: nn.Module | None = None


@pytest.mark.parametrize(
    "root", [pytest.param(lambda m: {"one": m, "other": None}, id="dict"), pytest.param(Pair, id="dataclass")]
)
def test_roots_that_are_no_modules(root: Callable[[nn.Module], Any]) -> None:
    model = chain("a")
    assert applied(NORMAL, root(model)).written == ("one.a.weight", "one.a.bias")
    assert same(model[0].weight, values(NORMAL, nn.ModuleDict({"one": chain("a")}))["one.a.weight"])
