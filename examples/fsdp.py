"""FSDP2 from the meta device: no rank ever holds the whole model, and no value depends on how many there are.

Run with: torchrun --nproc-per-node 2 examples/fsdp.py checkpoint
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy

import initrules

RULES = initrules.from_text("""initrules: 1
rules:
  - {rule: hidden, select: {type: Linear}, set: {weight: {orthogonal: {gain: sqrt(2)}}, bias: zeros}}
  - {rule: embedding, select: {type: Embedding}, set: {weight: {normal: {std: 0.1}}}}
  - {rule: norms, select: {type: LayerNorm}, set: {weight: ones, bias: zeros}}
  - {rule: head, select: head, set: {weight: {trunc_normal: {std: 0.02}}}}
""")
WORDS = 101


class Tower(nn.Module):
    """Blocks over an embedding."""

    def __init__(self, width: int = 48, depth: int = 3) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width)
        self.blocks = nn.Sequential(
            *(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()) for _ in range(depth))
        )
        self.head = nn.Linear(width, WORDS)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (batch, time) to scores (batch, time, words)."""
        scores: torch.Tensor = self.head(self.blocks(self.embedding(tokens)))
        return scores


def build() -> nn.Module:
    """The model that the ranks share."""
    return Tower()


def main(folder: Path) -> None:
    """Build without memory, shard, write, train one step, save."""
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    with initrules.no_init(meta=True):
        model = build()
    for block in model.get_submodule("blocks").children():
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    record = initrules.materialize_(model, RULES, seed=0)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    tokens = torch.arange(24).view(2, 12) % WORDS
    before = cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
    before.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    after = cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
    save({"model": model.state_dict()}, checkpoint_id=folder)
    if dist.get_rank() == 0:
        written, kept = len(record.written), len(list(folder.glob("*.distcp")))
        print(f"{written} parameters written on {dist.get_world_size()} ranks")
        print(f"loss {before.item():.4f} before the first step, {after.item():.4f} after it")
        print(f"checkpoint in {kept} files")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
