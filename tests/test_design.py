"""The contract, DESIGN §3: "Selectors" and "Several names", one row for each sentence."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initrules.errors import Problems
from initrules.planning import PlanData
from support import isolated, messages, planned, winners


class Block(nn.Module):
    def __init__(self, level: int = 0) -> None:
        super().__init__()
        self.level = level
        self.stride = (1, 2, 4)
        self.weight = nn.Parameter(torch.zeros(1))
        self.attn = nn.Linear(2, 2)
        self.mlp = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))


class Wide(Block):
    """A sub-class that sets nothing of its own."""


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.lin1 = nn.Linear(2, 2)
        self.h = nn.ModuleList([Block(0), Block(1), Wide(2)])
        self.norm = nn.LayerNorm(2)
        self.actor = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 3))


net = isolated(Net)


def claimed(select: str, model: nn.Module | None = None) -> str:
    """The owners of the weights that a selector leads to, in registration order."""
    plan = planned(f"rules: [{{rule: r, select: {select}, set: {{weight: zeros}}, optional: true}}]", model or net())
    return " ".join(path.removesuffix("weight").removesuffix(".") or "root" for path in winners(plan))


def numbers(rules: str, model: nn.Module | None = None) -> dict[str, float]:
    """The constants that a plan would write."""
    plan = planned(rules, model or net())
    assert plan.errors == ()
    return {row.path: row.value.actions[0].value for row in plan.rows if row.value}


ATTN = "h.0.attn h.1.attn h.2.attn"


@pytest.mark.parametrize(("select", "owners"), [
    pytest.param("attn", "", id="a path is anchored: a last segment alone does not do"),
    pytest.param("h.1.attn", "h.1.attn", id="a path is the whole of named_modules()"),
    pytest.param("h.*.attn", ATTN, id="star is one segment"),
    pytest.param("h.*.mlp.*", "h.0.mlp.0 h.0.mlp.2 h.1.mlp.0 h.1.mlp.2 h.2.mlp.0 h.2.mlp.2", id="split on dots"),
    pytest.param('"*"', "lin1 norm", id="star is not two segments, not none"),
    pytest.param('"l*1"', "lin1", id="star is part of a segment"),
    pytest.param("actor.**", "actor.0 actor.2", id="two stars below a module"),
    pytest.param("h.1.**", "h.1 h.1.attn h.1.mlp.0 h.1.mlp.2", id="two stars are zero segments too: h.1 itself"),
    pytest.param('"**.mlp.0"', "h.0.mlp.0 h.1.mlp.0 h.2.mlp.0", id="two stars in front"),
    pytest.param("h.**.0", "h.0 h.0.mlp.0 h.1.mlp.0 h.2.mlp.0", id="two stars in the middle"),
    pytest.param("'h.?.attn'", ATTN, id="a question mark is one character"),
    pytest.param("'h.[0-1].attn'", "h.0.attn h.1.attn", id="a character class"),
    pytest.param('"h.{0,2}.attn"', "h.0.attn h.2.attn", id="alternatives"),
    pytest.param('"h.{1..2}.attn"', "h.1.attn h.2.attn", id="a range"),
    pytest.param('"h.<layer>.attn"', ATTN, id="a capture is digits"),
    pytest.param('"<layer>"', "", id="a capture is only digits"),
    pytest.param('"lin<layer>"', "lin1", id="a capture is part of a segment"),
    pytest.param(r"'re:h\.[02]\.at+n'", "h.0.attn h.2.attn", id="re: begins a regular expression"),
    pytest.param(r"'re:h\.0'", "h.0", id="a regular expression matches in full"),
    pytest.param('""', "root", id="the root is empty text"),
    pytest.param("{name: attn}", ATTN, id="name looks at the last segment only"),
    pytest.param('{name: "a*n"}', ATTN, id="name is a pattern too"),
])  # fmt: skip
def test_path_and_name(select: str, owners: str) -> None:
    assert claimed(select) == owners


def test_a_name_is_one_segment() -> None:
    """ "the same over the last segment only": a name with dots could never be met."""
    with pytest.raises(Problems, match=r"'h\.0' has several segments, 'name' looks at the last one"):
        claimed("{name: h.0}")


@pytest.mark.parametrize(("select", "owners"), [
    pytest.param("{type: LayerNorm}", "norm", id="a class by its name"),
    pytest.param("{type: Block}", "h.0 h.1 h.2", id="sub-classes are included"),
    pytest.param('{type: "=Block"}', "h.0 h.1", id="an equals sign is exact"),
    pytest.param("{type: Module}", "", id="the MRO below nn.Module"),
    pytest.param("{type: torch.nn.LayerNorm}", "norm", id="a dotted name is qualified, as imported"),
    pytest.param("{type: torch.nn.modules.normalization.LayerNorm}", "norm", id="or as defined"),
    pytest.param("{type: other.LayerNorm}", "", id="the module counts in a dotted name"),
    pytest.param('{type: "*Norm*"}', "norm", id="globs are allowed"),
    pytest.param('{type: "torch.**.LayerNorm"}', "norm", id="globs over dotted names"),
    pytest.param("{type: [Wide, LayerNorm]}", "h.2 norm", id="a list means any of"),
    pytest.param("{type: Linear, path: h.**, name: attn}", ATTN, id="all keys must hold"),
    pytest.param("{type: Linear, name: norm}", "", id="one key that does not hold"),
    pytest.param("{path: [lin1, norm]}", "lin1 norm", id="a list of paths means any of"),
    pytest.param("[lin1, {type: LayerNorm}]", "lin1 norm", id="a list of selectors means any of"),
    pytest.param("{type: Linear, parent: actor}", "actor.0 actor.2", id="a string in parent is a path"),
    pytest.param("{type: Linear, parent: {type: Block}}", ATTN, id="parent is a selector: grandparents do not count"),
    pytest.param("{type: Linear, inside: h.1}", "h.1.attn h.1.mlp.0 h.1.mlp.2", id="inside: any ancestor"),
    pytest.param("{inside: h.0.attn}", "h.0.attn", id="inside: the module itself"),
    pytest.param("{next: {type: ReLU}}", "h.0.mlp.0 h.1.mlp.0 h.2.mlp.0", id="next registered sibling"),
    pytest.param("{type: Linear, next: h.0.mlp.1}", "h.0.mlp.0", id="a string in next is a path"),
    pytest.param("{type: LayerNorm, next: {type: Sequential}}", "norm", id="next looks past the children"),
    pytest.param('{inside: h.0, not: "**.mlp.*"}', "h.0 h.0.attn", id="not: must not be met; a string is a path"),
    pytest.param("{type: [LayerNorm, Block], not: {type: Wide}}", "h.0 h.1 norm", id="not is a selector"),
    pytest.param("{type: [LayerNorm, Block], not: [{type: Wide}, h.0]}", "h.1 norm", id="a list in not: any excludes"),
])  # fmt: skip
def test_other_keys(select: str, owners: str) -> None:
    assert claimed(select) == owners


@pytest.mark.parametrize(("pick", "owners"), [
    pytest.param("first", "h.0.mlp.0 h.1.mlp.0 h.2.mlp.0 actor.0", id="first, per direct parent"),
    pytest.param("last", "h.0.mlp.2 h.1.mlp.2 h.2.mlp.2 actor.2", id="last"),
    pytest.param("all-but-first", "h.0.mlp.2 h.1.mlp.2 h.2.mlp.2 actor.2", id="all but first"),
    pytest.param("all-but-last", "h.0.mlp.0 h.1.mlp.0 h.2.mlp.0 actor.0", id="all but last"),
    pytest.param("1", "h.0.mlp.2 h.1.mlp.2 h.2.mlp.2 actor.2", id="numbers count from 0"),
    pytest.param("-2", "h.0.mlp.0 h.1.mlp.0 h.2.mlp.0 actor.0", id="negative numbers count from the end"),
    pytest.param("2", "", id="a number out of range is nobody"),
    pytest.param("-3", "", id="a negative number out of range is nobody"),
    pytest.param("[0, 1]", "h.0.mlp.0 h.0.mlp.2 h.1.mlp.0 h.1.mlp.2 h.2.mlp.0 h.2.mlp.2 actor.0 actor.2", id="any of"),
])  # fmt: skip
def test_pick_counts_per_direct_parent(pick: str, owners: str) -> None:
    assert claimed(f"{{type: Linear, parent: {{type: Sequential}}, pick: {pick}}}") == owners


@pytest.mark.parametrize(("select", "owners"), [
    pytest.param("{type: Linear, inside: {type: Block}, pick: last}", "h.0.mlp.2 h.1.mlp.2 h.2.mlp.2",
                 id="per nearest module met by inside"),
    pytest.param("{type: Linear, inside: h, pick: first}", "h.0.attn", id="one group when inside is met once"),
    pytest.param("{type: Linear, inside: [h, h.1], pick: first}", "h.0.attn h.1.attn", id="the nearest one counts"),
    pytest.param("{type: Linear, inside: h.0, not: h.0.attn, pick: first}", "h.0.mlp.0", id="of those selected so far"),
    pytest.param("{type: Linear, inside: {type: Block, pick: last}}", "h.2.attn h.2.mlp.0 h.2.mlp.2",
                 id="pick stands in nested selectors too"),
    pytest.param("{type: Linear, inside: h.0, pick: first, where: module.out_features == 4}", "",
                 id="where is asked after pick: the first is not the one with 4 outputs"),
])  # fmt: skip
def test_pick_inside(select: str, owners: str) -> None:
    assert claimed(select) == owners


def test_inside_reads_the_nearest_module() -> None:
    """`inside`: "the nearest one counts", and its attributes are what `inside.` reads."""
    rule = "rules: [{rule: r, select: {name: attn, inside: [h, {type: Block}]}, set: {weight: inside.level}}]"
    assert numbers(rule) == {"h.0.attn.weight": 0, "h.1.attn.weight": 1, "h.2.attn.weight": 2}


@pytest.mark.parametrize(("select", "value"), [
    pytest.param('"h.<layer>.attn"', "layer * 10", id="a path binds numbers"),
    pytest.param(r'"re:h\\.(?P<layer>[0-9]+)\\.attn"', "layer * 10", id="named groups of a regular expression"),
    pytest.param('{name: attn, parent: "h.<layer>"}', "layer * 10", id="a nested selector binds too"),
    pytest.param('{name: attn, inside: "h.<layer>"}', "layer * 10", id="so does inside"),
    pytest.param("{name: attn, parent: {type: Block}}", "parent.level * 10", id="parent is the direct parent"),
])  # fmt: skip
def test_captures_are_numbers_in_expressions(select: str, value: str) -> None:
    found = numbers(f"rules: [{{rule: r, select: {select}, set: {{weight: '{value}'}}}}]")
    assert found == {"h.0.attn.weight": 0, "h.1.attn.weight": 10, "h.2.attn.weight": 20}


@pytest.mark.parametrize(("where", "names"), [
    pytest.param("ndim == 2", {"lin1.weight"}, id="asked once per parameter, not per module"),
    pytest.param("numel > 0", {"lin1.weight", "lin1.bias"}, id="true for both"),
    pytest.param("switch", {"lin1.weight", "lin1.bias"}, id="a lone variable is a switch"),
    pytest.param("not switch", set(), id="a switch that is off, with optional"),
    pytest.param("['numel > 99', 'ndim == 1']", {"lin1.bias"}, id="a list means any of"),
])  # fmt: skip
def test_where(where: str, names: set[str]) -> None:
    head = "vars: {switch: true}\nrules: [{rule: r, optional: true, select: {path: lin1, where: "
    assert winners(planned(f'{head}{where}}}, set: {{"*": zeros}}}}]', net())).keys() == names


@pytest.mark.parametrize(("key", "value"), [pytest.param("where", "numel > 1", id="where"),
                                            pytest.param("frozen", "true", id="frozen")])  # fmt: skip
def test_not_in_nested_selectors(key: str, value: str) -> None:
    """ "not in nested selectors": refused there, with the way out."""
    with pytest.raises(Problems) as caught:
        claimed(f"{{inside: {{type: Block, {key}: {value}}}}}")
    assert "the rule's own 'select'." in str(caught.value)


def frozen_net() -> nn.Module:
    model = net()
    model.lin1.requires_grad_(False)
    return model


def test_frozen() -> None:
    """ "`true`: requires_grad=False too. Without it no rule claims them, and one finding counts them"."""
    assert claimed("{path: lin1, frozen: true}", frozen_net()) == "lin1"
    plan = planned("rules: [{rule: r, select: {type: Linear}, set: {weight: zeros}}]", frozen_net())
    assert "lin1.weight" not in winners(plan)
    assert "actor.0.weight" in winners(plan)
    assert "\n".join(messages(plan, "frozen")) == (
        "2 frozen parameters passed over: 'lin1.weight', 'lin1.bias'\n"
        "  A selector with 'frozen: true' claims parameters with requires_grad=False too."
    )


@pytest.mark.parametrize(("select", "hint"), [
    pytest.param("LayerNorm", "'LayerNorm' fits a class, not a path: write {type: LayerNorm}.", id="a class name"),
    pytest.param('"*Norm"', "'*Norm' fits a class, not a path: write {type: \"*Norm\"}.", id="a glob over classes"),
    pytest.param("{type: Linear, inside: Block}",
                 "'inside' meets nothing. 'Block' fits a class, not a path: write {type: Block}.", id="nested"),
])  # fmt: skip
def test_a_string_that_fits_only_a_type(select: str, hint: str) -> None:
    plan = planned(f"rules: [{{rule: r, select: {select}, set: {{weight: zeros}}}}]", net())
    (found,) = (one for one in plan.errors if one.code == "claims-nothing")
    assert found.hint == f"{hint} If that is right for some models, add 'optional: true'."


# --- Several names ---------------------------------------------------------------------------------


class Shared(nn.Module):
    """One encoder under two owners, and one matrix that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        encoder = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.actor = nn.ModuleDict({"encoder": encoder, "out": nn.Linear(2, 2)})
        self.critic = nn.ModuleDict({"encoder": encoder, "out": nn.Linear(2, 2)})
        self.table = nn.Embedding(4, 2)
        self.head = nn.Linear(2, 4, bias=False)
        self.head.weight = self.table.weight


shared = isolated(Shared)


def names_of(plan: PlanData, path: str) -> list[str]:
    row = plan.row(path)
    assert row is not None
    return [name.path for name in row.parameter.names]


def test_one_target_with_all_its_names() -> None:
    """ "A module or parameter reachable by several paths is one target"; the first name is canonical."""
    plan = planned("", shared())
    assert names_of(plan, "critic.encoder.0.weight") == ["actor.encoder.0.weight", "critic.encoder.0.weight"]
    assert names_of(plan, "head.weight") == ["table.weight", "head.weight"]
    assert [row.path for row in plan.rows].count("actor.encoder.0.weight") == 1


@pytest.mark.parametrize(("select", "owners"), [
    pytest.param("actor.encoder.0", "actor.encoder.0", id="met by its first name"),
    pytest.param("critic.encoder.0", "actor.encoder.0", id="met by one of its names is enough"),
    pytest.param("{type: Linear, inside: critic}", "actor.encoder.0 critic.out", id="asked once per name: inside"),
    pytest.param("{path: actor.**, inside: critic}", "", id="asked once per name: all keys of one name"),
    pytest.param("{type: Linear, inside: actor, not: critic.**}", "actor.out", id="not excludes if any name is met"),
    pytest.param("{type: [Linear, Embedding], not: head}", "actor.encoder.0 actor.out critic.out",
                 id="not excludes a tied tensor by either owner"),
    pytest.param("{path: head, not: table}", "", id="a tied tensor, the other way round"),
    pytest.param("[head, {path: table, not: head}]", "table", id="not belongs to its own selector of the list"),
    pytest.param("head", "table", id="a tied tensor is met by its second owner"),
])  # fmt: skip
def test_several_names(select: str, owners: str) -> None:
    assert claimed(select, shared()) == owners


def repeated() -> nn.Module:
    """``body.2`` is ``body.0`` again."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    return nn.ModuleDict({"body": nn.Sequential(first, second, first)})


@pytest.mark.parametrize(
    ("pick", "owners"),
    [
        pytest.param("last", "body.0", id="the last is an alias of the first"),
        pytest.param("all-but-last", "body.0 body.1", id="all but the alias"),
        pytest.param("2", "body.0", id="numbers count aliases"),
    ],
)
def test_pick_counts_aliases(pick: str, owners: str) -> None:
    """ "`pick` counts in the order under that parent, aliases included"."""
    assert claimed(f"{{type: Linear, pick: {pick}}}", isolated(repeated)()) == owners


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.Linear(2, 2)
        self.t3 = Block(3)
        self.t3.attn = layer
        self.t7 = Wide(7)
        self.t7.attn = layer


@pytest.mark.parametrize(("select", "value", "number"), [
    pytest.param('"t<n>.attn"', "n", 3, id="captures of the first name"),
    pytest.param('["t7.**", "t<n>.attn"]', "7", 7, id="another selector of the list"),
    pytest.param('{path: "t<n>.attn", parent: {type: Wide}}', "n", 7, id="the first met, not the first of all"),
    pytest.param("{name: attn, parent: {type: Block}}", "parent.level", 3, id="parent"),
    pytest.param("{name: attn, inside: {type: Wide}}", "inside.level", 7, id="inside"),
    pytest.param("{name: attn, inside: {type: Wide}}", "parent.level", 7, id="parent of the name that was met"),
    pytest.param("{name: attn, parent: t7, where: parent.level == 7}", "7", 7, id="where reads that name too"),
])  # fmt: skip
def test_what_a_claim_reads_belongs_to_the_first_name_that_was_met(select: str, value: str, number: int) -> None:
    rules = f"rules: [{{rule: r, select: {select}, set: {{weight: {value}}}}}]"
    assert numbers(rules, isolated(Towers)())["t3.attn.weight"] == number


def test_fans_belong_to_the_first_name_that_was_met() -> None:
    """Fans, too: one tensor as a convolution (out, in, 1) and as a transposed one (in, out, 1)."""

    def build() -> nn.Module:
        model = nn.ModuleDict({"conv": nn.Conv1d(2, 6, 1, bias=False), "back": nn.ConvTranspose1d(6, 2, 1, bias=False)})
        model["back"].weight = model["conv"].weight
        return model

    for owner, fan_in in (("conv", 2), ("back", 6)):
        plan = planned(f"rules: [{{rule: r, select: {owner}, set: {{weight: fan_in}}}}]", isolated(build)())
        row = plan.row("conv.weight")
        assert row is not None
        assert row.value is not None
        assert (row.value.actions[0].value, row.target.fans()[0]) == (fan_in, fan_in)


def test_the_first_name_in_registration_order_is_canonical() -> None:
    """ "so putting another owner in front changes it"."""
    model = isolated(Towers)()
    in_front = nn.ModuleDict({"new": model.t7, "old": model})
    assert planned("", model).rows[1].path == "t3.attn.weight"
    assert "new.attn.weight" in [row.path for row in planned("", in_front).rows]
