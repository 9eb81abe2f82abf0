"""Sums in pieces, samples and distances, against numpy and scipy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from initrules import samples
from initrules.actions.law import Law, cut_normal, normal, uniform
from initrules.samples import Sums, cumulative, distance, distance_between, sample, sums


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_sums_do_not_depend_on_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor, law = drawn(7, 11) * 3 + 2, normal(2, 3)
    whole = sums(tensor, law)
    monkeypatch.setattr(samples, "_CHUNK", 5)
    assert sums(tensor, law) == pytest.approx(whole)
    z = (tensor - 2) / 3
    expected = (77, float(z.sum()), float((z**2).sum()), float(tensor.min()), float(tensor.max()))
    assert whole == pytest.approx(expected)


def test_sums_of_nothing() -> None:
    assert sums(torch.empty(0, 3), normal(0, 1)) == Sums(0, 0, 0, math.inf, -math.inf)


def test_a_sample_is_sorted_and_bounded() -> None:
    assert sample(torch.tensor([3.0, 1.0, 2.0])).tolist() == [1, 2, 3]
    large = torch.arange(3.0 * samples.SAMPLE + 1)
    found = sample(large)
    assert samples.SAMPLE // 2 < len(found) <= samples.SAMPLE
    assert found[-1] > 0.99 * len(large)


@pytest.mark.parametrize(("law", "given"), [
    pytest.param(normal(1, 2), stats.norm(1, 2), id="normal"),
    pytest.param(uniform(-1, 3), stats.uniform(-1, 4), id="uniform"),
    pytest.param(cut_normal(0, 1, -1, 2), stats.truncnorm(-1, 2), id="cut"),
])  # fmt: skip
def test_distances(law: Law, given: stats.rv_continuous) -> None:
    entries = sample(drawn(200))
    assert torch.allclose(cumulative(entries, law), torch.from_numpy(given.cdf(entries.numpy())), atol=1e-12)
    assert distance(entries, law) == pytest.approx(stats.kstest(entries.numpy(), given.cdf).statistic)


def test_distances_between_samples() -> None:
    one, other = sample(drawn(300)), sample(drawn(300, seed=1) * 2)
    assert distance_between(one, other) == pytest.approx(stats.ks_2samp(one.numpy(), other.numpy()).statistic)
    ties = torch.zeros(5, dtype=torch.float64)
    assert distance_between(ties, ties) == 0
