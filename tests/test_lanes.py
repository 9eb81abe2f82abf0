"""The pool: the same values on any number of threads, errors after all work has ended, settings left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch

from initrules.densities import cut_normal
from initrules.filling import Bell, Fill
from initrules.lanes import lanes
from initrules.sections import whole
from initrules.streams import stream_key

SIZES = (3, 100, 4096, 4097, 300_000, 600_001)


@pytest.fixture(autouse=True)
def _threads_are_left_alone() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


def drawn(threads: int) -> list[torch.Tensor]:
    tensors = [torch.empty(size) for size in SIZES]
    with lanes(threads) as pool:
        for tensor in tensors:
            key = stream_key(0, str(len(tensor)))
            pool.fill(Fill(tensor, key, Bell(cut_normal(), 0.0, 1.0), whole(len(tensor))))
        pool.finish()
    return tensors


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_values_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    for one, other in zip(drawn(1), drawn(threads), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_runs_on_one_thread_in_every_lane(threads: int) -> None:
    found: list[int] = []
    with lanes(threads) as pool:
        for _ in range(4):
            pool.call(lambda: found.append(torch.get_num_threads()))
        pool.finish()
    assert found == [1] * 4


def test_an_error_is_raised_when_the_rest_has_ended() -> None:
    done: list[int] = []

    def slow() -> None:
        time.sleep(0.05)
        done.append(1)

    def fails() -> None:
        raise ValueError("no")

    with lanes(2) as pool:
        pool.call(fails)
        pool.call(slow)
        with pytest.raises(ValueError, match="no"):
            pool.finish()
        assert done == [1]


def test_settings_are_put_back_after_an_error_inside() -> None:
    with pytest.raises(ZeroDivisionError), lanes(2):
        _ = 1 / 0


def test_gradients_are_off_in_every_lane() -> None:
    weight = torch.nn.Parameter(torch.zeros(3))

    def write() -> None:
        weight.fill_(1)

    with torch.no_grad(), lanes(2) as pool:
        pool.call(write)
        pool.finish()
    assert weight.tolist() == [1, 1, 1]
