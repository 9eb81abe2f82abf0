"""Applying plans against hand-written loops, as ratios: python tests/benchmarks/applying.py [--quick]

Each line is one ratio within this run: processor time for one thread, wall time for two; below 1 this package is
faster. Lines whose package is missing say so. Large models need about 6 GB of memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from measure import ratio
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, ResNetConfig, ResNetModel

import initrules
from initrules import filling
from initrules.sections import grid

QUICK = "--quick" in sys.argv
REPEATS = 2 if QUICK else 5


class Line(NamedTuple):
    """One ratio on one and on two threads, and what was aimed at."""

    name: str
    one: float | str
    two: float | str = ""
    aims: tuple[float | None, float | None] = (None, None)


def both(name: str, ours: Callable[[], object], theirs: Callable[[], object], *aims: float | None) -> Line:
    """A line for one and two threads."""
    repeats = REPEATS
    two = ratio(ours, theirs, count=2, repeats=repeats) if len(aims) != 1 else ""
    return Line(name, ratio(ours, theirs, count=1, repeats=repeats), two, ((*aims, None)[0], (*aims, None, None)[1]))


def hand(model: nn.Module, residual: float | None = 0.02 / 24**0.5, *, std: float = 0.02) -> Callable[[], None]:
    """The loop of GPT-2 and nanoGPT: every weight, then the residual projections again."""

    def run() -> None:
        module: Any
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=std)
            elif type(module).__name__ in ("Linear", "Conv1D"):
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif "Norm" in type(module).__name__:
                nn.init.ones_(module.weight)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)
        if residual:
            for name, parameter in model.named_parameters():
                if name.endswith("c_proj.weight"):
                    nn.init.normal_(parameter, std=residual)

    return run


def once(model: nn.Module) -> Callable[[], None]:
    """A loop that draws every parameter once, with the plan's values."""

    def run() -> None:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("c_proj.weight"):
                    parameter.normal_(0, 0.02 / 24**0.5)
                elif parameter.ndim > 1:
                    parameter.normal_(0, 0.02)
                elif name.endswith("weight"):
                    parameter.fill_(1)
                else:
                    parameter.zero_()

    return run


def by_regex(model: nn.Module) -> Callable[[], None]:
    """AllenNLP's manner: for every parameter the first regular expression that is found in its name."""
    table = [
        (re.compile(pattern), fill)
        for pattern, fill in (
            (r"c_proj\.weight$", lambda tensor: nn.init.normal_(tensor, std=0.02 / 24**0.5)),
            (r"ln_.*weight$", nn.init.ones_),
            (r"weight$", lambda tensor: nn.init.normal_(tensor, std=0.02)),
            (r"bias$", nn.init.zeros_),
        )
    ]

    def run() -> None:
        for name, parameter in model.named_parameters():
            next(fill for pattern, fill in table if pattern.search(name))(parameter)

    return run


def rules(text: str) -> initrules.RuleSet:
    return initrules.from_text(f"initrules: 1\nrules:\n{text}\n")


def planned(model: nn.Module, text: str) -> Callable[[], object]:
    plan = initrules.plan(model, rules(text))
    return plan.apply_


def by_numpy(apply: Callable[[], object]) -> Callable[[], object]:
    """The same as if the extra ``fast`` were not installed."""

    def run() -> None:
        known, filling._CODE.kernels = filling._CODE.kernels, None
        apply()
        filling._CODE.kernels = known

    return run


def transformers_models() -> Iterator[Line]:
    with initrules.no_init():
        gpt = GPT2LMHeadModel(GPT2Config())
    ours = initrules.plan(gpt, "preset:gpt2")
    yield both("apply, GPT-2 124M float32, against nanoGPT's loop", ours.apply_, hand(gpt), 0.90, 0.60)
    yield both("the same, without machine code", by_numpy(ours.apply_), hand(gpt))
    yield both("the same, against a loop that draws everything once", ours.apply_, once(gpt))
    yield both("the same, against regular expressions in AllenNLP's manner", ours.apply_, by_regex(gpt))
    yield mmengine(gpt, ours)

    def anew() -> None:
        with initrules.no_init():
            model = GPT2LMHeadModel(GPT2Config())
        initrules.apply_(model, "preset:gpt2")

    def by_hand() -> None:
        hand(GPT2LMHeadModel(GPT2Config()))()

    yield both("no_init + plan + apply, GPT-2, against default construction + loop", anew, by_hand, 0.55, 0.35)
    yield both("the same, against transformers building it", anew, lambda: GPT2LMHeadModel(GPT2Config()))
    resnet = ResNetModel(ResNetConfig())
    convolutions = planned(
        resnet,
        """
  - {rule: convolutions, select: {type: Conv2d}, set: {weight: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}}}
  - {rule: norms, select: {type: BatchNorm2d}, set: {weight: ones, bias: zeros}}""",
    )

    def resnet_by_hand() -> None:
        for module in resnet.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)

    yield both("apply, ResNet-50", convolutions, resnet_by_hand, 0.90, 0.70)
    yield both("the same, without machine code", by_numpy(convolutions), resnet_by_hand)
    if not QUICK:
        yield llama()


def mmengine(model: nn.Module, ours: Any) -> Line:
    name = "the same, against mmengine's initialize"
    try:
        from mmengine.logging import MMLogger  # noqa: PLC0415
        from mmengine.model import initialize  # noqa: PLC0415
    except ImportError:
        return Line(name, "mmengine is not installed")
    MMLogger.get_instance("mmengine", log_level="ERROR")
    config = [
        {"type": "Normal", "layer": ["Conv1D", "Linear", "Embedding"], "std": 0.02, "bias": 0},
        {"type": "Constant", "layer": "LayerNorm", "val": 1, "bias": 0},
    ]
    return both(name, ours.apply_, lambda: initialize(model, config))


def llama() -> Line:
    config = LlamaConfig(
        hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32, num_key_value_heads=4,
        vocab_size=32000, dtype=torch.bfloat16,
    )  # fmt: skip
    with initrules.no_init():
        model: Any = LlamaForCausalLM(config)
        model = model.to(torch.bfloat16)
    plan = initrules.plan(
        model,
        rules("""
  - {rule: matrices, select: {type: [Linear, Embedding]}, set: {weight: {normal: {std: 0.02}}}}
  - {rule: norms, select: {type: "*Norm*"}, set: {weight: ones}}"""),
    )
    return both("apply, Llama type 1.1B bfloat16", plan.apply_, hand(model, None), 0.90, 0.50)


def small_models() -> Iterator[Line]:
    policy = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    orthogonal = "  - {rule: all, select: {type: Linear}, set: {weight: {orthogonal: {gain: sqrt(2)}}, bias: zeros}}"

    def loop(model: nn.Module, fill: Callable[..., object]) -> Callable[[], None]:
        def run() -> None:
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    fill(module.weight)
                    nn.init.zeros_(module.bias)

        return run

    matrix = loop(policy, lambda weight: nn.init.orthogonal_(weight, 2**0.5))
    apply = planned(policy, orthogonal)
    repeated = 20
    yield both("apply, 2 × 64 MLP, orthogonal", lambda: [apply() for _ in range(repeated)],
               lambda: [matrix() for _ in range(repeated)], 1.30)  # fmt: skip
    twenty = nn.ModuleList([nn.Linear(768, 768) for _ in range(20)])
    yield both("twenty orthogonal 768 × 768", planned(twenty, orthogonal),
               loop(twenty, lambda weight: nn.init.orthogonal_(weight, 2**0.5)), 0.70, 0.45)  # fmt: skip
    many = nn.ModuleList([nn.Linear(8, 8) for _ in range(5000)])
    yield both("10,000 small parameters", planned(
        many, "  - {rule: all, select: {type: Linear}, set: {weight: {normal: {std: 0.02}}, bias: zeros}}"
    ), loop(many, lambda weight: nn.init.normal_(weight, std=0.02)), 0.70)  # fmt: skip


def tensors() -> Iterator[Line]:
    wide = nn.Linear(4096, 2048, bias=False)
    cut = planned(wide, "  - {rule: all, select: '**', set: {weight: {trunc_normal: {std: 0.02}}}}")
    yield both(
        "truncated normal at ±2σ", cut, lambda: nn.init.trunc_normal_(wide.weight, 0, 0.02, -0.04, 0.04), 0.20, 0.13
    )
    rows, columns = wide.weight.shape
    for name, ranges in (
        ("an eighth of the rows", [range(rows // 8), range(columns)]),
        ("an eighth of the columns", [range(rows), range(columns // 8)]),
    ):
        yield both(f"{name}, per element", shard((rows, columns), ranges), whole(rows * columns // 8), 1.05)


def shard(shape: tuple[int, int], ranges: list[range]) -> Callable[[], object]:
    import numpy as np  # noqa: PLC0415

    from initrules.densities import cut_normal  # noqa: PLC0415
    from initrules.filling import Bell, Fill, blocks, write_  # noqa: PLC0415
    from initrules.streams import stream_key  # noqa: PLC0415

    tensor = torch.empty(len(ranges[0]), len(ranges[1]))
    where = grid(shape, [np.arange(one.start, one.stop) for one in ranges])
    fill = Fill(tensor, stream_key(0, "weight"), Bell(cut_normal(), 0.0, 0.02), where)

    def run() -> None:
        for block in blocks(fill):
            write_(block)

    return run


def whole(count: int) -> Callable[[], object]:
    tensor = torch.empty(count)
    return lambda: tensor.normal_(0, 0.02)


def main() -> None:
    """Print the table."""
    console, progress = Console(width=110), Console(stderr=True)
    console.print(
        "drawn by machine code" if initrules.compile_drawing() else "drawn by numpy, without the extra 'fast'"
    )
    table = Table("ratio, best of repeats in turn", "1 thread", "aim", "2 threads", "aim")
    for line in (*tensors(), *small_models(), *transformers_models()):
        cells = [f"{one:.2f}" if isinstance(one, float) else one for one in (line.one, line.two)]
        aims = ["" if aim is None else f"{aim:.2f}" for aim in line.aims]
        table.add_row(line.name, cells[0], aims[0], cells[1], aims[1])
        progress.print(line.name, *cells, style="dim")
    console.print(table)


if __name__ == "__main__":
    main()
