"""What the ranks of tests/test_deepspeed.py do: models that ZeRO-3 divides, written as docs/sharding.md says."""

from __future__ import annotations

import os
import warnings
from typing import Any

import torch
from torch import nn

import initrules

RULES = initrules.from_text("""initrules: 1
rules:
  - {rule: table, select: {type: Embedding}, set: {weight: {normal: {std: 0.02}}}}
  - {rule: hidden, select: {type: Linear}, set: {weight: orthogonal, bias: {uniform: {bound: 1}}}}
""")
CONFIG = {"train_micro_batch_size_per_gpu": 1, "zero_optimization": {"stage": 3}}


def build() -> nn.Module:
    """Layers that two ranks divide evenly, and not: 55 and 5 elements."""
    return nn.Sequential(nn.Embedding(11, 5), nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 5))


def every_way(rank: int, size: int) -> dict[str, Any]:
    """For each way of writing: the names of all parameters that differ from the model written whole, or the error."""
    deepspeed = _deepspeed(rank, size)
    expected = build()
    initrules.apply_(expected, RULES, seed=3)

    def differing(model: nn.Module) -> list[str]:
        assert not any(parameter.numel() for parameter in model.parameters()), "nothing is divided"
        with deepspeed.zero.GatheredParameters(list(model.parameters())):
            pairs = zip(model.named_parameters(), expected.parameters(), strict=True)
            return [name for (name, found), wanted in pairs if not torch.equal(found, wanted)]

    def made_divided() -> nn.Module:
        with deepspeed.zero.Init(config_dict_or_path=CONFIG):
            return build()

    before = build()
    initrules.apply_(before, RULES, seed=3)
    deepspeed.zero.Init(module=before, config_dict_or_path=CONFIG)  # as deepspeed.initialize does

    inside, thrown_away, outside = made_divided(), made_divided(), made_divided()
    with deepspeed.zero.GatheredParameters(list(inside.parameters()), modifier_rank=0):
        initrules.apply_(inside, RULES, seed=3)
    with deepspeed.zero.GatheredParameters(list(thrown_away.parameters())):
        initrules.apply_(thrown_away, RULES, seed=3)
        planned = initrules.plan(thrown_away, RULES)
    return {
        "before it is divided": differing(before),
        "gathered": differing(inside),
        "gathered without a modifier_rank": differing(thrown_away),
        "divided": _refusal(lambda: initrules.apply_(outside, RULES, seed=3)),
        "divided after the plan": _refusal(lambda: planned.apply_(seed=3)),
    }


def _refusal(write: Any) -> str | None:
    try:
        write()
    except initrules.RuleError as error:
        return str(error)
    return None


def _deepspeed(rank: int, size: int) -> Any:
    """The package, on CPUs, over the process group that there is, and without compiling a kernel of its own."""
    os.environ |= {"DS_ACCELERATOR": "cpu", "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    warnings.simplefilter("ignore")  # of torch, about what DeepSpeed calls
    import deepspeed  # noqa: PLC0415  # looks at the environment when it is imported

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo", auto_mpi_discovery=False)
    return deepspeed
