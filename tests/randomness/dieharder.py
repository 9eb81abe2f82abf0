"""Runs all tests of dieharder on the words of keyed streams, and keeps its report.

    python tests/randomness/dieharder.py stream docs/randomness
    python tests/randomness/dieharder.py table docs/randomness

The second line prints the table of ``docs/streams.md`` from the reports.
Needs the program ``dieharder`` (Debian's package of that name). A run takes about an hour of one core; tests that
stand in the report are not run again.
Modes: ``stream``, the words of one stream in order, as the elements of a parameter use them; ``names``, one
word from each of 4096 neighbouring names in turn, then the next of each; ``rest``, every seventieth word of
the far half of a stream, as the elements that fall into no rectangle use them.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from initrules.streams import Stream, Words, mix_, stream_key, stream_of, words_

BLOCK = 1 << 17  # words
NAMES = 4096
APART = 1 << 40  # words between the first of one test and the first of the next
ROW = 5  # bars in a row of the report


def one_stream(start: int) -> Iterator[Words]:
    """The words of one stream, in order."""
    stream = stream_of(stream_key(0, "layers.0.weight"))
    yield from _words(stream, start, 1)


def neighbouring_names(start: int) -> Iterator[Words]:
    """A word from each of many streams in turn."""
    streams = [stream_of(stream_key(0, f"layers.{layer}.weight")) for layer in range(NAMES)]
    seeds = np.array([stream.seed for stream in streams], np.uint64)
    gammas = np.array([stream.gamma for stream in streams], np.uint64)
    rows = np.arange(BLOCK // NAMES, dtype=np.uint64)[:, None]
    for first in range(start, 2**63, len(rows)):
        yield mix_((rows + np.uint64(first)) * gammas + seeds)


def the_rest(start: int) -> Iterator[Words]:
    """Words of the far half, with gaps."""
    yield from _words(stream_of(stream_key(0, "layers.0.weight")).far(), start, 70)


def _words(stream: Stream, start: int, gap: int) -> Iterator[Words]:
    numbers = np.arange(BLOCK, dtype=np.uint64) * np.uint64(gap)
    for first in range(start, 2**63, BLOCK * gap):
        yield words_(numbers + np.uint64(first), stream)


MODES: dict[str, Callable[[int], Iterator[Words]]] = {
    "stream": one_stream,
    "names": neighbouring_names,
    "rest": the_rest,
}


def tests() -> Iterator[tuple[str, ...]]:
    """The arguments for each test, with the sizes of ``dieharder -a``.

    One differs: sums with a lag of 8 and more, which would eat 200 GB, are tried 20 times and not 100.
    """
    for number in (*range(18), 100, 101, 102, 204, 205, 206, 207, 209):
        yield "-d", str(number)
    for number, sizes in ((200, range(1, 13)), (201, range(2, 6)), (202, range(2, 6)), (208, range(2))):
        yield from (("-d", str(number), "-n", str(size)) for size in sizes)
    for lag in range(33):
        yield ("-d", "203", "-n", str(lag), *(("-p", "20") if lag >= 8 else ()))


def run(mode: str, folder: Path) -> None:
    """All tests on one mode, each on words of its own, and on from the first that is not in the report."""
    report = folder / f"{mode}.txt"
    done = set(re.findall(r"^# (-d .*?):", report.read_text("utf-8"), re.MULTILINE) if report.exists() else ())
    with report.open("a", encoding="utf-8") as out:
        for position, arguments in enumerate(tests()):
            name = " ".join(arguments)
            if name not in done:
                lines, used = judged(MODES[mode](position * APART), arguments)
                print(f"# {name}: {used / 1e9:.2f} GB", *lines, sep="\n", file=out, flush=True)


def judged(blocks: Iterator[Words], arguments: Sequence[str]) -> tuple[list[str], int]:
    """The rows that a test printed, and how many bytes it was given."""
    used = 0
    command = ["dieharder", *arguments, "-g", "200", "-k", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as judge:
        assert judge.stdin is not None
        assert judge.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            for words in blocks:
                judge.stdin.write(words.data)
                used += words.nbytes
        with contextlib.suppress(BrokenPipeError):
            judge.stdin.close()
        text = judge.stdout.read().decode()
    return [line for line in text.splitlines() if line.count("|") == ROW and "Assessment" not in line], used


def table(folder: Path) -> str:
    """What the reports say, in Markdown: a line for each mode, and the rows that did not pass."""
    lines = ["| mode | tests run | words | results | passed | weak | failed |", "|---|---|---|---|---|---|---|"]
    notes: list[str] = []
    every = len(list(tests()))
    for mode in MODES:
        if not (folder / f"{mode}.txt").exists():
            continue
        text = (folder / f"{mode}.txt").read_text("utf-8")
        runs = re.findall(r"^# -d .*: (\S+) GB$", text, re.MULTILINE)
        rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.count("|") == ROW]
        counts = [sum(row[-1] == word for row in rows) for word in ("PASSED", "WEAK", "FAILED")]
        cells = (f"`{mode}`", f"{len(runs)} of {every}", f"{sum(map(float, runs)):.0f} GB", len(rows), *counts)
        lines.append(f"| {' | '.join(map(str, cells))} |")
        notes += [f"- `{mode}`: {row[0]} {row[1]}, p = {row[4]}: {row[5]}" for row in rows if row[-1] != "PASSED"]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


if __name__ == "__main__":
    if sys.argv[1] == "table":
        click.echo(table(Path(sys.argv[2])))
    else:
        run(sys.argv[1], Path(sys.argv[2]))
