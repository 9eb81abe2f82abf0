"""Random numbers against references that are not our own: scipy, torch, and closed forms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn

from initrules.draw import KeyedDraw
from initrules.errors import ApplyError
from initrules.resetting import scratch_copy, seeded_globally
from initrules.streams import stream_key
from support import isolated, isolation
from writing import One, same, values

MANY = 200_000
SIGNIFICANT = 1e-4  # keys are fixed, so that a test passes always or never


def drawn(fill: Callable[[KeyedDraw, Tensor], None], tensor: Tensor, name: str = "weight", seed: int = 0) -> Tensor:
    """The tensor, filled from the stream of this name."""
    fill(KeyedDraw(seed, name, nn.Module(), name), tensor)
    return tensor


def normal(*size: int, dtype: torch.dtype = torch.float32, name: str = "weight", seed: int = 0) -> Tensor:
    return drawn(lambda draw, tensor: draw.normal_(tensor, 0.0, 1.0), torch.empty(size, dtype=dtype), name, seed)


def orthogonal(*size: int, dtype: torch.dtype = torch.float64, name: str = "weight", gain: float = 1.0) -> Tensor:
    return drawn(lambda draw, tensor: draw.orthogonal_(tensor, gain), torch.empty(size, dtype=dtype), name)


# Distributions

DISTRIBUTIONS = [
    pytest.param(lambda d, t: d.uniform_(t, -2.0, 3.0), stats.uniform(-2, 5), id="uniform"),
    pytest.param(lambda d, t: d.uniform_(t, 0.0, 1e-30), stats.uniform(0, 1e-30), id="tiny uniform"),
    pytest.param(lambda d, t: d.normal_(t, 1.5, 0.25), stats.norm(1.5, 0.25), id="normal"),
    pytest.param(lambda d, t: d.trunc_normal_(t, 0.0, 1.0, -2.0, 2.0), stats.truncnorm(-2, 2), id="cut at 2"),
    pytest.param(
        lambda d, t: d.trunc_normal_(t, 1.0, 2.0, 0.0, 2.0), stats.truncnorm(-0.5, 0.5, 1, 2), id="cut within 1"
    ),
    pytest.param(
        lambda d, t: d.trunc_normal_(t, 0.0, 1.0, 1.0, math.inf), stats.truncnorm(1, np.inf), id="cut at one side"
    ),
    pytest.param(lambda d, t: d.trunc_normal_(t, 0.0, 1.0, 4.0, 5.0), stats.truncnorm(4, 5), id="upper tail"),
    pytest.param(lambda d, t: d.trunc_normal_(t, 0.0, 1.0, -6.0, -5.0), stats.truncnorm(-6, -5), id="lower tail"),
    pytest.param(lambda d, t: d.trunc_normal_(t, 0.0, 1.0, -math.inf, math.inf), stats.norm(0, 1), id="not cut at all"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("fill", "reference"), DISTRIBUTIONS)
def test_distribution(fill: Callable[[KeyedDraw, Tensor], None], reference: Any, dtype: torch.dtype) -> None:
    found = drawn(fill, torch.empty(MANY, dtype=dtype)).double().numpy()
    assert stats.kstest(found, reference.cdf).pvalue > SIGNIFICANT
    mean, variance, kurtosis = (float(moment) for moment in reference.stats("mvk"))
    spread = math.sqrt(variance)
    assert abs(found.mean() - mean) < 4.5 * spread / math.sqrt(MANY)
    assert abs(found.var() / variance - 1) < 4.5 * math.sqrt((kurtosis + 2) / MANY)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("fill", "reference"), DISTRIBUTIONS)
def test_values_are_finite_and_within_bounds(
    fill: Callable[[KeyedDraw, Tensor], None], reference: Any, dtype: torch.dtype
) -> None:
    found = drawn(fill, torch.empty(MANY, dtype=dtype))
    low, high = (torch.tensor(side, dtype=dtype) for side in reference.support())
    assert bool(found.isfinite().all())
    assert bool(((found >= low) & (found <= high)).all())


@pytest.mark.parametrize("name", [str(number) for number in range(20)])
def test_normal_values_reach_into_the_tails_and_never_to_infinity(name: str) -> None:
    found = normal(500_000, name=name).abs().max().item()
    assert 4 < found < 7  # P(max < 4) and P(max > 7) are below 1e-6


def test_complex_entries_have_the_variance_in_all() -> None:
    found = drawn(lambda d, t: d.normal_(t, 3.0, 2.0), torch.empty(MANY, dtype=torch.complex64)).numpy()
    assert stats.kstest(found.real, stats.norm(3, math.sqrt(2)).cdf).pvalue > SIGNIFICANT
    assert stats.kstest(found.imag, stats.norm(0, math.sqrt(2)).cdf).pvalue > SIGNIFICANT
    assert abs(np.corrcoef(found.real, found.imag)[0, 1]) < 4.5 / math.sqrt(MANY)


# torch's own initialisers as the reference of the actions that are named after them


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        pytest.param("xavier_uniform", nn.init.xavier_uniform_, id="xavier_uniform"),
        pytest.param("{glorot_normal: {gain: 2}}", lambda w: nn.init.xavier_normal_(w, 2), id="xavier_normal"),
        pytest.param("kaiming_uniform", nn.init.kaiming_uniform_, id="kaiming_uniform"),
        pytest.param(
            "{kaiming_normal: {mode: fan_out, nonlinearity: relu}}",
            lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), id="kaiming_normal",
        ),
        pytest.param(
            "{he_uniform: {a: 2}}", lambda w: nn.init.kaiming_uniform_(w, a=2), id="leaky relu",
        ),
        pytest.param(
            "{trunc_normal: {std: 0.02}}", lambda w: nn.init.trunc_normal_(w, 0, 0.02, -0.04, 0.04), id="cut in σ",
        ),
        pytest.param(
            "{trunc_normal: {std: 1, low: -0.5, high: 2}}", lambda w: nn.init.trunc_normal_(w, 0, 1, -0.5, 2),
            id="absolute cut",
        ),
        pytest.param("{orthogonal: {gain: 3}}", lambda w: nn.init.orthogonal_(w, 3), id="orthogonal"),
        pytest.param(
            "{lecun_normal: {}}", lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), id="lecun_normal",
        ),
        pytest.param(
            "{variance_scaling: {scale: 2, mode: fan_avg, distribution: uniform}}",
            lambda w: nn.init.xavier_uniform_(w, math.sqrt(2)), id="variance_scaling",
        ),
    ],
)  # fmt: skip
def test_action_draws_from_the_distribution_of_torch_s_initialiser(value: str, reference: Callable[..., Any]) -> None:
    rules = f"rules:\n  - {{rule: all, select: '**', set: {{weight: {value}}}}}"
    found = values(rules, isolated(nn.Linear)(192, 256, bias=False))["weight"]
    with isolation(1):
        expected = reference(torch.empty(256, 192))
    assert stats.ks_2samp(found.flatten().numpy(), expected.flatten().numpy()).pvalue > SIGNIFICANT
    assert float(found.abs().max()) == pytest.approx(float(expected.abs().max()), rel=0.35)


# Orthogonal matrices


@pytest.mark.parametrize("gain", [1.0, math.sqrt(2), 0.01])
@pytest.mark.parametrize("size", [(64, 64), (96, 32), (32, 96), (16, 3, 3, 3), (1, 50), (50, 1), (300, 200)])
def test_rows_or_columns_are_orthonormal_to_a_few_eps(size: tuple[int, ...], gain: float) -> None:
    found = (orthogonal(*size, dtype=torch.float32, gain=gain).flatten(1) / gain).double()
    small = found @ found.T if found.shape[0] <= found.shape[1] else found.T @ found
    residual = (small - torch.eye(len(small))).abs().max().item()
    assert residual < 20 * torch.finfo(torch.float32).eps


def samples(count: int, *size: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    draw = KeyedDraw(0, "weight", nn.Module(), "weight")
    found = [torch.empty(size, dtype=dtype) for _ in range(count)]
    for one in found:
        draw.orthogonal_(one, 1.0)
    return found


def test_traces_have_the_moments_of_the_haar_measure() -> None:
    """Diaconis & Shahshahani 1994: E tr Q = 0, E tr² Q = 1, E tr Q² = 1, E tr⁴ Q = 3 for n > 3."""
    matrices = samples(3000, 5, 5)
    traces = torch.stack([matrix.trace() for matrix in matrices])
    squares = torch.stack([(matrix @ matrix).trace() for matrix in matrices])
    for found, expected in ((traces, 0), (traces**2, 1), (squares, 1), (traces**4, 3)):
        error = found.std() / math.sqrt(len(found))
        assert abs(found.mean() - expected) < 4 * error


def test_both_determinants_occur() -> None:
    positive = sum(float(torch.linalg.det(matrix)) > 0 for matrix in samples(1000, 4, 4))
    assert abs(positive - 500) < 4 * math.sqrt(250)


@pytest.mark.parametrize("size", [(5, 5), (3, 7), (7, 3)])
@pytest.mark.parametrize("corner", [(0, 0), (-1, -1), (0, -1)])
def test_entries_are_those_of_a_point_on_the_sphere(size: tuple[int, int], corner: tuple[int, int]) -> None:
    """The square of one coordinate of a uniform point on the sphere in n dimensions is Beta(1/2, (n - 1)/2)."""
    entries = torch.stack([matrix[corner] for matrix in samples(2000, *size)])
    reference = stats.beta(0.5, (max(size) - 1) / 2)
    assert stats.kstest((entries**2).numpy(), reference.cdf).pvalue > SIGNIFICANT
    assert abs(int((entries > 0).sum()) - 1000) < 4 * math.sqrt(500)


def test_eigenvalues_of_unitary_matrices_are_uniform_on_the_circle() -> None:
    """Mezzadri 2007, figure 1: without the phases of R they are not."""
    angles = torch.cat([torch.linalg.eigvals(m).angle() for m in samples(1500, 4, 4, dtype=torch.complex128)])
    assert stats.kstest(angles.numpy(), stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > SIGNIFICANT


# Keys


def test_keys_do_not_collide() -> None:
    names = [f"model.layers.{layer}.mlp.{local}" for layer in range(50_000) for local in ("weight", "bias")]
    keys = {stream_key(0, name) for name in names} | {stream_key(1, name) for name in names}
    keys |= {stream_key(0, name, "1") for name in names}
    assert len(keys) == 3 * len(names)
    assert max(keys).bit_length() == 128


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((1, "1.weight", ""), (11, ".weight", ""), id="seed and name"),
        pytest.param((0, "a", "b"), (0, "ab", ""), id="name and slot"),
        pytest.param((0, "a", "1"), (0, "a1", ""), id="name and number"),
        pytest.param((-1, "a", ""), (1, "a", ""), id="sign of the seed"),
        pytest.param((2**64, "a", ""), (0, "a", ""), id="large seeds are not cut off"),
    ],
)
def test_parts_of_a_key_do_not_run_into_each_other(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    assert stream_key(*one) != stream_key(*other)


def test_neighbouring_names_and_seeds_are_uncorrelated() -> None:
    streams = [normal(20_000, name=f"layers.{layer}.weight", seed=seed) for layer in range(8) for seed in range(4)]
    found = np.corrcoef(torch.stack(streams).numpy())
    worst = max(abs(found[i, j]) for i, j in itertools.combinations(range(len(streams)), 2))
    assert worst < 5 / math.sqrt(20_000)


def test_streams_do_not_overlap_when_shifted() -> None:
    one, other = (normal(2000, dtype=torch.float64, name=name).tolist() for name in ("a", "b"))
    assert not set(one) & set(other)


# Reset


def learned(module: Any) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items() if "." not in name}


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: nn.Linear(150, 200), id="Linear"),
        pytest.param(lambda: nn.Conv2d(30, 40, 5), id="Conv2d"),
        pytest.param(lambda: nn.ConvTranspose1d(30, 40, 5, groups=2), id="grouped ConvTranspose1d"),
        pytest.param(lambda: nn.LSTM(40, 60, num_layers=2), id="LSTM"),
        pytest.param(lambda: nn.GRUCell(40, 60), id="GRUCell"),
        pytest.param(lambda: nn.MultiheadAttention(64, 4, add_bias_kv=True), id="MultiheadAttention"),
        pytest.param(lambda: nn.MultiheadAttention(64, 4, kdim=32, vdim=16), id="MultiheadAttention, three weights"),
        pytest.param(lambda: nn.BatchNorm2d(100), id="BatchNorm2d"),
        pytest.param(lambda: nn.LayerNorm(100), id="LayerNorm"),
        pytest.param(lambda: nn.Embedding(200, 50, padding_idx=3), id="Embedding"),
        pytest.param(lambda: nn.Bilinear(20, 30, 10), id="Bilinear"),
        pytest.param(lambda: nn.PReLU(7), id="PReLU"),
    ],
)
def test_reset_draws_from_the_distribution_of_the_module_s_own_method(build: Callable[[], nn.Module]) -> None:
    rules = "rules:\n  - {rule: all, select: '**', set: {'*': reset, running_mean: reset, running_var: reset}}"
    expected, module = learned(isolated(build)()), isolated(build)()
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data.fill_(9)
    values(rules, module)
    found = learned(module)
    for name in expected.keys() - {"num_batches_tracked"}:
        one, other = found[name].flatten(), expected[name].flatten()
        if bool((other == other[0]).all()):
            assert torch.equal(one, other), name
        else:
            assert stats.ks_2samp(one.numpy(), other.numpy()).pvalue > SIGNIFICANT, name
            assert not torch.equal(one, other), name
    if isinstance(module, nn.Embedding):
        assert not bool(module.weight[3].any())


def test_reset_of_a_sub_class_runs_its_own_method() -> None:
    class Small(nn.Linear):
        def reset_parameters(self) -> None:
            nn.init.constant_(self.weight, 0.25)
            nn.init.constant_(self.bias, self.in_features)

    module = isolated(Small)(3, 2)
    module.weight.data.zero_()
    values("rules:\n  - {rule: all, select: '**', set: {'*': reset}}", module)
    assert module.weight.tolist() == [[0.25] * 3] * 2
    assert module.bias.tolist() == [3.0, 3.0]


def test_reset_leaves_the_module_and_its_children_alone() -> None:
    module = isolated(nn.MultiheadAttention)(8, 2)
    before = module.out_proj.bias.data.fill_(5).clone()
    values("rules:\n  - {rule: all, select: '', set: {in_proj_weight: reset}}", module)
    assert same(module.out_proj.bias, before)  # _reset_parameters sets it to zero in the scratch copy


def test_reset_that_writes_no_value_is_an_error() -> None:
    class Nothing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2))

        def reset_parameters(self) -> None:
            """Write nothing."""

    with pytest.raises(ApplyError) as caught:
        KeyedDraw(0, "weight", Nothing(), "weight").reset_(torch.empty(2))
    assert str(caught.value) == (
        "the reset method of Nothing does not give it a value\n  Name the distribution instead, or 'keep'."
    )


def test_scratch_copy_shares_nothing() -> None:
    module = isolated(nn.utils.parametrizations.weight_norm)(isolated(nn.Linear)(3, 2))
    module.register_buffer("table", torch.arange(3.0))
    copied: Any = scratch_copy(module)
    assert copied.table.tolist() == [0, 1, 2]
    assert type(copied) is nn.Linear
    assert sorted(name for name, _ in copied.named_parameters()) == ["bias", "weight"]
    pointers = {tensor.data_ptr() for tensor in module.state_dict().values()}
    assert pointers.isdisjoint(tensor.data_ptr() for tensor in copied.state_dict().values())
    assert torch.isfinite(module.weight).all()


def test_the_global_generator_is_put_back_after_a_failure_too() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), seeded_globally(2**100 + 1):
        torch.rand(2).reshape(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_matrix_routines_run_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocked routines round differently on more threads, and a value must not depend on their number."""
    found: list[int] = []
    original = torch.linalg.householder_product

    def product(*arguments: Tensor, **named: Tensor) -> Any:
        found.append(torch.get_num_threads())
        return original(*arguments, **named)

    before = torch.get_num_threads()
    monkeypatch.setattr(torch.linalg, "householder_product", product)
    orthogonal(3, 3)
    assert found == [1]
    assert torch.get_num_threads() == before


def test_empty_and_single_entries() -> None:
    assert normal(0).shape == (0,)
    assert normal().shape == ()
    assert One(orthogonal(1, 1)).weight.abs().item() == pytest.approx(1)
