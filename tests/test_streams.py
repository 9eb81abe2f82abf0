"""Streams against the published generator, and keys against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from initrules.streams import Stream, stream_key, stream_of, words_

GOLDEN = 0x9E3779B97F4A7C15  # the step of Java's SplittableRandom and of splitmix64.c
MANY = 100_000


def words(stream: Stream, *numbers: int) -> list[int]:
    return [int(word) for word in words_(np.array(numbers, np.uint64), stream)]


def floats(stream: Stream, first: int = 0, count: int = MANY) -> Any:
    numbers = np.arange(first, first + count, dtype=np.uint64)
    return words_(numbers, stream).astype(np.float64) / 2**64


def test_words_are_those_of_the_published_generator() -> None:
    """The first five numbers of splitmix64 for the seed 1234567, as published on Rosetta Code."""
    assert words(Stream(1234567, GOLDEN), 1, 2, 3, 4, 5) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
def test_a_word_depends_on_its_number_alone(numbers: list[int], seed: int, half: int) -> None:
    stream = Stream(seed, 2 * half + 1)
    assert words(stream, *numbers) == [words(stream, number)[0] for number in numbers]


def test_the_far_half_is_half_a_period_away() -> None:
    stream = stream_of(stream_key(0, "weight"))
    assert words(stream.far(), 5) == words(stream, 5 + 2**63)


def test_no_step_is_weak() -> None:
    """SplittableRandom asks for at least 24 changes between neighbouring bits of an odd step."""
    gammas = [stream_of(stream_key(0, str(name))).gamma for name in range(20_000)]
    assert all(gamma % 2 and (gamma ^ gamma >> 1).bit_count() >= 24 for gamma in gammas)
    weak = stream_of(1 << 64)  # a step of 1 has hardly any
    assert (weak.gamma ^ weak.gamma >> 1).bit_count() >= 24


def test_a_million_names_have_a_million_streams() -> None:
    """Among 10⁶ keys of 128 bits two are equal with probability 1.5e-27; of the seeds of 64 bits with 3e-8."""
    streams = {
        stream_of(stream_key(0, f"layers.{layer // 2}.{'bias' if layer % 2 else 'weight'}")) for layer in range(10**6)
    }
    assert len(streams) == 10**6
    assert len({stream.seed for stream in streams}) == 10**6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((0, "layers.0.weight", ""), (0, "layers.1.weight", ""), id="neighbouring names"),
        pytest.param((0, "weight", ""), (1, "weight", ""), id="neighbouring seeds"),
        pytest.param((0, "weight", ""), (2**32, "weight", ""), id="seeds that differ in high bits"),
        pytest.param((0, "weight", ""), (0, "weight", "1"), id="slots"),
        pytest.param((0, "weight", ""), (0, "bias", ""), id="parameters of one module"),
    ],
)
def test_streams_are_independent(one: tuple[int, str, str], other: tuple[int, str, str]) -> None:
    first, second = (floats(stream_of(stream_key(*key))) for key in (one, other))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / MANY**0.5
    cells = np.histogram2d(first, second, bins=16)[0].reshape(-1)
    assert stats.chisquare(cells).pvalue > 1e-4


def test_neighbouring_words_are_independent() -> None:
    found = floats(stream_of(stream_key(0, "weight")))
    for lag in (1, 2, 3, 64, 768):
        cells = np.histogram2d(found[:-lag], found[lag:], bins=16)[0].reshape(-1)
        assert stats.chisquare(cells).pvalue > 1e-4, lag


def test_every_bit_is_even_and_independent_of_the_others() -> None:
    found = words_(np.arange(MANY, dtype=np.uint64), stream_of(stream_key(0, "weight")))
    bits = (found[:, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)).astype(np.float64)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / MANY**0.5
    correlation = np.corrcoef(bits, rowvar=False) - np.eye(64)
    assert np.abs(correlation).max() < 5.5 / MANY**0.5


def test_first_words_of_many_names_repeat_as_often_as_chance() -> None:
    """Among n = 10⁵ words cut to 32 bits, repeats are Poisson with mean n² / 2³³ = 1.16."""
    first = {words(stream_of(stream_key(0, f"h.{layer}.weight")), 0)[0] >> 32 for layer in range(10**5)}
    assert 10**5 - len(first) <= stats.poisson.ppf(1 - 1e-6, 10**10 / 2**33)
