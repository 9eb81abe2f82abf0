"""Runs all tests of dieharder on the words of keyed streams, and keeps its report.

    python tests/randomness/dieharder.py stream docs/randomness

Needs the program ``dieharder`` (Debian's package of that name). A run takes an hour or two of one core.
Modes: ``stream``, the words of one stream in order, as the elements of a parameter use them; ``names``, one
word from each of 4096 neighbouring names in turn, then the next of each; ``rest``, every seventieth word of
the far half of a stream, as the elements that fall into no rectangle use them.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from initrules.streams import Stream, Words, mix_, stream_key, stream_of, words_

BLOCK = 1 << 17  # words
NAMES = 4096
LEAST = 16e9  # bytes


def one_stream() -> Iterator[Words]:
    """The words of one stream, in order."""
    stream = stream_of(stream_key(0, "layers.0.weight"))
    yield from _words(stream, 1)


def neighbouring_names() -> Iterator[Words]:
    """A word from each of many streams in turn."""
    streams = [stream_of(stream_key(0, f"layers.{layer}.weight")) for layer in range(NAMES)]
    seeds = np.array([stream.seed for stream in streams], np.uint64)
    gammas = np.array([stream.gamma for stream in streams], np.uint64)
    rows = np.arange(BLOCK // NAMES, dtype=np.uint64)[:, None]
    for first in range(0, 2**63, len(rows)):
        yield mix_((rows + np.uint64(first)) * gammas + seeds)


def the_rest() -> Iterator[Words]:
    """Words of the far half, with gaps."""
    yield from _words(stream_of(stream_key(0, "layers.0.weight")).far(), 70)


def _words(stream: Stream, gap: int) -> Iterator[Words]:
    numbers = np.arange(BLOCK, dtype=np.uint64) * np.uint64(gap)
    for first in range(0, 2**63, BLOCK * gap):
        yield words_(numbers + np.uint64(first), stream)


MODES: dict[str, Callable[[], Iterator[Words]]] = {
    "stream": one_stream,
    "names": neighbouring_names,
    "rest": the_rest,
}


def run(mode: str, folder: Path) -> None:
    """All tests on one mode, again with new words until enough of them were used."""
    report, used = folder / f"{mode}.txt", 0
    blocks = MODES[mode]()
    command = ["stdbuf", "-oL", "dieharder", "-a", "-g", "200", "-k", "2", "-Y", "1"]
    with report.open("w", encoding="utf-8") as out:
        while used < LEAST:
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out) as judge:
                assert judge.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    for words in blocks:
                        judge.stdin.write(words.tobytes())
                        used += words.nbytes
                with contextlib.suppress(BrokenPipeError):
                    judge.stdin.close()
            print(f"# {used / 1e9:.1f} GB of words used so far", file=out, flush=True)


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]))
