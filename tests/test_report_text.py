"""Plans for the terminal: whole against golden files, at any width, with names that mean harm."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from torch import nn

import initrules
from commands import ROOT
from initrules import planning, report, ruleset
from initrules.factory import build
from initrules.pattern import path_pattern
from initrules.planning import PlanData
from initrules.report.columns import Cell, table
from initrules.source import Span
from initrules.survey import survey
from support import isolated, planned

GOLDEN = Path(__file__).with_name("golden") / "text"
EVIL = ("\x1b[2J", "[bold]x[/bold]", "<script>", "a\nb", "\u202e", "[/]")


def preset(name: str, example: str, **arguments: object) -> PlanData:
    model = isolated(build)(f"{ROOT / 'examples' / example}.py:build", arguments)
    return planning.make(ruleset.load(f"preset:{name}"), survey(model))


@isolated
def every_look() -> PlanData:
    """One row of each kind: written, kept, frozen, without a rule, in error, shared, packed, wrapped, locked."""
    model = nn.ModuleDict(
        {
            "a": nn.Linear(4, 8), "b": nn.ConvTranspose2d(4, 8, 3, bias=False), "m": nn.MultiheadAttention(4, 2),
            "n": nn.BatchNorm1d(3), "f": nn.Linear(2, 2, bias=False), "z": nn.LayerNorm(2),
        }
    )  # fmt: skip
    model["shared"] = nn.ModuleDict({"deep": model["a"]})
    model["f"].requires_grad_(requires_grad=False)
    return planned(
        """
vars: {std: 0.5}
defaults:
  - rule: all
    select: {type: [Linear, ConvTranspose2d, MultiheadAttention]}
    set: {weight: kaiming_normal, "in*weight": xavier_uniform, "*bias": zeros}
rules:
  - rule: wide
    select: a
    set: {weight: {normal: {std: std}}}
    parametrize: {weight: spectral_norm}
    optimize: {"*": {lr_scale: 0.5}}
  - {rule: kept, select: z, set: {weight: keep}, lock: true}
  - {rule: wrong, select: n, set: {weight: orthogonal, running_mean: 3}}
""",
        model,
    )  # fmt: skip


PLANS: dict[str, Callable[[], PlanData]] = {
    "ppo": lambda: preset("ppo", "ppo"),
    "gpt2": lambda: preset("gpt2", "gpt2"),
    "every-look": every_look,
}


@pytest.mark.parametrize("width", [120, 80, 60])
@pytest.mark.parametrize("name", sorted(PLANS))
def test_plans_whole(name: str, width: int) -> None:
    file = GOLDEN / f"{name}-{width}.txt"
    shown = report.plan_text(PLANS[name](), width=width) + "\n"
    if os.environ.get("REGENERATE"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def test_thirty_layers_in_under_thirty_lines() -> None:
    plan = preset("gpt2", "gpt2", n_layer=30)
    assert len(report.plan_text(plan, width=120).splitlines()) < 30


@pytest.mark.parametrize("width", [60, 70, 80, 100, 140, 300])
def test_no_line_of_the_tables_is_wider_than_the_window(width: int) -> None:
    lines = report.plan_text(every_look(), width=width).splitlines()
    end = next((at for at, line in enumerate(lines) if line.startswith(("error", "info"))), len(lines))
    assert max(cell_len(line) for line in lines[:end]) <= width


def expert() -> nn.Module:
    return nn.ModuleDict({name: nn.Linear(8, 8, bias=False) for name in ("w1", "w2", "w3")})


def block(experts: int) -> nn.Module:
    parts = {"norm": nn.LayerNorm(8), "attention": nn.MultiheadAttention(8, 2), "shared": expert()}
    if experts:
        parts["gate"] = nn.Linear(8, experts, bias=False)
        parts["experts"] = nn.ModuleList(expert() for _ in range(experts))
    return nn.ModuleDict(parts)


def mixture() -> nn.Module:
    """A mixture of experts of 3,059 modules whose first block is dense."""
    with torch.device("meta"):
        layers = [block(experts) for experts in (0, *[28] * 26)]
        return nn.ModuleDict({"layers": nn.ModuleList(layers), "head": nn.Linear(8, 99)})


def test_a_mixture_of_three_thousand_modules_in_under_sixty_lines() -> None:
    rules = """
vars: {n: 'count("layers.*")'}
defaults:
  - {rule: all, select: {type: [Linear, MultiheadAttention]}, set: {"*weight": {normal: {std: 0.02}}, "*bias": zeros}}
rules:
  - {rule: residual, select: {name: w2}, set: {weight: {normal: {std: 0.02 / sqrt(2 * n)}}}}
  - {rule: odd, select: 'layers.{3,7}.experts.{2,4}.w1', set: {weight: zeros}}
  - {rule: first, select: layers.0.shared.w1, set: {weight: keep}}
"""
    plan = planned(rules, mixture())
    shown = report.plan_text(plan, width=140)
    assert len(plan.inventory.names) > 3000
    assert len(shown.splitlines()) < 60
    assert "layers.0.shared.w1.weight ← differs from 1..26 " in shown
    assert "layers.{3,7}.experts.{2,4}.w1.weight ×4 ← differs from " in shown
    assert '\nwith n = count("layers.*") = 27   rules.yaml:3:11\n' in shown


def test_a_warning_has_a_symbol_and_a_count() -> None:
    rules = (
        "rules: [{rule: a, select: '**', set: {weight: {trunc_normal: {std: 0.01, low: -2, high: 2}}, bias: zeros}}]"
    )
    lines = report.plan_text(planned(rules, isolated(nn.Linear)(3, 3)), width=120).splitlines()
    assert [line[0] for line in lines[2:4]] == ["!", "●"]
    assert lines[4] == "2 parameters, 2 ● written, 0 = kept, 0 ○ without a rule, 1 ! with a warning"


def test_many_variables_are_counted() -> None:
    names = ", ".join(f"v{n}: {n}" for n in range(15))
    shown = report.plan_text(planned(f"vars: {{{names}}}", nn.Identity()))
    assert "\nwith v11 = 11   rules.yaml:2:92\nand 3 more variables; --format json has all\n" in shown


@pytest.mark.parametrize("width", [60, 75, 100])
def test_messages_are_broken_at_words_on_a_terminal(width: int) -> None:
    rules = f"rules: [{{rule: a, optional: true, select: '**', {' ' * 40} set: {{weight: orthogonal}}}}]"
    plan = planned(rules, isolated(nn.LayerNorm)(3))
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    screen.print(report.plan_view(plan, width=width, wrap=True), crop=False)
    lines = screen.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(cell_len, lines)) <= width
    at = next(at for at, line in enumerate(lines) if line.strip(" ^") == "" and line.strip())
    assert lines[at - 1][lines[at].index("^") : lines[at].rindex("^") + 1] == "orthogonal"
    told = " ".join(" ".join(lines).split())
    assert "orthogonal needs at least 2 dimensions, this parameter has 1, for 'weight' [value]" in told


def test_every_printed_pattern_meets_its_members() -> None:
    plan = preset("gpt2", "gpt2")
    lines = report.plan_text(plan, width=200).splitlines()
    found = [re.match(r"● +(\S+)(?: ×(\d+))?", line) for line in lines]
    paths = [row.path for row in plan.rows]
    for one in (one for one in found if one):
        pattern = path_pattern(one[1], Span("", 1, 1))
        assert sum(pattern.match(path) is not None for path in paths) == int(one[2] or 1)


def evil_model() -> Any:
    model = nn.Module()
    for name in EVIL:
        model.add_module(name, nn.Linear(1, 1, device="meta"))
    return model


def test_names_cannot_drive_the_terminal() -> None:
    plan = planned("rules: [{rule: a, select: '**', set: {weight: zeros}}]", evil_model())
    screen = Console(file=io.StringIO(), width=150, force_terminal=True, color_system="standard")
    screen.print(report.plan_view(plan), crop=False)
    coloured = screen.file.getvalue()  # type: ignore[attr-defined]
    plain = report.plan_text(plan, width=150)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == plain.split()
    for text in (plain, coloured, report.explain_text(plan, "\x1b[2J.weight")):
        assert "\x1b[2J" not in text
        assert "\u202e" not in text
    assert r"\[bold\]x\[/bold\]" in plain


def test_findings_are_not_wrapped() -> None:
    plan = planned("rules: [{rule: a, select: nowhere, set: {weight: zeros}}]", nn.Identity())
    text = report.plan_text(plan, width=60)
    assert "    rules: [{rule: a, select: nowhere, set: {weight: zeros}}]\n" in text
    assert text.endswith(str(plan.findings[0]).rpartition("\n")[2])


def test_many_notes_are_counted() -> None:
    keys = ", ".join(f"key{at}x: zeros" for at in range(20))
    plan = planned(f"rules: [{{rule: a, select: '**', set: {{weight: zeros, {keys}}}}}]", isolated(nn.Linear)(1, 1))
    assert "and 13 more findings; --format json has all" in report.plan_text(plan)


def test_a_lazy_parameter_has_no_shape() -> None:
    with torch.device("meta"):
        model = nn.LazyLinear(3)
    assert re.search(r"^○ +{weight,bias} ×2 +\? +no rule$", report.plan_text(planned("about: x", model)), re.MULTILINE)


def test_a_model_without_parameters() -> None:
    text = report.plan_text(planned("about: x", nn.Identity()))
    assert "0 parameters, 0 ● written, 0 = kept, 0 ○ without a rule" in text


def test_overlaps_are_counted() -> None:
    rules = "rules: [{rule: a, select: '**', set: {'*': ones}}, {rule: b, select: '**', set: {bias: zeros}}]"
    assert report.plan_text(planned(rules, isolated(nn.Linear)(1, 1))).endswith("1 contested overlap, see 'over'")


PIECES = st.lists(st.text("ab漢-.\n", min_size=1, max_size=9).map(lambda piece: piece.rstrip("\n") or "x"), min_size=1)


@settings(deadline=None)
@given(st.lists(st.tuples(PIECES, PIECES), min_size=1, max_size=4), st.integers(24, 60))
def test_no_letter_of_a_cell_is_lost(rows: list[tuple[list[str], list[str]]], width: int) -> None:
    cells = [
        tuple(Cell(head, tuple((piece.replace("\n", ""), "") for piece in pieces), indent=2 * (head == "b"))
              for head, pieces in zip("ab", row, strict=True))
        for row in rows
    ]  # fmt: skip
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    screen.print(table(cells))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    for letter in "漢.":
        assert text.count(letter) == sum(cell.text.count(letter) for row in cells for cell in row)


def test_what_a_checkpoint_gives_is_listed() -> None:
    rules = ruleset.from_text(
        "initrules: 1\nsources: {s: {file: no.pt}}\nrules:\n"
        "  - {rule: a, select: {type: Linear}, set: {'*': {load: {source: s, missing: next}}}}\n"
    )
    model = isolated(nn.ModuleDict)()
    model["a"], model["b"] = isolated(nn.Linear)(1, 1), isolated(nn.Linear)(1, 1)
    model["n"] = nn.LayerNorm(1)
    tensors = {f"{name}.{local}": torch.zeros(1, 1) for name in "a\x1b" for local in ("weight", "bias")}
    plan = initrules.plan(model, rules, sources={"s": {**tensors, "a.bias": torch.zeros(1)}})
    lines = report.plan_text(plan.data).splitlines()
    first = lines.index("source 's': 2 taken, 2 refused, 2 left over")
    assert [line.split(":")[0] for line in lines[first + 1 : first + 8]] == [
        "  ● a.weight", "  ● a.bias", "  ✗ b.weight", "  ✗ b.bias", r"  ○ \x1b.weight is in the file and not taken",
        r"  ○ \x1b.bias is in the file and not taken", "  ○ 2 parameters not asked for",
    ]  # fmt: skip
