"""Plans over one name of each kind: the same, to the last letter, as over every name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import initrules
from initrules import planning, ruleset
from initrules.inventory import Inventory
from initrules.matcher import Matcher
from initrules.planning import PlanData
from initrules.quotient import reduced
from initrules.survey import survey
from support import isolated


class Expert(nn.Module):
    def __init__(self, width: int, *, bias: bool) -> None:
        super().__init__()
        self.up = nn.Linear(2, width, bias=bias)
        self.act = nn.ReLU()
        self.down = nn.Linear(width, 2, bias=bias)


class Block(nn.Module):
    def __init__(self, widths: list[int], *, bias: bool, level: int) -> None:
        super().__init__()
        self.level = level
        self.norm = nn.LayerNorm(2)
        self.experts = nn.ModuleList(Expert(width, bias=bias) for width in widths)


@st.composite
def models(draw: st.DrawFn) -> nn.Module:
    """Blocks that repeat themselves, but for a width, a bias, an attribute; some modules and tensors shared."""
    widths = st.lists(st.sampled_from((2, 2, 2, 3)), min_size=1, max_size=3)
    with torch.device("meta"):
        blocks = nn.ModuleList(
            Block(draw(widths), bias=draw(st.booleans()), level=draw(st.sampled_from((0, 0, 1))))
            for _ in range(draw(st.integers(1, 4)))
        )
        model = nn.ModuleDict({"emb": nn.Embedding(4, 2), "h": blocks, "head": nn.Linear(2, 4)})
    experts = [module for module in model.modules() if isinstance(module, Expert)]
    every: Any = st.sampled_from(experts)
    for _ in range(draw(st.integers(0, 2))):
        match draw(st.sampled_from(("module", "tensor", "head", "frozen"))):
            case "module":
                draw(every).up = draw(every).up
            case "tensor":
                one, other = draw(every).down, draw(every).up
                one.weight = other.weight
            case "head":
                model["head"].weight = model["emb"].weight
            case "frozen":
                draw(every).up.weight.requires_grad_(False)
    return model


BINDING = ("h.<n>.**", "**.experts.<n>.*", "re:h\\\\.(?P<n>[0-9]).*", "**.<n>.up")
TEXTS = ("**", "h.*", "**.up", "h.{0..1}.experts.*.down", "re:h\\\\.[0-9].*", "*", "h.*.experts.0.up", "")
KINDS = ("Linear", "=LayerNorm", "Expert", "*", "Re*")
NAMES = ("up", "down", "{up,down}", "0", "*m", "head")
WHERE = ("module.out_features == 2", "ndim > 1", "get(next.out_features, 0) == 2")
VALUES = (
    "zeros",
    "kaiming_normal",
    "orthogonal",
    "reset",
    "[keep, {scale: 0.5}]",
    "{copy: head.weight}",
    *(
        f'{{normal: {{std: "{std}"}}}}'
        for std in (
            "1 / numel",
            "1 / fan_in",
            "get(parent.level, 2) + 1",
            "get(next.out_features, 7)",
            "inside.level + 1",
            "count('h.*')",
        )
    ),
    '{formula: "i / 7 + j"}',
)


@st.composite
def selectors(draw: st.DrawFn, depth: int = 0) -> Mapping[str, str]:
    keys: dict[str, str] = {}
    if draw(st.booleans()):
        keys["path"] = f'"{draw(st.sampled_from((*TEXTS, *BINDING) if depth == 0 else TEXTS))}"'
    if draw(st.integers(0, 2)) == 0:
        keys["type"] = f'"{draw(st.sampled_from(KINDS))}"'
    if not keys or draw(st.integers(0, 4)) == 0:
        keys["name"] = f'"{draw(st.sampled_from(NAMES))}"'
    if depth < 2 and draw(st.integers(0, 2)) == 0:
        keys[draw(st.sampled_from(("inside", "parent", "next", "not")))] = flow(draw(selectors(depth=depth + 1)))
    if draw(st.integers(0, 3)) == 0:
        keys["pick"] = draw(st.sampled_from(("first", "last", "all-but-last", "1")))
    if depth == 0 and draw(st.integers(0, 4)) == 0:
        keys["where"] = f'"{draw(st.sampled_from(WHERE))}"'
    return keys


def flow(keys: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"


@st.composite
def rules(draw: st.DrawFn) -> str:
    lines = {"defaults": "", "rules": ""}
    for number in range(draw(st.integers(1, 5))):
        section, select = draw(st.sampled_from(("rules", "rules", "defaults"))), draw(selectors())
        bound = ('{normal: {std: "n + 1"}}',) * 3 if "<n>" in select.get("path", "") else ()
        value, key = draw(st.sampled_from((*VALUES, *bound))), draw(st.sampled_from(("weight", '"*"', "bias")))
        more = ", lock: true" if section == "rules" and draw(st.integers(0, 4)) == 0 else ""
        lines[section] += (
            f"  - {{rule: r{number}, select: {flow(select)}, set: {{{key}: {value}}}, optional: true{more}}}\n"
        )
    return "initrules: 1\n" + "".join(f"{section}:\n{body}" for section, body in lines.items() if body)


def over_every_name(inventory: Inventory, *_: object) -> Matcher:
    return Matcher(inventory)


def essence(plan: PlanData) -> Mapping[str, object]:
    """All of a plan; the order of findings that are equally bad may differ."""
    return {
        "rows": [(row.parameter, row.target, row.decisions, row.moments) for row in plan.rows],
        "tallies": plan.tallies,
        "findings": sorted(
            (f.severity, f.code, f.message, str(f.span), str(f.hint), str(f.rule), tuple(f.parameters))
            for f in plan.findings
        ),
        "fingerprint": plan.fingerprint(),
    }


def same(text: str, model: Any) -> PlanData:
    loaded, inventory = ruleset.from_text(text), survey(model)
    plan = planning.make(loaded, inventory)
    with patch.object(planning, "reduced", over_every_name):
        assert essence(plan) == essence(planning.make(loaded, inventory))
    return plan


@settings(deadline=None, max_examples=60)
@given(models(), rules())
def test_a_plan_over_kinds_is_the_plan_over_names(model: nn.Module, text: str) -> None:
    same(text, model)


@isolated
def mixture() -> nn.Module:
    """Three equal blocks of four equal experts: 59 names."""
    with torch.device("meta"):
        return nn.ModuleDict({"h": nn.ModuleList(Block([2] * 4, bias=True, level=0) for _ in range(3))})


@pytest.mark.parametrize(("select", "kinds"), [
    pytest.param("{type: Linear}", 8, id="one of each make at each depth"),
    pytest.param("'h.*.experts.*.up'", 9, id="equal paths for all members"),
    pytest.param("'h.1.**'", 14, id="one block apart"),
    pytest.param("'h.<n>.**'", 20, id="a number that is bound tells blocks apart"),
    pytest.param("'**.experts.{0..1}.up'", 9, id="one layer of two experts apart, in all blocks"),
    pytest.param("'re:h\\.[01]\\..*'", 13, id="a regular expression over the whole"),
    pytest.param("{type: Expert, pick: last}", 11, id="the last expert of each block"),
    pytest.param("{type: Linear, next: {type: ReLU}}", 24, id="what has a next one, and what has none"),
])  # fmt: skip
def test_how_many_kinds_a_rule_tells_apart(select: str, kinds: int) -> None:
    text = f"initrules: 1\nrules: [{{rule: r, select: {select}, set: {{weight: zeros}}}}]"
    loaded, inventory = ruleset.from_text(text), survey(mixture())
    assert len(inventory.names) == 59
    assert len(reduced(inventory, loaded.rules, loaded.variables).kinds.firsts) == kinds


def test_parts_of_a_model_under_other_names() -> None:
    """A name that does not go on where its parent's ends is walked from the root."""
    stage = initrules.Stage(mixture()["h"], {"0": "h.7", "1": "h.8", "2": "other.2"})  # type: ignore[index]
    plan = same("initrules: 1\nrules: [{rule: r, select: 'h.<n>.experts.*.up', set: {weight: {constant: n}}}]", stage)
    found = {row.path: row.value.actions[0].value for row in plan.rows if row.value}
    assert found == {f"h.{n}.experts.{expert}.up.weight": n for n in (7, 8) for expert in range(4)}
