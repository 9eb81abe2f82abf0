"""The cascade: laws over random rule sets and models, and claims in the small."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from torch import nn

from initrules import planning, ruleset
from initrules.cascade import Precedence, Tier
from initrules.inventory import Inventory
from initrules.planning import PlanData
from initrules.survey import survey
from random_models import Leaf, RandomRule, models, naive_winners, rule_sets, texts
from support import isolated, planned, winners


def plan_of(folder: Path, rules: tuple[RandomRule, ...], inventory: Inventory, *, backwards: bool = False) -> PlanData:
    """Plan by two files, the second extends the first."""
    base, overlay = texts(rules, backwards=backwards)
    (folder / "base.yaml").write_text(f"initrules: 1\n{base}", encoding="utf-8")
    (folder / "top.yaml").write_text(f"initrules: 1\nextends: base.yaml\n{overlay}", encoding="utf-8")
    return planning.make(ruleset.load(folder / "top.yaml"), inventory)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


@settings(max_examples=120, deadline=None)
@given(rules=rule_sets(), model=models())
def test_cascade_equals_the_naive_definition(folder: Path, rules: tuple[RandomRule, ...], model: nn.Module) -> None:
    """ "a locked rule beats `rules`, `rules` beat `defaults`; inside one tier the last one wins"."""
    assert winners(plan_of(folder, rules, survey(model))) == naive_winners(rules, model)


@settings(max_examples=60, deadline=None)
@given(rules=rule_sets(picks=False), model=models())
def test_an_unrelated_layer_changes_no_other_row(folder: Path, rules: tuple[RandomRule, ...], model: nn.Module) -> None:
    """`pick` is left out: a new last child of the root is rightly the last."""
    before = plan_of(folder, rules, survey(model))
    model.add_module("unrelated", Leaf())
    after = {row.path: row for row in plan_of(folder, rules, survey(model)).rows}
    assert set(after) == {row.path for row in before.rows} | {"unrelated.weight", "unrelated.bias"}
    for row in before.rows:
        assert row.decisions == after[row.path].decisions


@settings(max_examples=60, deadline=None)
@given(rules=rule_sets(), model=models())
def test_a_plan_does_not_depend_on_the_order_of_keys(
    folder: Path, rules: tuple[RandomRule, ...], model: nn.Module
) -> None:
    forwards = plan_of(folder, rules, survey(model))
    backwards = plan_of(folder, rules, survey(model), backwards=True)
    assert winners(forwards) == winners(backwards)
    assert forwards.fingerprint() == backwards.fingerprint()
    assert sorted(one.code for one in forwards.findings) == sorted(one.code for one in backwards.findings)


def test_a_lock_is_the_largest_key() -> None:
    """ "The cascade is one sort key and a `max`"."""
    keys = [Precedence(Tier.LOCK, 0), Precedence(Tier.RULE, 9), Precedence(Tier.RULE, 1), Precedence(Tier.DEFAULT, 99)]
    assert sorted(keys, reverse=True) == keys


@isolated
def tied_locals() -> nn.Module:
    """One tensor, ``one.weight`` and ``two.kernel``."""
    one, two = nn.Linear(2, 2), nn.Identity()
    two.kernel = one.weight
    return nn.ModuleDict({"one": one, "two": two})


@pytest.mark.parametrize(("keys", "names"), [
    pytest.param("{kernel: ones}", ["two.kernel"], id="a key is matched under every name"),
    pytest.param("{weight: ones}", ["one.weight"], id="the other name"),
    pytest.param("{'*': ones}", ["one.weight", "two.kernel"], id="a glob over both"),
    pytest.param("{'*': zeros, kernel: ones}", ["two.kernel"], id="a literal key of another name beats a glob"),
    pytest.param("{weight: ones, kernel: 1}", None, id="two keys, two ways to write it"),
    pytest.param("{weight: ones, kernel: ones}", ["one.weight"], id="two keys, one value: the first name"),
])  # fmt: skip
def test_keys_of_a_tied_tensor(keys: str, names: list[str] | None) -> None:
    plan = planned(f"rules: [{{rule: r, select: '*', set: {keys}}}]", tied_locals())
    errors = [(one.code, one.message, one.hint) for one in plan.errors]
    if names is None:
        message = "the keys 'weight' and 'kernel' of rule 'r' both meet 'one.weight'"
        assert errors == [("ambiguous-key", message, "It is one tensor under several names: give it one value.")]
    else:
        row = plan.row("one.weight")
        assert row is not None
        assert row.value is not None
        assert (errors, row.value.actions[0].name) == ([], "ones")


@pytest.mark.parametrize(("select", "won"), [
    pytest.param("[{path: '0', where: numel < 0}, '0']", ["0.weight"], id="where of one selector, not of the other"),
    pytest.param("[{path: '0', where: numel < 0}, {path: '*', where: numel > 0}]", ["0.weight", "1.weight"],
                 id="each selector has its own where"),
    pytest.param("['1', {path: '1', not: '1'}]", ["1.weight"], id="each selector has its own not"),
])  # fmt: skip
def test_a_list_of_selectors_means_any_of(select: str, won: list[str]) -> None:
    model = isolated(lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))()
    plan = planned(f"rules: [{{rule: r, select: {select}, set: {{weight: ones}}}}]", model)
    assert list(winners(plan)) == won


def test_frozen_of_one_selector_of_a_list() -> None:
    model = isolated(lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).requires_grad_(False))()
    plan = planned("rules: [{rule: r, select: ['*', {path: '0', frozen: true}], set: {weight: ones}}]", model)
    assert list(winners(plan)) == ["0.weight"]
    (found,) = (one for one in plan.findings if one.code == "frozen")
    assert found.parameters == ("0.bias", "1.weight", "1.bias")
