"""Pages for tests in a browser: models, rules, and names that attack."""

from __future__ import annotations

import dataclasses
import json
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from initrules.inventory import Columns, Facts, Make, Module, TypeName
from initrules.planning import PlanData
from initrules.report.html import plan_page
from support import planned


class Block(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.act = nn.ReLU()


def transformer(blocks: int = 12) -> nn.ModuleDict:
    with torch.device("meta"):
        net = nn.ModuleDict({"wte": nn.Embedding(8, 4), "h": nn.ModuleList(Block() for _ in range(blocks))})
        net["experts"] = nn.ModuleList(nn.ModuleList(nn.Linear(2, 2) for _ in range(3)) for _ in range(2))
        net["head"] = nn.Linear(4, 8, bias=False)
        net["head"].weight = net["wte"].weight
        net["again"] = net.get_submodule("h.0.attn")
    return net


RULES = """
vars: {gain: sqrt(2), scale: gain / 10}
defaults:
- {rule: all, select: {type: Linear}, why: where most begin, set: {weight: {normal: {std: scale}}, bias: zeros}}
rules:
- {rule: proj, select: {inside: "h.<layer>", name: proj}, set: {weight: zeros}}
- {rule: last, select: {path: h.11.attn.qkv}, lock: true, set: {weight: ones}}
- {rule: bad, select: {type: LayerNorm}, set: {bias: orthogonal}}
"""


class Pages(NamedTuple):
    """One plan, two plans, hostile names."""

    one: Path
    two: Path
    hostile: Path
    plan: PlanData


def written(folder: Path) -> Pages:
    """The pages in files."""
    net = transformer()
    first = planned(RULES, net)
    second = planned(
        "rules: [{rule: other, select: {type: Linear}, set: {weight: {normal: {std: 0.5}}, bias: 0}}]", net
    )
    values = [(row, np.linspace(-0.3, 0.3, 500)) for row in first.rows if row.path.endswith("qkv.weight")]
    found = Pages(folder / "one.html", folder / "two.html", folder / "hostile.html", first)
    found.one.write_text(plan_page([first], ["rules.yaml"], title="transformer", values=[values]), "utf-8")
    found.two.write_text(plan_page([first, second], ["here.yaml", "there.yaml"], title="transformer"), "utf-8")
    found.hostile.write_text(hostile(), "utf-8")
    return found


NAMES = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--",
    "a\u202eb",
    "{{data}}",
    "x y*",
    "plain",
)


def hostile() -> str:
    """A page of a model whose names attack, and of rules that do."""
    with torch.device("meta"):
        net = nn.ModuleDict({name: nn.Linear(1, 1) for name in NAMES})
    net["plain"].register_parameter("<b>bold</b>", nn.Parameter(torch.empty(1, device="meta")))
    text = json.dumps("</script><img src=x onerror=alert(3)>")
    rules = f"""
vars: {{v: 1}}
rules: [{{rule: x, select: {{type: Linear}}, why: {text}, set: {{weight: {{constant: v}}, '*': zeros}}}}]
"""
    return plan_page([planned(rules, net)], ["<i>rules</i>"], title="</title><script>alert(4)</script>")


def many_modules(count: int) -> PlanData:
    """A plan for a model of so many modules of which no two neighbours are alike, made without planning it."""
    small = planned(
        "rules: [{rule: a, select: {type: Linear}, set: {weight: {normal: {std: 0.1}}, bias: zeros}}]",
        nn.Linear(2, 2, device="meta"),
    )
    module = Module((TypeName("Linear", ("torch.nn.Linear",)), TypeName("Module", ("torch.nn.Module",))))
    owning = [
        Make(module, (("weight", Facts((part + 1, width + 1), "float32", "meta")),))
        for width in range(50)
        for part in range(3)
    ]
    paths, parents, made = [""], [-1], [0]
    for layer in range(count // 10):
        above = len(paths)
        paths += [f"layer{layer}", *(f"layer{layer}.{part}" for part in range(9))]
        parents += [0, *[above] * 9]
        made += [0, *(1 + layer % 50 * 3 + part for part in range(3)), *[0] * 6]
    starts = [0, *accumulate(int(make > 0) for make in made)]
    inventory = Columns([Make(module, ()), *owning], paths, parents, range(len(paths)), made, starts).inventory()
    rows = [dataclasses.replace(small.rows[0], parameter=parameter) for parameter in inventory.parameters]
    return dataclasses.replace(small, rows=tuple(rows), inventory=inventory)
