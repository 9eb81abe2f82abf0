"""Plans of a mixture of experts with 78,756 modules, as ratios: python tests/benchmarks/planning.py [--quick]

Each line is one ratio of processor time on one thread within this run, best of repeats in turn, with the garbage
collector as Python sets it. "Bare" is ``list(model.named_modules())``, which looks at no parameter.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from measure import ratio
from rich.console import Console
from rich.table import Table
from torch import nn

import initrules
from initrules import planning, ruleset
from initrules.report import plan_text
from initrules.survey import survey

QUICK = "--quick" in sys.argv
REPEATS = 3 if QUICK else 9
LAYERS, EXPERTS, WIDTH = (61, 256, 8)


class Expert(nn.Module):
    """A gated layer; its matrices have no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.down_proj = nn.Linear(WIDTH, WIDTH, bias=False)
        self.act = nn.SiLU()


class Mixture(nn.Module):
    """A router, and its experts."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS, bias=False)
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))


class Layer(nn.Module):
    """Attention and a mixture, each behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(WIDTH)
        self.attn = nn.ModuleDict({f"{name}_proj": nn.Linear(WIDTH, WIDTH) for name in "qkvo"})
        self.ln2 = nn.LayerNorm(WIDTH)
        self.mlp = Mixture()


class Model(nn.Module):
    """As many modules as the largest open models of this kind have, each as small as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 100, bias=False)


DEFAULTS = """initrules: 1
defaults:
  - {rule: matrices, select: {type: Linear}, set: {weight: {normal: {std: 0.02}}, bias: zeros}}
  - {rule: norms, select: {type: LayerNorm}, set: {weight: ones, bias: zeros}}
  - {rule: tokens, select: {type: Embedding}, set: {weight: {normal: {std: 0.02}}}}
"""
SELECTORS = (
    "'layers.{layer}.mlp.experts.*.down_proj'",
    "{{path: '**.{layer}.attn.q_proj', type: Linear}}",
    "{{inside: 'layers.{layer}', type: LayerNorm}}",
    "'layers.{layer}.mlp.gate'",
    "'layers.{layer}.mlp.experts.{expert}.*'",
    "{{path: 'layers.{layer}.**', type: Linear, name: k_proj}}",
)


def rules(count: int) -> ruleset.RuleSet:
    """Three defaults, and rules for single layers and experts."""
    lines = [DEFAULTS, "rules:\n"]
    for number in range(count - 3):
        select = SELECTORS[number % len(SELECTORS)].format(layer=number * 7 % LAYERS, expert=number * 13 % EXPERTS)
        value = f"{{normal: {{std: 0.0{1 + number % 9}}}}}"
        lines.append(f"  - {{rule: r{number}, select: {select}, optional: true, set: {{weight: {value}}}}}\n")
    return ruleset.from_text("".join(lines))


def by_hand(model: nn.Module) -> Callable[[], None]:
    """The loop that the defaults stand for."""

    def run() -> None:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    return run


class Line(NamedTuple):
    """One ratio, and what was aimed at."""

    name: str
    ratio: float
    aim: float | None = None


def plans(model: nn.Module) -> Iterator[Line]:
    """Plans against a bare walk."""

    def bare() -> object:
        return list(model.named_modules())

    def against_bare(work: Callable[[], object]) -> float:
        return ratio(work, bare, count=1, repeats=REPEATS)

    yield Line("survey alone, against the bare walk", against_bare(lambda: survey(model)))
    for count, aim in ((100, 1.6), (1000, 2.0)):
        loaded = rules(count)
        yield Line(
            f"survey and plan, {count:,} rules, against the bare walk",
            against_bare(lambda loaded=loaded: planning.make(loaded, survey(model))),  # type: ignore[misc]
            aim,
        )
    inventory, few = survey(model), ruleset.from_text(DEFAULTS)
    yield Line(
        "the text of a plan by three rules, against the bare walk",
        against_bare(lambda: plan_text(planning.make(few, inventory))),
    )
    yield Line(
        "survey, plan and apply, against the loop by hand",
        ratio(lambda: initrules.apply_(model, few), by_hand(model), count=1, repeats=2 if QUICK else 3),
        1.0,
    )


def starting() -> Iterator[Line]:
    """Commands against the import of torch, in wall time."""

    def command(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)

    torch_alone = command("-c", "import torch")
    for arguments, aim in ((["--help"], 0.10), (["lint", "preset:gpt2"], 0.25)):
        work = command("-c", "from initrules.cli import main; main()", *arguments)
        name = f"initrules {' '.join(arguments)}, against import torch (wall)"
        yield Line(name, ratio(work, torch_alone, count=2, repeats=REPEATS), aim)


def main() -> None:
    """Print the table."""
    console, progress = Console(width=110), Console(stderr=True)
    with torch.no_grad():
        model = Model()
    table = Table("ratio, best of repeats in turn", "measured", "aim")
    for line in (*starting(), *plans(model)):
        aim = "" if line.aim is None else f"{line.aim:.2f}"
        table.add_row(line.name, f"{line.ratio:.2f}", aim)
        progress.print(line.name, f"{line.ratio:.2f}", style="dim")
    console.print(table)


if __name__ == "__main__":
    main()
