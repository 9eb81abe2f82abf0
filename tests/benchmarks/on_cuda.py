"""On a machine with a CUDA device: the values there are those of the CPU bit for bit; how fast they arrive.

    python tests/benchmarks/on_cuda.py

Without such a device it says so and ends.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable

import torch
from rich.console import Console
from torch import nn

import initrules

VALUES = (
    "ones",
    "{uniform: {bound: 0.1}}",
    "{normal: {std: 0.02}}",
    "{trunc_normal: {std: 0.02}}",
    "xavier_uniform",
    "{kaiming_normal: {mode: fan_out}}",
    "{sparse: {sparsity: 0.5, std: 0.01}}",
    "{orthogonal: {gain: sqrt(2)}}",
    "[{normal: {std: 1}}, {normalize: {std: 0.02}}]",
    "{formula: 'exp(-abs(i - j))'}",
)
PRECISIONS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
LARGE = 1 << 28  # elements


def rules(value: str) -> initrules.RuleSet:
    """A rule that gives every weight this value."""
    return initrules.from_text(f"initrules: 1\nrules: [{{rule: all, select: '**', set: {{weight: {value}}}}}]\n")


def differences(device: torch.device, seeds: tuple[int, int] = (7, 7)) -> list[str]:
    """Every value and precision whose bits on the device are not those of the CPU."""
    found = []
    for dtype in PRECISIONS:
        for value in VALUES:
            here = nn.Sequential(nn.Linear(300, 1001), nn.Embedding(77, 5)).to(dtype)
            there = copy.deepcopy(here).to(device)
            for model, seed in zip((here, there), seeds, strict=True):
                initrules.apply_(model, rules(value), seed=seed)
            if not all(
                torch.equal(one, two.cpu()) for one, two in zip(here.parameters(), there.parameters(), strict=True)
            ):
                found.append(f"{value} in {dtype}")
    return found


def speed(device: torch.device, work: Callable[[], object], size: int) -> float:
    """Gigabytes per second, the best of five."""
    best = float("inf")
    for _ in range(5):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return size / best / 1e9


def main() -> int:
    """Print what was found; 1 where bits differ."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if not torch.cuda.is_available():
        console.print("no CUDA device on this machine: nothing was compared")
        return 0
    device = torch.device("cuda", torch.cuda.current_device())
    console.print(f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}")
    different = differences(device)
    count = len(VALUES) * len(PRECISIONS)
    for one in different:
        console.print(f"not the bits of the CPU: {one}")
    console.print(f"{count - len(different)} of {count} values and precisions have the bits of the CPU")
    model = nn.Linear(LARGE // 4096, 4096, bias=False, device=device)
    size = model.weight.nbytes
    console.print(f"memset: {speed(device, model.weight.detach().zero_, size):.1f} GB/s")
    for value in ("zeros", "{normal: {std: 0.02}}"):
        plan = initrules.plan(model, rules(value))
        console.print(f"apply {value}: {speed(device, plan.apply_, size):.1f} GB/s")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
