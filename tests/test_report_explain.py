"""Why one parameter gets its value: a dozen lines, each with its place."""

from __future__ import annotations

import pytest
from torch import nn

from commands import ROOT
from initrules import planning, report, ruleset
from initrules.errors import ModelError
from initrules.factory import build
from initrules.survey import survey
from support import isolated, planned

RULES = """
vars: {std: scale / 2, scale: 1, list: [scale, 2]}
defaults: [{rule: all, select: '**', set: {'*': ones}}]
rules:
  - rule: layers
    why: deep layers start small
    select: 'h.<layer>'
    set: {weight: {normal: {std: std / (layer + 1)}}}
    parametrize: {weight: spectral_norm}
    optimize: {weight: {lr_scale: 0.5}}
    lock: true
"""


def explained(rules: str, model: nn.Module, name: str) -> str:
    return report.explain_text(planned(rules, model), name, whole=True)


@isolated
def layers() -> nn.Module:
    return nn.ModuleDict({"h": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})


def test_a_value_whole() -> None:
    assert explained(RULES, layers(), "h.1.weight") == (
        "h.1.weight: parameter, 2×2, float32\n"
        "  starts as normal std=0.25   (mean 0, std 0.25)\n"
        "    by 'layers', locked, rules.yaml:9:19: {normal: {std: std / (layer + 1)}}\n"
        "    selects h.<layer>\n"
        "    why: deep layers start small\n"
        "    layer = 1   from the path\n"
        "    scale = 1   rules.yaml:3:31\n"
        "    std = scale / 2 = 0.5   rules.yaml:3:13\n"
        "    over 'all', rules.yaml:4:49: ones   because 'layers' is locked\n"
        "  wrapped in spectral_norm\n"
        "    by 'layers', locked, rules.yaml:10:27: spectral_norm\n"
        "    its state-dict key becomes h.1.parametrizations.weight.original, with _u and _v beside it\n"
        "  lr_scale 0.5   by 'layers', locked, rules.yaml:11:35: 0.5"
    )


def test_fans_and_what_torch_would_read() -> None:
    rules = (
        "rules: [{rule: a, select: {type: ConvTranspose1d}, set: {weight: {uniform: {bound: 1 / fan_in}}, bias: 0}}]"
    )
    model = isolated(nn.ConvTranspose1d)(4, 2, 3)
    assert "    fans 12 → 6; torch.nn.init would read 6 → 12" in explained(rules, model, "weight")
    assert "fans" not in explained(rules, model, "bias")


def test_other_names_frozen_ones_and_buffers() -> None:
    shared = isolated(nn.Linear)(1, 1)
    model = nn.ModuleList([shared] * 9)
    assert explained("about: x", model, "8.bias").splitlines() == [
        "0.bias: parameter, 1, float32",
        "  also named 1.bias, 2.bias, 3.bias, 4.bias, 5.bias, 6.bias and 2 more",
        "  no rule claims it: its value stays as it is",
    ]
    norm = isolated(nn.BatchNorm1d)(2).requires_grad_(requires_grad=False)
    assert explained("about: x", norm, "weight").startswith("weight: frozen parameter, 2, float32\n")
    assert explained("about: x", norm, "num_batches_tracked").startswith("num_batches_tracked: buffer, scalar, int64\n")


def test_a_value_that_cannot_be() -> None:
    text = explained("rules: [{rule: a, select: '', set: {bias: orthogonal}}]", isolated(nn.Linear)(1, 1), "bias")
    assert text.endswith("error: orthogonal needs at least 2 dimensions, this parameter has 1, for 'bias'")
    rules = "rules: [{rule: a, select: '', set: {bias: numel / (numel - 1)}}]"
    text = explained(rules, isolated(nn.Linear)(1, 1), "bias")
    assert "  starts as a value that cannot be computed\n" in text


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(ModelError) as caught:
        explained("about: x", layers(), "h.1.wieght")
    assert str(caught.value) == "no parameter is named 'h.1.wieght'\n  Did you mean 'h.1.weight'?"


@pytest.mark.parametrize("name", ["ppo", "gpt2", "resnet", "vit"])
def test_a_dozen_lines_are_enough_for_the_shipped_rules(name: str) -> None:
    model = isolated(build)(f"{ROOT / 'examples' / name}.py:build", {})
    plan = planning.make(ruleset.load(f"preset:{name}"), survey(model))
    assert max(len(report.explain_text(plan, row.path).splitlines()) for row in plan.rows) <= 12


def test_more_than_a_dozen_lines_are_cut_with_a_count() -> None:
    names = [f"v{n}" for n in range(9)]
    variables = ", ".join(f"{name}: {n}" for n, name in enumerate(names))
    losers = "\n".join(f"  - {{rule: r{n}, select: '**', set: {{'*': {n}}}}}" for n in range(4))
    rules = f"vars: {{{variables}}}\nrules:\n{losers}\n  - {{rule: a, select: '**', set: {{'*': {' + '.join(names)}}}}}"
    plan = planned(rules, isolated(nn.Linear)(2, 2))
    lines = report.explain_text(plan, "weight").splitlines()
    assert len(lines) == 12
    assert lines[1] == "  starts as 36   (mean 36, std 0)"
    assert [line for line in lines if "over" in line] == [line for line in lines if "stands later" in line]
    assert sum("over" in line for line in lines) == 4
    assert lines[-1] == "  6 more lines with --all"
    assert len(report.explain_text(plan, "weight", whole=True).splitlines()) == 17


def test_lists_and_what_has_no_value() -> None:
    rules = """
vars: {sizes: [1, two], two: 1 + 1, deep: 'get(module.depth, none + 1)', none: module.missing}
rules:
  - rule: a
    select: ''
    set: {weight: {parts: {dim: 0, sizes: sizes, each: zeros}}, bias: 'get(module.out_features, deep)'}
"""
    lines = explained(rules, isolated(nn.Linear)(2, 3), "weight").splitlines()
    assert [line.strip() for line in lines if " = " in line] == [
        "sizes = [1, two] = [1, 2]   rules.yaml:3:16",
        "two = 1 + 1 = 2   rules.yaml:3:30",
    ]
    lines = explained(rules, isolated(nn.Linear)(2, 3), "bias").splitlines()
    assert [line.strip() for line in lines if " = " in line] == [
        "deep = get(module.depth, none + 1)   rules.yaml:3:43",
        "none = module.missing   rules.yaml:3:80",
    ]
