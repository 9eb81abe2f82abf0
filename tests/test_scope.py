"""What names in expressions mean for a parameter."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from initrules.planning import PlanData
from support import isolated, planned


class Config:
    def __init__(self) -> None:
        self.width = 3


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.config = Config()
        self.depth = 2
        self.scale = nn.Parameter(torch.zeros(3))
        self.body = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.Linear(6, 2))


def plan_of(select: str, value: str, more: str = "") -> PlanData:
    return planned(f"{more}\nrules: [{{rule: r, select: {select}, set: {{'*': '{value}'}}}}]", isolated(Net)())


@pytest.mark.parametrize(("select", "value", "number"), [
    pytest.param("{name: '0', where: ndim > 1}", "fan_in", 18, id="fan_in by role"),
    pytest.param("{name: '0', where: ndim > 1}", "fan_out", 27, id="fan_out by role"),
    pytest.param("{name: '0', where: ndim > 1}", "numel", 108, id="numel"),
    pytest.param("{name: '0', where: ndim > 1}", "ndim", 4, id="ndim"),
    pytest.param("{name: '0', where: ndim > 1}", "size(-1) + 10 * size(0)", 63, id="size"),
    pytest.param("{name: '2', where: ndim > 1}", "module.in_features", 6, id="module"),
    pytest.param("{name: '0', where: ndim > 1}", "module.kernel_size[1]", 3, id="a list"),
    pytest.param("{name: '0', where: ndim > 1}", "7 if next.inplace else 4", 4, id="next: the following sibling"),
    pytest.param("{name: '2', where: ndim > 1}", "get(next.inplace, 7)", 7, id="the last one has no next"),
    pytest.param("{name: '2', where: ndim > 1}", "get(parent.depth, 5)", 5, id="parent has no such attribute"),
    pytest.param("{name: '2', inside: '', where: ndim > 1}", "inside.depth", 2, id="inside"),
    pytest.param("{name: '2', where: ndim > 1}", "get(inside.depth, 8)", 8, id="a selector without inside"),
    pytest.param("{name: '2', where: ndim > 1}", "root.config.width", 3, id="one level into a config"),
    pytest.param("{path: ''}", "get(parent.depth, 9)", 9, id="the root has no parent"),
    pytest.param("{path: ''}", "root.depth", 2, id="root"),
    pytest.param("{path: ''}", 'count("body.*")', 3, id="count"),
    pytest.param("{path: ''}", "twice * 2", 8, id="a variable, late-bound"),
])  # fmt: skip
def test_names(select: str, value: str, number: float) -> None:
    plan = plan_of(select, value, "vars: {twice: root.depth * 2}")
    assert plan.errors == ()
    assert [row.value.actions[0].value for row in plan.rows if row.value] == [number]


@pytest.mark.parametrize(("select", "value", "message"), [
    pytest.param("{path: ''}", "parent.depth", "'parent.depth' has no value here: the root has no parent", id="parent"),
    pytest.param("{path: ''}", "next.depth", "'next.depth' has no value here: the module is the last of its parent",
                 id="next"),
    pytest.param("{path: ''}", "inside.depth", "'inside.depth' has no value here: the selector has no 'inside'",
                 id="inside"),
    pytest.param("{path: ''}", "fan_in", "'fan_in' has no value here: a parameter with 1 dimension has no fans",
                 id="fans of a vector"),
    pytest.param("{path: ''}", "module.widht", "'module' has no recorded attribute 'widht'", id="an attribute"),
])  # fmt: skip
def test_names_without_a_value(select: str, value: str, message: str) -> None:
    (found,) = plan_of(select, value).errors
    assert (found.code, found.message) == ("value", f"{message}, for 'scale'")


@pytest.mark.parametrize("fact", ["fan_in", "fan_out", "numel", "ndim"])
def test_a_lazy_parameter_has_no_facts(fact: str) -> None:
    """An unknown shape is neither small nor large: `where` cannot be asked."""
    model = isolated(lambda: nn.LazyLinear(2))()
    rules = f"rules: [{{rule: r, select: {{path: '', where: {fact} > 0}}, set: {{weight: 1}}}}]"
    (found,) = planned(rules, model).errors
    reason = "the shape of a lazy parameter is not known yet"
    assert found.message == f"'{fact}' has no value here: {reason}, for 'weight'"


@pytest.mark.parametrize(("where", "holds"), [
    pytest.param("numel", True, id="a number that is not 0"),
    pytest.param("numel - numel", False, id="0"),
    pytest.param("true", True, id="true"),
    pytest.param("module.padding_mode == 'zeros'", True, id="compared text"),
])  # fmt: skip
def test_truth(where: str, holds: bool) -> None:
    text = f'rules: [{{rule: r, optional: true, select: {{path: body.0, where: "{where}"}}, set: {{"*": 1}}}}]'
    plan = planned(text, isolated(Net)())
    assert plan.errors == ()
    assert (plan.tallies[0].claimed > 0) is holds
