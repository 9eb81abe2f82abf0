"""Weights under parametrizations: written through those there are, and wrapped in new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from initrules.apply import apply_
from initrules.errors import Problems
from initrules.wrapping import is_finite
from initrules.writer import WriteError
from support import isolated, isolation, planned
from writing import WEIGHT, WRAP, One, Tied, applied, behind, chain, same, snapshot, values

# Parametrizations that are there already


def singular_values(weight: Tensor) -> Tensor:
    found: Tensor = torch.linalg.svdvals(weight.detach().flatten(1).double())
    return found


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("value", ["{normal: {std: 3}}", "{uniform: {bound: 1}}", "reset", "orthogonal", "-0.5"])
def test_writing_under_a_spectral_norm(value: str, training: bool) -> None:
    bare: Any = isolated(nn.Linear)(24, 32)
    model: Any = isolated(lambda: parametrizations.spectral_norm(nn.Linear(24, 32)))().train(training)
    applied(WEIGHT.format(value), model)
    written = values(WEIGHT.format(value), bare)["weight"]
    assert same(model.parametrizations.weight.original, written)
    assert torch.allclose(model.weight, written / singular_values(written)[0], atol=1e-5)
    assert float(singular_values(model.weight)[0]) == pytest.approx(1, abs=1e-5)


def test_spectral_norm_vectors_do_not_depend_on_how_the_model_was_built() -> None:
    found = []
    for seed in (1, 2):
        with isolation(seed):
            model: Any = parametrizations.spectral_norm(nn.Linear(8, 8, bias=False))
        applied(WEIGHT.format("{normal: {std: 1}}"), model)
        found.append(snapshot(model))
    assert found[0] == found[1]


@pytest.mark.parametrize("value", ["{normal: {std: 3}}", "reset", "orthogonal", "-0.5"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_writing_under_a_weight_norm(value: str, dim: int) -> None:
    model: Any = isolated(lambda: parametrizations.weight_norm(nn.Linear(5, 6), dim=dim))()
    applied(WEIGHT.format(value), model)
    assert torch.allclose(model.weight, values(WEIGHT.format(value), isolated(nn.Linear)(5, 6))["weight"], atol=1e-6)


@pytest.mark.parametrize("map_", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(5, 5), (4, 6), (6, 4)])
def test_writing_under_an_orthogonal_parametrization(map_: str, shape: tuple[int, int]) -> None:
    model: Any = isolated(lambda: parametrizations.orthogonal(nn.Linear(*shape), orthogonal_map=map_))()
    applied(WEIGHT.format("orthogonal"), model)
    expected = values(WEIGHT.format("orthogonal"), isolated(nn.Linear)(*shape))["weight"]
    assert torch.allclose(model.weight, expected, atol=1e-5)


def test_resetting_a_copy_leaves_the_parametrized_class_alone() -> None:
    model: Any = isolated(lambda: parametrizations.weight_norm(nn.Linear(5, 6)))()
    applied("rules:\n  - {rule: all, select: '**', set: {weight: reset, bias: reset}}", model)
    assert nn.utils.parametrize.is_parametrized(model, "weight")
    assert sorted(model.state_dict()) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip


@pytest.mark.parametrize("wrap", [parametrizations.spectral_norm, parametrizations.weight_norm])
def test_zero_under_a_norm_is_an_error_of_the_plan(wrap: Callable[[nn.Module], nn.Module]) -> None:
    model: Any = isolated(lambda: wrap(nn.Linear(3, 3)))()
    with pytest.raises(Problems, match="divides 'weight' by its norm, and its value is zero: the result is NaN"):
        applied(WEIGHT.format("zeros"), model)
    assert bool(model.weight.any())


# Parametrizations that rules add


def test_spectral_norm_divides_by_the_largest_singular_value_at_once() -> None:
    model: Any = isolated(nn.Linear)(48, 64)
    applied(WRAP.format("{normal: {std: 3}}", "spectral_norm"), model)
    assert float(singular_values(model.weight)[0]) == pytest.approx(1, abs=1e-5)
    model.eval()
    assert float(singular_values(model.weight)[0]) == pytest.approx(1, abs=1e-5)


def test_spectral_norm_of_a_transposed_convolution_is_over_its_outputs() -> None:
    model: Any = isolated(nn.ConvTranspose2d)(4, 6, 3)
    applied(WRAP.format("{normal: {std: 1}}", "spectral_norm"), model)
    over_outputs = model.weight.detach().transpose(0, 1)
    assert float(singular_values(over_outputs)[0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("wrap", ["spectral_norm", "weight_norm", "{spectral_norm: {n_power_iterations: 3}}"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_are_written_before_the_wrap(wrap: str, dtype: torch.dtype) -> None:
    model: Any
    bare, model = One(torch.zeros(5, 4, dtype=dtype)), One(torch.zeros(5, 4, dtype=dtype))
    applied(WRAP.format("{normal: {std: 1}}", wrap), model)
    written = values(WEIGHT.format("{normal: {std: 1}}"), bare)["weight"]
    effective = model.weight.detach()
    ratio = (effective / written)[:, :1].expand(5, 4)
    assert torch.allclose(effective / written, ratio, rtol=2e-2 if dtype == torch.bfloat16 else 1e-4)
    assert not torch.equal(effective, written) or wrap == "weight_norm"


def test_spectral_norm_of_a_complex_weight() -> None:
    model: Any = One(torch.zeros(5, 4, dtype=torch.complex64))
    applied(WRAP.format("{normal: {std: 1}}", "spectral_norm"), model)
    assert float(torch.linalg.svdvals(model.weight.detach())[0]) == pytest.approx(1, abs=1e-5)


def test_orthogonal_wrap_starts_at_the_orthogonal_value() -> None:
    model: Any
    bare, model = isolated(nn.Linear)(6, 4), isolated(nn.Linear)(6, 4)
    applied(WRAP.format("orthogonal", "orthogonal"), model)
    assert torch.allclose(model.weight, values(WEIGHT.format("orthogonal"), bare)["weight"], atol=1e-5)


def test_torch_arguments_are_passed_on() -> None:
    model: Any = isolated(nn.Linear)(4, 4)
    applied(WRAP.format("orthogonal", "{spectral_norm: {n_power_iterations: 3, eps: 1e-6}}"), model)
    norm: Any = model.parametrizations.weight[0]
    assert (norm.n_power_iterations, norm.eps) == (3, 1e-6)
    model = isolated(nn.Linear)(4, 4)
    applied(WRAP.format("orthogonal", "{orthogonal: {orthogonal_map: cayley}}"), model)
    chosen: Any = model.parametrizations.weight[0]
    assert chosen.orthogonal_map.name == "cayley"


def test_a_shared_module_is_wrapped_once_under_all_its_names() -> None:
    shared: Any = isolated(nn.Linear)(3, 3)
    model: Any = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared), "c": shared})
    record = applied(WRAP.format("orthogonal", "spectral_norm"), model)
    assert record.parametrized == ("a.weight",)
    assert len(shared.parametrizations.weight) == 1


def test_wrapping_one_end_of_a_tie_is_refused() -> None:
    model: Any = isolated(Tied)()
    rules = "rules:\n  - {rule: norm, select: out, parametrize: {weight: spectral_norm}}"
    with pytest.raises(Problems) as caught:
        applied(rules, model)
    assert [problem.message for problem in caught.value.problems] == [
        "'embed.weight' is tied to 'out.weight', and spectral_norm would wrap one of them only"
    ]


def test_wrapping_twice_is_refused() -> None:
    model: Any = chain("a")
    plan = planned(WRAP.format("orthogonal", "spectral_norm"), model)
    apply_(model, plan)
    before = snapshot(model)
    with pytest.raises(Problems) as caught:
        apply_(model, plan)
    assert [problem.message for problem in caught.value.problems] == [
        "spectral_norm comes on top of spectral_norm, which is already around 'a.weight'"
    ]
    assert snapshot(model) == before


def test_planned_zero_under_a_new_norm_is_an_error_of_the_plan() -> None:
    plan = planned(WRAP.format("zeros", "spectral_norm"), chain("a"))
    assert [finding.code for finding in plan.errors] == ["norm-of-zero"]


@pytest.mark.parametrize(
    ("wrap", "start"),
    [
        pytest.param("spectral_norm", torch.zeros(3, 3), id="spectral norm of zero"),
        pytest.param("weight_norm", torch.zeros(3, 3), id="weight norm of zero"),
        pytest.param("weight_norm", torch.ones(3, 3).tril(-1), id="weight norm of a zero row"),
        pytest.param("{weight_norm: {dim: 1}}", torch.ones(3, 3).tril(-1), id="weight norm of a zero column"),
    ],
)
@pytest.mark.parametrize("value", ["", ", set: {weight: keep}"])
def test_existing_zero_under_a_new_norm_is_found_before_the_first_write(wrap: str, start: Tensor, value: str) -> None:
    model: Any = behind(One(start.clone()))
    before = snapshot(model)
    rules = "rules:\n  - {rule: first, select: first, set: {'*': ones}}\n"
    rules += f"  - {{rule: norm, select: last, parametrize: {{weight: {wrap}}}{value}}}"
    with pytest.raises(Problems) as caught:
        applied(rules, model)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].message.endswith(
        "_norm divides 'last.weight' by a norm that is zero now: the result is NaN"
    )
    assert snapshot(model) == before


def test_weight_norm_of_the_whole_tensor_takes_zero_rows() -> None:
    model: Any = One(torch.ones(3, 3).tril(-1))
    applied("rules:\n  - {rule: norm, select: '**', parametrize: {weight: {weight_norm: {dim: -1}}}}", model)
    assert bool(model.weight.isfinite().all())


@pytest.mark.parametrize(
    ("wrap", "model", "message"),
    [
        pytest.param(
            "orthogonal", One(torch.ones(3, 3, dtype=torch.bfloat16)),
            "orthogonal cannot wrap bfloat16: its matrix functions need float32 or float64, for 'weight'",
            id="bfloat16",
        ),
        pytest.param(
            "{orthogonal: {orthogonal_map: householder}}", One(torch.ones(3, 3, dtype=torch.complex64)),
            "the householder map does not take complex parameters, for 'weight'", id="complex householder",
        ),
        pytest.param(
            "weight_norm", One(torch.ones(3, 3, dtype=torch.complex64)),
            "weight_norm cannot wrap complex64, for 'weight'", id="complex weight norm",
        ),
        pytest.param(
            "{spectral_norm: {dim: 2}}", One(torch.ones(3, 3)),
            "there is no dimension 2: this parameter has 2, for 'weight'", id="dimension too large",
        ),
        pytest.param(
            "{weight_norm: {dim: -2}}", One(torch.ones(3, 3)),
            "there is no dimension -2: this parameter has 2, for 'weight'", id="weight norm counts from the front",
        ),
        pytest.param(
            "weight_norm", isolated(nn.Embedding)(3, 3, padding_idx=1),
            "weight_norm divides each row by its norm, and the padding row 1 is zero, for 'weight'", id="padding row",
        ),
        pytest.param(
            "spectral_norm", One(torch.ones(3)),
            "spectral_norm needs at least 2 dimensions, this parameter has 1, for 'weight'", id="vector",
        ),
        pytest.param(
            "spectral_norm", One(torch.ones(3, 3, dtype=torch.int64), requires_grad=False),
            "spectral_norm cannot wrap int64, for 'weight'", id="integers",
        ),
    ],
)  # fmt: skip
def test_weights_that_cannot_be_wrapped_are_errors_of_the_plan(wrap: str, model: nn.Module, message: str) -> None:
    rules = f"rules:\n  - {{rule: norm, select: {{path: '**', frozen: true}}, parametrize: {{weight: {wrap}}}}}"
    assert [finding.message for finding in planned(rules, model).errors] == [message]


class StartsAtZero(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 3))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)


def test_zero_that_only_the_write_reveals_is_an_error_not_a_nan() -> None:
    with pytest.raises(WriteError) as caught:
        applied(WRAP.format("reset", "spectral_norm"), StartsAtZero())
    assert str(caught.value) == (
        "writing 'weight' failed after 1 others were written: its parametrization divides by a norm that is zero\n"
        "  Build the model again before the next try."
    )


FINITE = {
    "plain": (torch.tensor([1.0, -2.0]), True),
    "a sum beyond the largest number": (torch.full((4,), torch.finfo(torch.float32).max), True),
    "a sum that is no number": (torch.tensor([torch.finfo(torch.float32).max] * 2 + [-torch.inf]), False),
    "infinite": (torch.tensor([0.0, torch.inf]), False),
    "not a number": (torch.tensor([torch.nan, 0.0]), False),
    "narrow": (torch.full((2**10,), 60000.0, dtype=torch.float16), True),
    "8 bits": (torch.tensor([448.0, 1.0]).to(torch.float8_e4m3fn), True),
    "8 bits, not a number": (torch.tensor([torch.nan]).to(torch.float8_e4m3fn), False),
    "complex": (torch.tensor([1 + 1j, complex(0, torch.inf)]), False),
    "whole numbers": (torch.tensor([1, 2]), True),
    "empty": (torch.empty(0), True),
}


@pytest.mark.parametrize(("value", "wanted"), FINITE.values(), ids=FINITE)
def test_finite(value: torch.Tensor, wanted: bool) -> None:
    assert is_finite(value) is wanted
