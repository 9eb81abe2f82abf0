"""Trains with the callbacks of Lightning and the Trainer on two ranks, which torchrun starts.

Each rank writes for each way of giving the model what it began with, and whether it learned the same as the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from commands import ROOT

Said = dict[str, list[str]]


def on_two_ranks(kind: str, folder: Path) -> list[Said]:
    """What the ranks of a world of two say, by rank; ``kind``: a function of this module."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", __file__, kind, str(folder)]
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT / "tests")))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]


def lightning(folder: Path) -> Said:
    """A module that is built at once, and one that ``configure_model`` builds, under DDP."""
    import test_integrations_lightning as with_lightning  # noqa: PLC0415  # each kind imports its own package
    from initrules.integrations.lightning import InitCallback  # noqa: PLC0415

    said: Said = {}
    for kind in (with_lightning.Fit, with_lightning.Late):
        module, callback = kind(), InitCallback(with_lightning.RULES, seed=7, part="net")
        with_lightning.fit(module, callback, folder=folder, devices=2, strategy="ddp")
        assert module.first is not None
        said[kind.__name__] = differing(module.first, with_lightning.expected(7)) + apart(module.net)
    return said


def transformers(folder: Path) -> Said:
    """A model that is given, and one that ``model_init`` makes."""
    import test_integrations_transformers as with_trainer  # noqa: PLC0415
    from initrules.integrations.transformers import InitCallback  # noqa: PLC0415

    ways: dict[str, Callable[[], Any]] = {"model": with_trainer.build, "model_init": lambda: with_trainer.build}
    said: Said = {}
    for way, make in ways.items():
        callback, watching = InitCallback(with_trainer.RULES, seed=7), with_trainer.Watching()
        trainer = with_trainer.trainer(callback, watching, folder / way, **{way: make()})
        trainer.train()
        assert trainer.args.world_size == 2
        first = {name.removeprefix("module."): one for name, one in watching.first.items()}
        said[way] = differing(first, with_trainer.expected(7)) + apart(trainer.model)
    return said


def differing(found: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """The names of what training did not begin with as the plan has it."""
    return [name for name, wanted in expected.items() if not torch.equal(found[name], wanted)]


def apart(model: nn.Module) -> list[str]:
    """The names of what the ranks do not have in common."""
    found: list[str] = []
    for name, parameter in model.named_parameters():
        first = parameter.detach().clone()
        dist.broadcast(first, 0)
        found += [f"{name} on another rank"] * (not torch.equal(first, parameter))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    kind, target = sys.argv[1], Path(sys.argv[2])
    answer = {"lightning": lightning, "transformers": transformers}[kind](target)
    (target / f"{os.environ['RANK']}.json").write_text(json.dumps(answer), encoding="utf-8")
