"""One sentence where nearly all parameters are wrong in the same way, and none where that would be a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

import initrules
from support import isolated, isolation
from writing import snapshot

RULES = initrules.from_text("""initrules: 1
rules:
  - {rule: drawn, select: {type: Linear}, set: {weight: {normal: {std: 1}}, bias: zeros}}
  - {rule: norms, select: {type: LayerNorm}, set: {weight: ones, bias: zeros}}
""")
CONSTANT = initrules.from_text("initrules: 1\nrules: [{rule: all, select: '*', set: {'*': 2}}]\n")
NOT_APPLIED = (
    "the plan was not applied to this model, or the model was changed afterwards: {} parameters that can be checked "
    "are not as it has them\n"
    "  Apply it (plan.apply_(), 'verify --apply'), or look at what 'apply' wrote ('verify --weights FILE')."
)
OTHER_SEED = (
    "another seed drew this model: 5 of 5 drawn parameters fit their rules, and are not what seed 3 gives\n"
    "  Name the seed of 'apply', or none: then they are tested."
)


@isolated
def built() -> Any:
    """Five layers whose constants are not those of the rules, five norms that are."""
    return nn.Sequential(*(one for _ in range(5) for one in (nn.Linear(20, 20), nn.LayerNorm(20))))


def applied(seed: int) -> Any:
    model = built()
    initrules.apply_(model, RULES, seed=seed)
    return model


def changed(*layers: int) -> Any:
    model = applied(3)
    for layer in layers:
        model[layer].weight.data.mul_(2)
    return model


@pytest.mark.parametrize(("make", "rules", "seed", "remark"), [
    pytest.param(built, RULES, None, NOT_APPLIED.format("10 of 20"), id="what is right by chance does not hide it"),
    pytest.param(built, RULES, 3, NOT_APPLIED.format("10 of 20"), id="with a seed"),
    pytest.param(built, CONSTANT, None, NOT_APPLIED.format("20 of 20"), id="nothing is drawn"),
    pytest.param(lambda: applied(4), RULES, 3, OTHER_SEED, id="another seed"),
    pytest.param(lambda: applied(3), RULES, 3, None, id="all is well"),
    pytest.param(lambda: applied(4), RULES, None, None, id="all is well, tested"),
    pytest.param(lambda: changed(0, 2, 4, 6), RULES, 3, None, id="one layer is right"),
    pytest.param(lambda: changed(0, 2, 4, 6, 8), RULES, 3, NOT_APPLIED.format("5 of 20"), id="all weights are wrong"),
    pytest.param(lambda: built()[:2], RULES, None, None, id="few problems"),
])  # fmt: skip
def test_remark(make: Callable[[], Any], rules: initrules.RuleSet, seed: int | None, remark: str | None) -> None:
    model = make()
    before = snapshot(model)
    with isolation():
        found = initrules.verify(model, initrules.plan(model, rules), seed=seed)
    assert found.remark == remark
    assert snapshot(model) == before
