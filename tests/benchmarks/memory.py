"""Extra memory at the peak of apply: python tests/benchmarks/memory.py

Beyond the parameter itself, and beyond what the same work on an 8 × 8 one takes, on one thread. In a process that has
held nothing larger before, because memory that was given back is taken again without a trace.
"""

from __future__ import annotations

import torch
from measure import extra_memory
from rich.console import Console
from rich.table import Table
from torch import nn

import initrules

NORMAL = "{normal: {std: 0.02}}"


def extra(value: str, rows: int, columns: int) -> int:
    """Bytes that writing a matrix takes beside it."""
    rules = initrules.from_text(f"initrules: 1\nrules: [{{rule: all, select: '**', set: {{weight: {value}}}}}]\n")
    found = []
    for shape in ((rows, columns), (8, 8)):
        layer = nn.Linear(*shape, bias=False)
        with torch.no_grad():
            layer.weight.zero_()  # its memory is there before the measurement begins
        found.append(extra_memory(initrules.plan(layer, rules).apply_))
    return found[0] - found[1]


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    table = Table("extra memory on 1 thread", "measured", "aim")
    table.add_row("elementwise, 4096 × 8192", f"{extra(NORMAL, 4096, 8192) / 2**20:.1f} MiB", "16 MiB")
    size = 3072 * 3072 * 4
    table.add_row("orthogonal, 3072 × 3072", f"{extra('orthogonal', 3072, 3072) / size:.2f} × the parameter", "2.5 ×")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
