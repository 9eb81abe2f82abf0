"""The contract, DESIGN §3: "Claims and the cascade" and its list of findings, one row for each sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from initrules.errors import Problems
from initrules.planning import PlanData
from support import isolated, messages, planned, planned_files, winners


@isolated
def net() -> nn.Module:
    """Two layers ``0`` and ``1``, each with weight and bias, and a norm with buffers."""
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2), nn.BatchNorm1d(2))


@isolated
def tied() -> nn.Module:
    model = nn.ModuleDict({"table": nn.Embedding(4, 2), "head": nn.Linear(2, 4, bias=False)})
    model["head"].weight = model["table"].weight
    return model


def rule(name: str, select: str, values: str, more: str = "") -> str:
    return f"  - {{rule: {name}, select: {select}, {values}{', ' if more else ''}{more}}}\n"


def codes(plan: PlanData) -> list[str]:
    """The findings but those about who is not claimed, who overlaps, and what zeros do to training."""
    return [one.code for one in plan.findings if one.code not in NOT_ASKED]


NOT_ASKED = {"unclaimed", "contested", "zero-layer", "zero-norm"}


ALL = rule("all", "{type: Linear}", "set: {weight: ones}")
LAST = rule("last", "'1'", "set: {weight: zeros}")


@pytest.mark.parametrize(("rules", "first", "second", "found"), [
    pytest.param(f"rules:\n{ALL}{LAST}", "all", "last", [], id="general, then special: the last one wins"),
    pytest.param(f"rules:\n{LAST}{ALL}", "all", "all", ["dead-rule"], id="special, then general: a dead rule"),
    pytest.param(f"rules:\n{ALL}defaults:\n{LAST}", "all", "all", ["dead-default"], id="rules beat defaults, wherever"),
    pytest.param(f"defaults:\n{ALL}rules:\n{LAST}", "all", "last", [], id="defaults fill what rules leave"),
    pytest.param(f"defaults:\n{ALL}{LAST}", "all", "last", [], id="the last default wins among defaults"),
    pytest.param("rules:\n" + rule("last", "'1'", "set: {weight: zeros}", "lock: true") + ALL, "all", "last", [],
                 id="a lock beats rules per parameter, others go on"),
    pytest.param("rules:\n" + rule("last", "'1'", "set: {weight: keep}") + ALL, "all", "all", ["dead-rule"],
                 id="keep loses like any value"),
    pytest.param(f"rules:\n{ALL}" + rule("last", "'1'", "set: {weight: keep}"), "all", "last", [],
                 id="keep wins like any value"),
    pytest.param("rules:\n" + rule("last", "'1'", "set: {weight: keep}", "lock: true") + ALL, "all", "last", [],
                 id="keep locks like any value"),
    pytest.param("rules:\n" + rule("last", "'1'", "set: {weight: zeros}", "lock: true, optional: true")
                 + rule("all", "{type: Linear}", "set: {weight: 0}", "lock: true"), "all", "all", ["dead-rule"],
                 id="locks of equal value agree; the earlier one decides nothing"),
])  # fmt: skip
def test_precedence(rules: str, first: str, second: str, found: list[str]) -> None:
    plan = planned(rules, net())
    assert (winners(plan)["0.weight"], winners(plan)["1.weight"], codes(plan)) == (first, second, found)


BASE_RULE, BASE_DEFAULT = f"rules:\n{ALL}", f"defaults:\n{ALL}"
BASE_LOCK = "rules:\n" + rule("all", "{type: Linear}", "set: {weight: ones}", "lock: true")


@pytest.mark.parametrize(("base", "overlay", "second", "found"), [
    pytest.param(BASE_RULE, f"rules:\n{LAST}", "last", [], id="base files before the file that extends them"),
    pytest.param(f"rules:\n{LAST}", BASE_RULE, "all", ["overridden-rule"], id="a base rule made dead by an overlay"),
    pytest.param(BASE_RULE, f"defaults:\n{LAST}", "all", ["dead-default"], id="a base rule beats an overlay's default"),
    pytest.param(BASE_DEFAULT, f"defaults:\n{LAST}", "last", [], id="an overlay's default beats a base default"),
    pytest.param(BASE_DEFAULT, f"rules:\n{LAST}", "last", [], id="a rule beats a base default"),
    pytest.param(f"defaults:\n{LAST}", BASE_RULE, "all", ["dead-default"], id="a dead base default is information"),
    pytest.param(BASE_LOCK, f"rules:\n{LAST}", "all", ["overridden-rule"], id="a base lock beats an overlay's rule"),
    pytest.param(BASE_LOCK, f"unlock: [all]\nrules:\n{LAST}", "last", [], id="unlock: a plain rule in its place"),
    pytest.param(f"{BASE_LOCK}{LAST}", "unlock: [all]", "last", [], id="in its place: above what stood below it"),
    pytest.param(BASE_RULE, f"remove: [all]\nrules:\n{LAST}", "last", [], id="remove drops an inherited rule"),
    pytest.param(BASE_DEFAULT, f"remove: [all]\nrules:\n{LAST}", "last", [], id="remove drops an inherited default"),
    pytest.param(f"rules:\n{ALL}{LAST}", f"remove: [all]\nrules:\n{ALL}", "all", ["overridden-rule"],
                 id="a removed name may come again, at its new place"),
])  # fmt: skip
def test_two_files(tmp_path: Path, base: str, overlay: str, second: str, found: list[str]) -> None:
    plan = planned_files(tmp_path, net(), base=base, overlay=f"extends: base.yaml\n{overlay}")
    assert (winners(plan).get("1.weight"), codes(plan)) == (second, found)


def test_each_file_once_left_to_right(tmp_path: Path) -> None:
    """ "`extends` is read left to right, each file once, base before overlay"."""
    files = {
        "base": f"rules:\n{ALL}",
        "left": "extends: base.yaml\nrules:\n" + rule("left", "'0'", "set: {weight: 1}"),
        "right": "extends: base.yaml\nrules:\n" + rule("right", "{type: Linear}", "set: {weight: 2}"),
        "top": "extends: [left.yaml, right.yaml]",
    }
    plan = planned_files(tmp_path, net(), **files)
    assert winners(plan) == {"0.weight": "right", "1.weight": "right"}
    assert [tally.rule for tally in plan.tallies] == ["all", "left", "right"]


def test_the_winner_gives_its_whole_value() -> None:
    """ "nothing is merged": the std of the loser does not fill in for the winner."""
    plan = planned(
        "rules:\n"
        + rule("wide", "'0'", "set: {weight: {normal: {mean: 3, std: 2}}}")
        + rule("all", "{type: Linear}", "set: {weight: {normal: {std: 1}}}"),
        net(),
    )
    row = plan.row("0.weight")
    assert row is not None
    assert row.moments == (0.0, 1.0)


@pytest.mark.parametrize(("block", "prop"), [
    pytest.param("set: {{weight: {}}}", "set", id="set"),
    pytest.param("parametrize: {{weight: {}}}", "parametrize", id="parametrize"),
    pytest.param("optimize: {{weight: {{lr_scale: {}}}}}", "lr_scale", id="an option of optimize"),
])  # fmt: skip
@pytest.mark.parametrize(("order", "winner"), [
    pytest.param("other keep", "keep", id="wins"),
    pytest.param("keep other", "other", id="loses"),
    pytest.param("locked other", "locked", id="locks"),
])  # fmt: skip
def test_keep_is_a_value_in_all_three_blocks(block: str, prop: str, order: str, winner: str) -> None:
    value = {"set": "ones", "parametrize": "weight_norm", "lr_scale": "0.5"}[prop]
    lines = {
        "other": rule("other", "{type: Linear}", block.format(value)),
        "keep": rule("keep", "{type: Linear}", block.format("keep")),
        "locked": rule("locked", "{type: Linear}", block.format("keep"), "lock: true"),
    }
    plan = planned("rules:\n" + "".join(lines[name] for name in order.split()), net())
    row = plan.row("1.weight")
    assert row is not None
    decision = row.decisions[prop]
    assert (decision.rule, decision.writes) == (winner, winner == "other")


def test_each_property_is_decided_by_itself() -> None:
    """ "A rule *claims* a parameter, for one property": `set`, `parametrize`, each option of `optimize`."""
    plan = planned(
        "rules:\n"
        + rule("one", "'0'", "set: {weight: ones}, parametrize: {weight: weight_norm}, "
                             "optimize: {weight: {lr_scale: 2, weight_decay: 1}}")
        + rule("two", "'0'", "set: {weight: zeros}, optimize: {'*': {lr_scale: 3}}")
        + rule("three", "'0'", "parametrize: {weight: keep}"),
        net(),
    )  # fmt: skip
    row = plan.row("0.weight")
    assert row is not None
    rules = {prop: decision.rule for prop, decision in row.decisions.items()}
    assert rules == {"set": "two", "parametrize": "three", "lr_scale": "two", "weight_decay": "one"}


@pytest.mark.parametrize(("keys", "values"), [
    pytest.param('{weight: 1, "*": 2}', {"0.weight": 1, "0.bias": 2}, id="a literal key beats a glob key"),
    pytest.param('{"*": 2, weight: 1}', {"0.weight": 1, "0.bias": 2}, id="in any order"),
    pytest.param("{weight: 1}", {"0.weight": 1}, id="a rule claims only what it names"),
    pytest.param('{"w*": 1, "b*": 2}', {"0.weight": 1, "0.bias": 2}, id="globs that do not meet"),
    pytest.param('{"re:w.*": 1}', {"0.weight": 1}, id="a regular expression"),
])  # fmt: skip
def test_keys(keys: str, values: dict[str, int]) -> None:
    plan = planned("rules:\n" + rule("r", "'0'", f"set: {keys}"), net())
    assert {row.path: row.value.actions[0].value for row in plan.rows if row.value} == values
    assert codes(plan) == []


def test_two_glob_keys_that_meet_one_parameter_are_an_error() -> None:
    plan = planned("rules:\n" + rule("r", "{type: Linear}", 'set: {"*": ones, "w*": ones, bias: zeros}'), net())
    assert "\n".join(messages(plan, "ambiguous-key")) == (
        "rules.yaml:3:56: the keys '*' and 'w*' of rule 'r' both meet '0.weight', '1.weight'\n"
        '    - {rule: r, select: {type: Linear}, set: {"*": ones, "w*": ones, bias: zeros}}\n'
        "                                                         ^^^^\n"
        "  Name the parameter itself in one key, or make the patterns disjoint."
    )


@pytest.mark.parametrize(("key", "claimed"), [
    pytest.param("running_mean", ["2.running_mean"], id="a literal key claims a buffer"),
    pytest.param('"*"', ["2.weight", "2.bias"], id="a glob key does not"),
    pytest.param('"re:running_mean"', [], id="nor a regular expression"),
    pytest.param('"<n>"', [], id="nor a capture"),
])  # fmt: skip
def test_buffers_are_claimed_by_literal_key_only(key: str, claimed: list[str]) -> None:
    plan = planned("rules:\n" + rule("r", "{type: BatchNorm1d}", f"set: {{{key}: ones}}", "optional: true"), net())
    assert list(winners(plan)) == claimed


def test_two_glob_keys_that_meet_a_buffer_are_none() -> None:
    """A glob never claims a buffer, so two of them cannot both claim it."""
    keys = '{"w*": ones, "b*": ones, "running_*": 1, "*_mean": 2}'
    plan = planned("rules:\n" + rule("r", "{type: BatchNorm1d}", f"set: {keys}"), net())
    assert (list(winners(plan)), codes(plan)) == (["2.weight", "2.bias"], ["unmet-key", "unmet-key"])


@pytest.mark.parametrize(("one", "other", "agree"), [
    pytest.param("zeros", "ones", False, id="different values"),
    pytest.param("zeros", "0", True, id="zero in two spellings"),
    pytest.param("{constant: 2}", "sqrt(4)", True, id="evaluated values are compared"),
    pytest.param("{orthogonal: {gain: sqrt(2)}}", "{orthogonal: {gain: 1.4142135623730951}}", True, id="arguments"),
    pytest.param("orthogonal", "{orthogonal: {gain: 1}}", True, id="a default, written out"),
    pytest.param("orthogonal", "{orthogonal: {gain: 2}}", False, id="different arguments"),
    pytest.param("kaiming_normal", "he_normal", True, id="two names of one action"),
    pytest.param("keep", "zeros", False, id="keep against a value"),
    pytest.param("keep", "keep", True, id="keep twice"),
    pytest.param("{normal: {std: 1}}", "{uniform: {bound: sqrt(3)}}", False, id="equal std, other distribution"),
    pytest.param("module.in_features", "fan_in", True, id="two expressions of one value"),
])  # fmt: skip
def test_two_locks_whose_evaluated_values_differ_are_an_error(one: str, other: str, agree: bool) -> None:
    first = rule("one", "[0, {type: BatchNorm1d}]".replace("0", "'0'"), f"set: {{weight: {one}}}", "lock: true")
    second = rule("other", "{type: Linear}", f"set: {{weight: {other}}}", "lock: true")
    found = [code for code in codes(planned(f"rules:\n{first}{second}", net())) if code != "value"]
    assert found == ([] if agree else ["locks-disagree"])


def test_the_locks_that_disagree_are_named_once_for_all_parameters() -> None:
    locks = rule("one", "{type: Linear}", "set: {weight: ones, bias: ones}", "lock: true")
    locks += rule("two", "{type: Linear}", "set: {weight: zeros, bias: ones}", "lock: true")
    (found,) = messages(planned(f"rules:\n{locks}", net()), "locks-disagree")
    assert found == (
        "rules.yaml:4:55: the locked rules 'one' and 'two' disagree about '0.weight', '1.weight': ones against zeros\n"
        "    - {rule: two, select: {type: Linear}, set: {weight: zeros, bias: ones}, lock: true}\n"
        "                                                        ^^^^^\n"
        "  The other stands at rules.yaml:3:55; unlock one, or make their selectors disjoint."
    )


@pytest.mark.parametrize(("key", "one", "other", "agree"), [
    pytest.param("weight", "1 / count('zz')", "1 / count('zz')", True, id="no value: compared as written"),
    pytest.param("weight", "1 / count('zz')", "ones", False, id="no value against a value"),
    pytest.param("bias", "orthogonal", "orthogonal", True, id="what the parameter cannot take"),
    pytest.param("bias", "orthogonal", "{orthogonal: {gain: 2}}", False, id="and another that it cannot take"),
])  # fmt: skip
def test_locks_whose_values_cannot_be(key: str, one: str, other: str, agree: bool) -> None:
    """The value is an error of its own; the locks are compared all the same."""
    rules = rule("one", "['0', '2']", f"set: {{{key}: {one}}}", "lock: true")
    rules += rule("two", "'0'", f"set: {{{key}: {other}}}", "lock: true")
    assert ("locks-disagree" not in codes(planned("rules:\n" + rules, net()))) is agree


def test_locks_on_a_lazy_parameter() -> None:
    locks = rule("one", "''", "set: {weight: zeros}", "lock: true") + rule(
        "two", "''", "set: {'*': ones}", "lock: true"
    )
    model = isolated(lambda: nn.LazyLinear(2))()
    assert "locks-disagree" in codes(planned(f"rules:\n{locks}", model))


@isolated
def two_ways() -> nn.Module:
    """One tensor as a convolution (out, in, 1) and as a transposed one (in, out, 1)."""
    model = nn.ModuleDict({"conv": nn.Conv1d(2, 6, 1, bias=False), "back": nn.ConvTranspose1d(6, 2, 1, bias=False)})
    model["back"].weight = model["conv"].weight
    return model


@pytest.mark.parametrize(("value", "agree"), [
    pytest.param("{normal: {std: 1}}", True, id="a value that reads nothing"),
    pytest.param("ones", True, id="a constant"),
    pytest.param("kaiming_normal", False, id="other fans"),
    pytest.param("reset", False, id="other reset methods"),
])  # fmt: skip
def test_equal_locks_by_different_names(value: str, agree: bool) -> None:
    """One action on one tensor by two names: what it reads may differ, and then the values do."""
    locks = "".join(rule(name, name, f"set: {{weight: {value}}}", "lock: true") for name in ("conv", "back"))
    found = codes(planned("rules:\n" + locks, two_ways()))
    assert ("locks-disagree" not in found) is agree


def test_lock_stands_only_in_rules() -> None:
    with pytest.raises(Problems, match="Only an entry of 'rules' can be locked"):
        planned("defaults:\n" + rule("d", "'0'", "set: {weight: ones}", "lock: true"), net())


@pytest.mark.parametrize(("first", "second", "more", "warned"), [
    pytest.param("rules", "rules", "", ["alias-disagreement"], id="two rules"),
    pytest.param("defaults", "defaults", "", ["alias-disagreement"], id="two defaults"),
    pytest.param("defaults", "rules", "", [], id="a default is weaker on purpose"),
    pytest.param("rules", "rules", "lock: true", ["alias-disagreement"], id="one of them locked"),
])  # fmt: skip
def test_alias_disagreement(first: str, second: str, more: str, warned: list[str]) -> None:
    """ "Rules that disagree only because of an alias are a warning that names both"."""
    one = rule("one", "table", "set: {weight: {normal: {std: 1}}}, optimize: {weight: {lr_scale: 1}}")
    two = rule("two", "head", "set: {weight: {normal: {std: 2}}}", more)
    text = f"{first}:\n{one}{two}" if first == second else f"{first}:\n{one}{second}:\n{two}"
    assert codes(planned(text, tied())) == warned


def test_alias_disagreement_names_both() -> None:
    rules = rule("one", "table", "set: {weight: ones}, optimize: {weight: {lr_scale: 1}}")
    rules += rule("two", "head", "set: {weight: zeros}")
    assert "\n".join(messages(planned(f"rules:\n{rules}", tied()), "alias-disagreement")) == (
        "rules.yaml:4:45: the rules 'one' and 'two' meet one tensor by different names, 'table.weight' and "
        "'head.weight', and want different values; 'two' wins\n"
        "    - {rule: two, select: head, set: {weight: zeros}}\n"
        "                                              ^^^^^\n"
        "  Exclude one of the names with 'not'; the other value stands at rules.yaml:3:46."
    )


@pytest.mark.parametrize("second", [
    pytest.param(rule("two", "head", "set: {weight: 1}"), id="equal values are no disagreement"),
    pytest.param(rule("two", "'**'", "set: {weight: zeros}"), id="a rule that meets both names"),
])  # fmt: skip
def test_no_alias_disagreement(second: str) -> None:
    one = rule("one", "table", "set: {weight: ones}, optimize: {weight: {lr_scale: 1}}")
    assert "alias-disagreement" not in codes(planned(f"rules:\n{one}{second}", tied()))
