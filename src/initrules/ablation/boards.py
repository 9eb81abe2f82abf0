"""Results as TensorBoard runs, one for each arm and seed; tensorboard is an extra."""

from __future__ import annotations

import shutil
from pathlib import Path

from initrules.ablation.records import Files, curves
from initrules.ablation.summary import Results
from initrules.errors import ModelError


def write(results: Results) -> Path:
    """Write every run below ``tensorboard/ARM/SEED``; what stood there is replaced. Raises ``ModelError``."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415  # an extra
    except ImportError:
        raise ModelError(
            "TensorBoard runs need tensorboard", hint="Install it: pip install 'initrules[tensorboard]'."
        ) from None
    top = results.folder / "tensorboard"
    for record in results.records:
        folder = top / record.arm / str(record.seed)
        shutil.rmtree(folder, ignore_errors=True)
        with SummaryWriter(str(folder)) as board:
            for name, series in curves(Files.of(results.folder, record.arm, record.seed).curves).items():
                for step, value in series:
                    board.add_scalar(name, float("nan") if value is None else value, int(step))
            for name, value in record.metrics.items():
                if value is not None:
                    board.add_scalar(f"metric/{name}", value, 0)
            for name, found in record.outputs.items():
                for key, number in found.items():
                    if number is not None:
                        board.add_scalar(f"first output/{name}/{key}", number, 0)
            board.add_text("run", f"arm {record.arm}, seed {record.seed}: {record.outcome.value} {record.message}")
    return top
