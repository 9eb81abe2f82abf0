"""Streams: the random words of each parameter, addressable by number.

Word ``n`` of a stream is SplitMix64's: ``mix(seed + n * gamma)``, where the 64-bit seed and the odd
64-bit gamma come from a 128-bit hash of (root seed, canonical name, slot). Nothing is kept between
draws, so that any thread draws any block, and any rank its own shard.

Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", sec. 3 and fig. 16;
the constants of ``mix`` are David Stafford's variant 13.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint64]]

_SIZE = 2**64
_CHANGES, _EVERY_OTHER = 24, 0xAAAAAAAAAAAAAAAA
_FIRST, _SECOND, _THIRD = np.uint64(30), np.uint64(27), np.uint64(31)
_FIRST_FACTOR, _SECOND_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Stream(NamedTuple):
    """One sequence of 2⁶⁴ words: where it starts and how far it steps (odd)."""

    seed: int
    gamma: int

    def state(self, number: int) -> int:
        """What is mixed into the word of this number."""
        return (self.seed + number * self.gamma) % _SIZE

    def far(self) -> Stream:
        """The same sequence half a period away, where no element number reaches."""
        return Stream((self.seed + (self.gamma << 63)) % _SIZE, self.gamma)


def stream_key(seed: int, name: str, slot: str = "") -> int:
    """The 128-bit key of one slot of one parameter."""
    text = f"{seed}\0{name}\0{slot}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16, person=b"initrules").digest(), "little")


def stream_of(key: int) -> Stream:
    """The stream of a 128-bit key.

    A gamma with fewer than 24 changes between neighbouring bits is a weak step; as in the paper,
    every other bit of it is flipped.
    """
    seed, gamma = key % _SIZE, key >> 64 | 1
    changes = (gamma ^ gamma >> 1).bit_count()
    return Stream(seed, gamma if changes >= _CHANGES else gamma ^ _EVERY_OTHER)


def words_(numbers: Words, stream: Stream, scratch: Words | None = None) -> Words:
    """Replace word numbers by the words that have them, in place; ``scratch``: room of the same size."""
    np.multiply(numbers, np.uint64(stream.gamma), out=numbers)
    np.add(numbers, np.uint64(stream.seed), out=numbers)
    return mix_(numbers, scratch)


def streams_of(keys: Sequence[int]) -> tuple[Words, Words]:
    """The seeds and the gammas of many streams at once."""
    halves = np.frombuffer(b"".join([key.to_bytes(16, "little") for key in keys]), "<u8").reshape(-1, 2)
    seeds, gammas = halves[:, 0], halves[:, 1] | np.uint64(1)
    weak = np.bitwise_count(gammas ^ gammas >> np.uint64(1)) < _CHANGES
    return seeds, np.where(weak, gammas ^ np.uint64(_EVERY_OTHER), gammas)


def mix_(words: Words, scratch: Words | None = None) -> Words:
    """SplitMix64's finaliser, in place: every bit of the result depends on every bit given."""
    moved = np.empty_like(words) if scratch is None else scratch
    for shift, factor in ((_FIRST, _FIRST_FACTOR), (_SECOND, _SECOND_FACTOR)):
        np.right_shift(words, shift, out=moved)
        np.bitwise_xor(words, moved, out=words)
        np.multiply(words, factor, out=words)
    np.right_shift(words, _THIRD, out=moved)
    return np.bitwise_xor(words, moved, out=words)
