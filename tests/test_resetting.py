"""Seeding torch's own generator with all bits of a key; numpy's twister is the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from initrules.resetting import keyed_generator, one_thread, seeded_globally


def numbers(generator: torch.Generator, count: int = 2000) -> list[int]:
    found: list[int] = torch.empty(count, dtype=torch.int64).random_(0, 2**20, generator=generator).tolist()
    return found


@pytest.mark.parametrize("key", [0, 1, 2**32, 2**127 + 5, 2**128 - 1])
def test_the_twister_is_that_of_numpy_for_the_same_words(key: int) -> None:
    words = [key >> shift & 0xFFFFFFFF for shift in range(0, 128, 32)]
    reference = np.random.RandomState(words)._bit_generator.random_raw(2000)
    assert numbers(keyed_generator(key)) == [int(word) % 2**20 for word in reference]


def test_bits_above_the_lowest_32_count() -> None:
    """``manual_seed`` drops them, so that two of a few ten thousand keys give the same numbers."""
    dropped = [torch.Generator().manual_seed(seed) for seed in (7, 7 + 2**32)]
    assert numbers(dropped[0]) == numbers(dropped[1])
    assert numbers(keyed_generator(7)) != numbers(keyed_generator(7 + 2**32))


def test_the_global_generator_is_seeded_inside_only() -> None:
    before = torch.get_rng_state()
    with seeded_globally(2**100 + 3):
        inside = torch.empty(5, dtype=torch.int64).random_(0, 2**20).tolist()
    assert inside == numbers(keyed_generator(2**100 + 3), 5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("threads", [1, 2])
def test_one_thread_inside_and_as_many_as_before_after(threads: int) -> None:
    outside = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(outside)
