"""One training run for TensorBoard.

``python examples/phase2/board.py --strategy full --logdir runs/full``, then ``tensorboard --logdir runs``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import click
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

sys.path.insert(0, str(Path(__file__).parent))

from config import Phase2Config, Strategy
from networks import Phase2Networks
from training import train_phase2

import initrules
from initrules import Plan


class Board:
    """A ``Log`` that writes to TensorBoard."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def __call__(self, step: float, values: Mapping[str, Any], /) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, torch.as_tensor(value).detach(), int(step))

    def gradients(self, step: float, /, **networks: Any) -> None:
        for name, parameters in networks.items():
            norm = torch.nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None])
            self._writer.add_scalar(f"gradients/{name}", norm, int(step))

    def outputs(self, **outputs: Tensor) -> None:
        for name, output in outputs.items():
            self._writer.add_histogram(f"first output/{name}", output, 0)


def train_logged(config: Phase2Config, logdir: str | Path) -> dict[str, float]:
    """Train once; ``logdir`` then has the strategy, how every parameter started, and all curves, for TensorBoard."""
    with SummaryWriter(str(logdir)) as writer:

        def initialise(networks: Phase2Networks) -> Plan:
            plan = config.initialise(networks)
            initrules.log_plan(writer, plan)
            return plan

        torch.manual_seed(config.seed)
        writer.add_text("init/strategy", config.init_strategy)
        return train_phase2(config, Board(writer), initialise)


@click.command()
@click.option("--strategy", type=click.Choice(get_args(Strategy)), default="full", show_default=True)
@click.option("--checkpoint", type=click.Path(exists=True, path_type=Path), help="Of Phase 1, for 'transfer'.")
@click.option("--seed", default=0, show_default=True)
@click.option("--logdir", default="runs/phase2", show_default=True)
def main(strategy: Strategy, checkpoint: Path | None, seed: int, logdir: str) -> None:
    """Train Phase 2 once, and write what TensorBoard shows."""
    config = Phase2Config(init_strategy=strategy, init_checkpoint=checkpoint, seed=seed)
    for name, value in train_logged(config, logdir).items():
        click.echo(f"{name:8} {value:.3f}")


if __name__ == "__main__":
    main()
