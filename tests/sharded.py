"""What the ranks of tests/test_sharding.py do: a model written in shards against the same model written whole."""

from __future__ import annotations

import itertools
import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from transformers import GPT2Config, GPT2LMHeadModel

import initrules
from initrules.ruleset import RuleSet
from writing import same

# One value for each action, and the layer that takes it.
VALUES = {
    "zeros": "zeros", "ones": "ones", "constant": "-0.5", "keep": "keep", "eye": "eye",
    "literal": "{literal: [1, 2, 3, 4, 5, 6]}",
    "uniform": "{uniform: {low: -1, high: 2}}", "normal": "{normal: {mean: 1, std: 3}}",
    "trunc_normal": "{trunc_normal: {std: 0.5}}",
    "xavier_normal": "xavier_normal", "xavier_uniform": "xavier_uniform", "kaiming_normal": "kaiming_normal",
    "kaiming_uniform": "kaiming_uniform", "lecun_normal": "lecun_normal", "lecun_uniform": "lecun_uniform",
    "variance_scaling": "{variance_scaling: {distribution: truncated_normal}}",
    "orthogonal": "{orthogonal: {gain: 2}}", "sparse": "{sparse: {sparsity: 0.5, std: 1}}",
    "output": "{output: {value: 0.3, through: sigmoid}}", "reset": "reset",
    "load": "{load: {source: given, name: weight}}", "copy": "{copy: normal.weight}",
    "formula": "{formula: i - j / 7}", "parts": "{parts: {dim: 0, each: xavier_normal, sizes: [4, 6]}}",
    "scale": "[keep, {scale: 0.5}]", "normalize": "[{normal: {std: 1}}, {normalize: {std: 1}}]",
    "repeat": "[{normal: {std: 1}}, {repeat: {times: 2}}]",
    "dirac": "dirac", "delta_orthogonal": "delta_orthogonal",
}  # fmt: skip
KERNELS = ("dirac", "delta_orthogonal")
SOURCE = {"weight": torch.arange(60.0).reshape(10, 6)}


def every_action() -> nn.Module:
    """A layer for each action, of 10 × 6, which few numbers of ranks divide."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name in VALUES:
        layers[name] = nn.Conv2d(4, 6, 3, bias=False) if name in KERNELS else nn.Linear(6, 10, bias=False)
    layers["literal"] = nn.Linear(6, 1, bias=False)
    layers["output"] = nn.Linear(6, 10)
    layers["few"] = nn.Linear(3, 2)
    layers["odd"] = nn.Linear(7, 9)
    layers["table"] = nn.Embedding(9, 4, padding_idx=2)
    model = nn.Sequential(layers)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.25)
    return model


def rules_of_every_action() -> RuleSet:
    lines = [
        f"  - {{rule: {name.replace('_', '-')}, select: {name}, set: {{weight: {value}}}}}"
        for name, value in VALUES.items()
    ]
    lines[[*VALUES].index("output")] = (
        f"  - {{rule: output, select: output, set: {{weight: zeros, bias: {VALUES['output']}}}}}"
    )
    lines[[*VALUES].index("literal")] = (
        "  - {rule: literal, select: literal, set: {weight: {literal: [[1, 2, 3, 4, 5, 6]]}}}"
    )
    lines += ["  - {rule: rest, select: '{few,odd,table}', set: {'*': {normal: {std: 1}}}}"]
    return initrules.from_text("initrules: 1\nsources: {given: {file: given.pt}}\nrules:\n" + "\n".join(lines) + "\n")


def shard_(model: nn.Module, mesh: DeviceMesh, placements: Sequence[Any]) -> nn.Module:
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            fitting = [p if not p.is_shard() or p.dim < parameter.ndim else Shard(0) for p in placements]
            made = distribute_tensor(parameter.detach(), mesh, fitting)
            module.register_parameter(name, nn.Parameter(made))
    return model


def whole(tensor: Tensor) -> Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach()


def here(tensor: Any) -> Tensor:
    """What of a DTensor lies on this rank."""
    local: Tensor = tensor.to_local().detach()
    return local


def differences(model: nn.Module, expected: nn.Module) -> Iterator[str]:
    other = dict(expected.named_parameters())
    for name, parameter in model.named_parameters():
        if not same(whole(parameter), other[name].detach()):
            yield name


def layouts(size: int) -> Iterator[tuple[str, DeviceMesh, list[Any]]]:
    line = init_device_mesh("cpu", (size,))
    yield "rows", line, [Shard(0)]
    yield "columns", line, [Shard(1)]
    yield "replicas", line, [Replicate()]
    if size == 4:
        square = init_device_mesh("cpu", (2, 2), mesh_dim_names=("outer", "inner"))
        for outer, inner in itertools.product((Shard(0), Replicate()), (Shard(0), Shard(1))):
            yield f"{outer} {inner}", square, [outer, inner]


def every_layout(rank: int, size: int) -> list[str]:
    """The names of all parameters that differ from the whole model, by layout and precision."""
    del rank
    found: list[str] = []
    rules = rules_of_every_action()
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        expected = every_action().to(dtype)
        initrules.apply_(expected, rules, seed=5, sources={"given": SOURCE})
        for label, mesh, placements in layouts(size):
            if dtype != torch.float32 and label not in ("rows", "columns"):
                continue
            model = shard_(every_action().to(dtype), mesh, placements)
            initrules.apply_(model, rules, seed=5, sources={"given": SOURCE})
            found += [f"{dtype} {label}: {name}" for name in differences(model, expected)]
    return found


def gpt2() -> nn.Module:
    return GPT2LMHeadModel(
        GPT2Config(n_layer=2, n_embd=24, n_head=2, vocab_size=41, n_positions=7, bos_token_id=0, eos_token_id=0)
    )


def fully_sharded_from_meta(rank: int, size: int) -> list[str]:
    """FSDP2 on a tied model without memory, written, trained one step."""
    del rank
    expected = gpt2()
    initrules.apply_(expected, "preset:gpt2", seed=3)
    with initrules.no_init(meta=True):
        model: Any = gpt2()
    mesh = init_device_mesh("cpu", (size,))
    for block in model.transformer.h:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    initrules.materialize_(model, "preset:gpt2", seed=3)
    found = list(differences(model, expected))
    if model.lm_head.weight is not model.transformer.wte.weight:
        found.append("the tie")
    model.eval(), expected.eval()  # no dropout
    tokens = torch.arange(6)[None]
    loss, wanted = model(tokens, labels=tokens).loss, expected(tokens, labels=tokens).loss
    if not torch.allclose(loss, wanted, atol=1e-5):
        found.append(f"loss {loss.item()} is not {wanted.item()}")
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return found


def two_dimensions(rank: int, size: int) -> list[str]:
    """Tensor parallel within pairs, FSDP2 across them; then HSDP."""
    del rank
    mesh = init_device_mesh("cpu", (size // 2, 2), mesh_dim_names=("data", "model"))
    rules = initrules.from_text("""initrules: 1
rules:
  - {rule: hidden, select: {type: Linear}, set: {weight: orthogonal, bias: {uniform: {bound: 1}}}}
  - {rule: out, select: "2", set: {weight: {normal: {std: 2}}}}
""")

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 6))

    expected = build()
    initrules.apply_(expected, rules, seed=1)
    found: list[str] = []
    both = build()
    parallelize_module(both, mesh["model"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    fully_shard(both, mesh=mesh["data"])
    hybrid = build()
    fully_shard(hybrid, mesh=mesh)
    for label, model in (("fsdp and tensor parallel", both), ("hybrid", hybrid)):
        initrules.apply_(model, rules, seed=1)
        found += [f"{label}: {name}" for name in differences(model, expected)]
        if not torch.allclose(model(torch.ones(4, 6)), expected(torch.ones(4, 6)), atol=1e-5):
            found.append(f"{label}: output")
    return found


def replicas(rank: int, size: int) -> list[str]:
    """DDP, whose replicas are drawn alike."""
    del size
    plain = nn.Linear(5, 4)
    model = DistributedDataParallel(nn.Linear(5, 4))
    rules = initrules.from_text('initrules: 1\nrules:\n  - {rule: all, select: "**", set: {"*": {normal: {std: 1}}}}\n')
    initrules.apply_(plain, rules, seed=2)
    initrules.apply_(model, rules, seed=2)
    found = list(differences(model.module, plain))
    try:
        initrules.apply_(model, rules, seed=rank)
    except initrules.RuleError as error:
        found.append(str(error))
    return found


def apply_in_world(rank: int, size: int, seeds: Sequence[int], stds: Sequence[float]) -> tuple[str, bool]:
    """What a rank is told when seeds or rules differ, and whether its shard is as it was."""
    mesh = init_device_mesh("cpu", (2, 2) if size == 4 else (size,))
    model = shard_(nn.Sequential(nn.Linear(4, 8)), mesh, [Shard(0)] + [Replicate()] * (mesh.ndim - 1))
    before = [here(parameter).clone() for parameter in model.parameters()]
    rules = initrules.from_text(
        f'initrules: 1\nrules:\n  - {{rule: all, select: "**", set: {{weight: {{normal: {{std: {stds[rank]}}}}}}}}}\n'
    )
    try:
        initrules.apply_(model, rules, seed=seeds[rank])
        answer = "written"
    except initrules.RuleError as error:
        answer = str(error)
    return answer, all(torch.equal(here(p), b) for p, b in zip(model.parameters(), before, strict=True))


def one_rank_dies(rank: int, size: int) -> tuple[str, float]:
    """The last rank ends before it applies; what the others are told, and after how many seconds."""
    model = shard_(nn.Linear(4, 8), init_device_mesh("cpu", (size,)), [Shard(0)])
    dist.barrier()
    if rank == size - 1:
        os._exit(1)
    start = time.monotonic()
    try:
        initrules.apply_(
            model, initrules.from_text("initrules: 1\nrules:\n  - {rule: all, select: '**', set: {weight: 1}}\n")
        )
    except initrules.RuleError as error:
        return str(error), time.monotonic() - start
    return "written", 0.0
