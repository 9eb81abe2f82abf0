"""Random models that are initialised as their rules say, and weights that are not: what ``verify`` must tell apart."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from initrules.apply import apply_
from initrules.planning import PlanData
from initrules.verdict import Verification
from initrules.verification import verify
from support import isolation, planned

DTYPES = (torch.float32, torch.float32, torch.float64, torch.bfloat16, torch.float16)

# Values for the weights of a layer; what stands in for ``{}`` is drawn.
ANY = (
    "{{normal: {{std: {0}}}}}", "{{normal: {{mean: {1}, std: {0}}}}}", "{{uniform: {{bound: {0}}}}}",
    "{{uniform: {{low: {1}, high: 2}}}}", "{{trunc_normal: {{std: {0}}}}}", "{{trunc_normal: {{std: {0}, cut: 3}}}}",
    "{{trunc_normal: {{std: {0}, correct: true}}}}", "{{trunc_normal: {{mean: {1}, std: {0}, low: {1}, high: 9}}}}",
    "[{{normal: {{std: {0}}}}}, {{scale: {1}}}]", "[{{uniform: {{bound: {0}}}}}, {{scale: -3}}]",
    "[{{normal: {{std: {0}}}}}, {{normalize: {{std: 0.1}}}}]", "zeros", "0.5", "{{formula: 'sin(i)'}}",
)  # fmt: skip
SCALED = (
    "xavier_normal", "xavier_uniform", "kaiming_normal", "kaiming_uniform", "lecun_normal",
    "{{variance_scaling: {{distribution: truncated_normal}}}}", "{{variance_scaling: {{distribution: uniform}}}}",
    "{{orthogonal: {{gain: {1}}}}}", "[orthogonal, {{scale: {0}}}]", "reset",
)  # fmt: skip
MATRIX = ("{{sparse: {{sparsity: 0.3, std: {0}}}}}", "[{{sparse: {{sparsity: 0.9}}}}, {{scale: 2}}]", "eye")


def layers(chance: random.Random) -> nn.Module:
    """Some layers of random kinds and sizes, none of which is ever run."""

    def size(most: int = 80) -> int:
        return chance.randint(1, most)

    makers: tuple[Callable[[], nn.Module], ...] = (
        lambda: nn.Linear(size(), size()),
        lambda: nn.Linear(size(300), size(300)),
        lambda: nn.Linear(size(5), size(5)),
        lambda: nn.Conv2d(size(20), size(20), chance.randint(1, 3)),
        lambda: nn.ConvTranspose1d(size(20), size(20), chance.randint(1, 3)),
        lambda: nn.Embedding(size(200), size(), padding_idx=0),
        lambda: nn.Bilinear(size(9), size(9), size(9)),
        lambda: nn.LSTM(size(30), size(30)),
        lambda: nn.MultiheadAttention(4 * size(10), 4),
        lambda: nn.LayerNorm(size()),
    )
    return nn.Sequential(*(chance.choice(makers)() for _ in range(chance.randint(1, 8))))


def value(chance: random.Random, module: nn.Module, dtype: torch.dtype) -> str:
    """A value that every weight of a module can take."""
    matrices = all(p.ndim >= 2 for p in module.parameters() if p.ndim != 1)
    known: tuple[str, ...] = ANY
    if matrices and not isinstance(module, nn.LayerNorm):
        known += SCALED
    if isinstance(module, nn.Linear):
        known += MATRIX
    if dtype in {torch.bfloat16, torch.float16}:  # torch has no QR for these
        known = tuple(one for one in known if "orthogonal" not in one)
    return chance.choice(known).format(
        *(round(chance.choice((0.01, 0.1, 1.0)) * chance.uniform(0.5, 2), 4) for _ in "12")
    )


def case(number: int) -> tuple[nn.Module, PlanData, int]:
    """A model, a plan for it, and a seed."""
    chance = random.Random(number)
    with isolation(number):
        model = layers(chance)
    dtype = chance.choice(DTYPES)
    model = model.to(dtype)
    rules = []
    for path, module in model.named_children():
        weights = value(chance, module, dtype)
        keys = [n for n, p in module.named_parameters() if p.ndim >= 2 or isinstance(module, nn.LayerNorm)]
        keys = [key for key in keys if "." not in key and not (isinstance(module, nn.LayerNorm) and key == "bias")]
        block = ", ".join(f"{key}: {weights}" for key in keys)
        rules.append(f"  - {{rule: r{path}, select: '{path}', set: {{{block}}}}}")
    bias = "{'bias*': {uniform: {bound: 0.1}}}"
    small = f"  - {{rule: small, select: {{type: [Linear, Conv2d, LSTM]}}, optional: true, set: {bias}}}"
    stream = chance.choice(("keyed", "global"))
    text = f"stream: {stream}\ndefaults:\n{small}\nrules:\n" + "\n".join(rules)
    return model, planned(text, model), number


def verdict_of(number: int) -> Verification:
    """What ``verify`` says, without the seed, of a model that was initialised as planned."""
    model, plan, seed = case(number)
    with isolation(seed):
        apply_(model, plan, seed=seed)
    return verify(model, plan)


@functools.cache
def _planned(law: str, elements: int) -> tuple[nn.Module, PlanData]:
    module = nn.Linear(elements, 1, bias=False, device="meta").to_empty(device="cpu")
    text = {"normal": "{normal: {std: 1}}", "uniform": "{uniform: {bound: 1}}"}[law]
    return module, planned(f"rules: [{{rule: r, select: '', set: {{weight: {text}}}}}]", module)


def chance(std: float, elements: int, seed: int, law: str) -> float:
    """The chance of a correct tensor looking as odd as one whose std is ``std`` times the rule's."""
    module, plan = _planned(law, elements)
    weight: Any = module.weight
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        if law == "normal":
            weight.normal_(0, std, generator=generator)
        else:
            weight.uniform_(-std, std, generator=generator)
    found = verify(module, plan)
    odd = (0.0 if one.probability is None else one.probability for one in found.problems)
    return min(1.0, found.tests * min(odd, default=1.0))
