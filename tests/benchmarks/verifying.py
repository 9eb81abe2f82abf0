"""Verifying a GPT-2 of 124 million parameters against applying: python tests/benchmarks/verifying.py

Each line is a ratio within this run, the aim is at most 3; then the memory that it needs beside the model.
"""

from __future__ import annotations

from measure import extra_memory, ratio, threads
from rich.console import Console
from rich.table import Table
from transformers import GPT2Config, GPT2LMHeadModel

import initrules

AIM = 3.0
REPEATS = 3


def main() -> None:
    """Print the table."""
    with initrules.no_init():
        model = GPT2LMHeadModel(GPT2Config())
    plan = initrules.plan(model, "preset:gpt2")
    plan.apply_(seed=0)
    size = sum(parameter.numel() * parameter.itemsize for parameter in model.parameters())
    table = Table("", "1 thread", "2 threads", "extra memory")
    for name, seed in (("recomputed", 0), ("tested without the seed", None)):

        def verify(seed: int | None = seed) -> None:
            assert initrules.verify(model, plan, seed=seed).ok

        ratios = [ratio(verify, lambda: plan.apply_(seed=0), count=count, repeats=REPEATS) for count in (1, 2)]
        with threads(1):  # a forked process has lost its other threads
            extra = extra_memory(verify)
        marked = [f"{one:.2f}{'' if one <= AIM else '  over 3'}" for one in ratios]
        table.add_row(name, *marked, f"{extra / 2**20:.0f} MiB, {extra / size:.0%} of the model")
    Console().print(table)


if __name__ == "__main__":
    main()
