"""Surveys: what is read from live models, what is left alone, what is no trace in names."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import distributed, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.fsdp import fully_shard
from torch.nn.utils import parametrizations, parametrize

from initrules import survey as surveying
from initrules.errors import ModelError
from initrules.inventory import UNKNOWN_SHAPE, Inventory, Parameter
from initrules.planning import PlanData
from initrules.survey import stored_by_path, survey
from support import isolated, isolation, planned, winners

RULES = """
defaults:
  - {rule: layers, select: {type: Linear}, set: {weight: xavier_uniform, bias: zeros}}
rules:
  - {rule: last, select: {type: Linear, pick: last}, set: {weight: {normal: {std: 1 / module.in_features}}}}
  - {rule: norm, select: {type: "*Norm*", where: module.affine}, set: {weight: ones, bias: zeros, running_mean: 0}}
"""


@isolated
def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))


def decided(plan: PlanData) -> dict[str, tuple[object, ...]]:
    """What a plan says of each parameter, by its names."""
    return {
        row.path: (
            tuple(name.path for name in row.parameter.names), row.parameter.shape, row.target.fans(),
            {prop: (one.rule, one.actions) for prop, one in row.decisions.items()},
        )
        for row in plan.rows
    }  # fmt: skip


def by_path(inventory: Inventory) -> dict[str, Parameter]:
    return {parameter.path: parameter for parameter in inventory.parameters}


def paths(inventory: Inventory) -> list[str]:
    return [name.path for name in inventory.names]


# --- Purity ------------------------------------------------------------------------------------------


def state(model: nn.Module) -> tuple[object, ...]:
    """Every byte of a model, its structure, and all random states."""
    tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return (
        [(name, tensor._version, tensor.detach().numpy().tobytes(), id(tensor)) for name, tensor in tensors],
        [(name, module.training, sorted(vars(module))) for name, module in model.named_modules()],
        torch.get_rng_state().numpy().tobytes(),
        repr(np.random.get_state()),  # noqa: NPY002  # the old global state is what must not move
        random.getstate(),
    )


@isolated
def normed() -> nn.Sequential:
    model = net()
    parametrizations.spectral_norm(model[0])
    parametrizations.weight_norm(model[2][0])  # type: ignore[index]
    return model


@pytest.mark.parametrize("build", [
    pytest.param(net, id="bare"),
    pytest.param(normed, id="parametrized, in training mode, where reading a weight moves the power iteration"),
])  # fmt: skip
def test_planning_touches_nothing(build: Callable[[], nn.Module]) -> None:
    """ "`plan` is pure: it touches no weight, no random state, no device"."""
    model = build()
    before = state(model)
    assert planned(RULES, model).errors == ()
    assert state(model) == before


def test_planning_works_on_meta() -> None:
    with torch.device("meta"), isolation():
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))
    plan = planned(RULES, model)
    assert decided(plan) == decided(planned(RULES, net()))
    assert {row.parameter.device for row in plan.rows} == {"meta"}


# --- Wrappers ----------------------------------------------------------------------------------------


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def inside_wrapped() -> nn.Sequential:
    model = net()
    model[2] = checkpoint_wrapper(model[2])
    model[0] = torch.compile(model[0])  # type: ignore[assignment]
    return model


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # inside torch.compile's own imports
@pytest.mark.parametrize("wrap", [
    pytest.param(torch.compile, id="torch.compile"),
    pytest.param(nn.DataParallel, id="DataParallel"),
    pytest.param(checkpoint_wrapper, id="activation checkpointing"),
    pytest.param(lambda model: torch.compile(nn.DataParallel(model)), id="one in the other"),
    pytest.param(lambda _: inside_wrapped(), id="around modules inside"),
])  # fmt: skip
def test_wrappers_leave_no_trace(wrap: Callable[[nn.Module], Any]) -> None:
    bare, wrapped = survey(net()), survey(wrap(net()))
    assert paths(wrapped) == paths(bare)
    assert wrapped.fingerprint() == bare.fingerprint()
    assert decided(planned(RULES, wrap(net()))) == decided(planned(RULES, net()))


@pytest.mark.usefixtures("one_process")
def test_sharded_parameters_of_one_shape_are_not_taken_for_one() -> None:
    sharded = isolated(lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))()
    fully_shard(sharded)
    names = [[name.path for name in parameter.names] for parameter in survey(sharded).parameters]
    assert names == [["0.weight"], ["0.bias"], ["1.weight"], ["1.bias"]]


@pytest.mark.usefixtures("one_process")
def test_ddp_leaves_no_trace() -> None:
    wrapped = nn.parallel.DistributedDataParallel(net())
    assert decided(planned(RULES, wrapped)) == decided(planned(RULES, net()))


class Holder(nn.Module):
    """A user's own class with a name that wrappers use."""

    def __init__(self, **children: nn.Module) -> None:
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)


class WithExtra(nn.DataParallel[nn.Module]):
    """A user's wrapper that holds more than the wrapped module."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.extra = nn.Linear(1, 1)


@pytest.mark.parametrize(("name"), ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"])
def test_a_users_own_module_of_that_name_stays(name: str) -> None:
    """Segments are dropped "only where the owning module really is that wrapper"."""
    inventory = survey(Holder(**{name: isolated(lambda: nn.Linear(1, 1))()}))
    assert list(by_path(inventory)) == [f"{name}.weight", f"{name}.bias"]


def test_a_wrapper_with_more_than_the_module_keeps_its_names() -> None:
    model = isolated(lambda: WithExtra(nn.Linear(1, 1)))()
    assert list(by_path(survey(model))) == ["module.weight", "module.bias", "extra.weight", "extra.bias"]


# --- Parametrizations --------------------------------------------------------------------------------


@pytest.mark.parametrize(("wrap", "name"), [
    pytest.param(parametrizations.spectral_norm, "spectral_norm", id="spectral norm"),
    pytest.param(parametrizations.weight_norm, "weight_norm", id="weight norm"),
    pytest.param(parametrizations.orthogonal, "orthogonal", id="orthogonal"),
])  # fmt: skip
def test_parametrized_weights_have_one_name(wrap: Callable[[nn.Module], nn.Module], name: str) -> None:
    """ "a parametrized weight has one name, `layer.weight`, and `parametrizations` are no modules to selectors"."""

    def build() -> nn.Module:
        model = net()
        wrap(model[0])
        return model

    inventory = survey(isolated(build)())
    assert paths(inventory) == paths(survey(net()))
    assert by_path(inventory)["0.weight"].parametrized == (name,)
    assert decided(planned(RULES, isolated(build)())) == decided(planned(RULES, net()))
    assert list(by_path(inventory)) == list(by_path(survey(net())))
    assert winners(planned("rules: [{rule: r, select: {type: =Linear}, set: {weight: ones}}]", isolated(build)()))


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_shows_the_effective_shape(dim: int | None) -> None:
    for shape in ((4, 3), (1, 1), (1, 3), (4, 1)):
        layer = isolated(lambda shape=shape: parametrizations.weight_norm(nn.Linear(*shape[::-1]), dim=dim))()  # type: ignore[arg-type]
        (weight, bias) = survey(layer).parameters
        assert (weight.path, weight.shape, bias.shape) == ("weight", shape, shape[:1])


class LowRank(nn.Module):
    """A weight (n, m) stored as two factors."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left @ right

    def right_inverse(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        u, s, v = torch.linalg.svd(weight.detach(), full_matrices=False)
        return u[:, :1] * s[:1], v[:1]


class Triangle(nn.Module):
    """A symmetric weight stored as the entries of its upper triangle; needs values."""

    def forward(self, entries: torch.Tensor) -> torch.Tensor:
        if float(entries.sum()) > 1e9:
            raise ValueError
        return entries * torch.ones(2, 2)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.detach()[0, :1].clone()


@pytest.mark.parametrize(("wrap", "shape"), [
    pytest.param(LowRank, (4, 3), id="the shape that the module sees"),
    pytest.param(Triangle, (1,), id="a parametrization that needs values: what is stored"),
])  # fmt: skip
def test_a_users_parametrization(wrap: type[nn.Module], shape: tuple[int, ...]) -> None:
    layer = isolated(lambda: nn.Linear(3, 4) if wrap is LowRank else nn.Linear(2, 2))()
    with isolation():
        parametrize.register_parametrization(layer, "weight", wrap(), unsafe=True)
    weight = by_path(survey(layer))["weight"]
    assert (weight.shape, weight.parametrized) == (shape, (wrap.__name__,))


def test_all_that_is_stored() -> None:
    layer = isolated(lambda: parametrizations.weight_norm(nn.Linear(3, 4)))()
    stored = stored_by_path({"layer": layer})
    assert {path: [tuple(one.shape) for one in tensors] for path, tensors in stored.items()} == {
        "layer.weight": [(4, 3), (4, 1)],
        "layer.bias": [(4,)],
    }


# --- Roots and structure -----------------------------------------------------------------------------


@dataclasses.dataclass
class Agent:
    actor: nn.Module
    critic: nn.Module | None = None
    hidden: int = 64
    optimizer: object = None


@dataclasses.dataclass(slots=True)
class Slotted:
    actor: nn.Module
    hidden: int = 64


@pytest.mark.parametrize(("make", "expected"), [
    pytest.param(lambda m: {"actor": m, "critic": None}, ["actor.weight", "actor.bias"], id="a dict with None"),
    pytest.param(lambda m: {1: m}, ["1.weight", "1.bias"], id="keys that are numbers"),
    pytest.param(Agent, ["actor.weight", "actor.bias"], id="a dataclass with None"),
    pytest.param(lambda m: Agent(m, m), ["actor.weight", "actor.bias"], id="a module under two names"),
    pytest.param(Slotted, ["actor.weight", "actor.bias"], id="a dataclass with slots"),
    pytest.param(lambda m: {"actor": nn.DataParallel(m)}, ["actor.weight", "actor.bias"], id="wrapped entries"),
    pytest.param(lambda _: {}, [], id="empty"),
])  # fmt: skip
def test_roots(make: Callable[[nn.Module], object], expected: list[str]) -> None:
    layer = isolated(lambda: nn.Linear(2, 3))()
    inventory = survey(make(layer))
    assert list(by_path(inventory)) == expected
    assert inventory.names[0].path == ""


def test_a_dataclass_root_has_attributes() -> None:
    layer = isolated(lambda: nn.Linear(2, 3))()
    for model in (Agent(layer), Slotted(layer)):
        plan = planned("rules: [{rule: r, select: actor, set: {weight: root.hidden}}]", model)
        assert plan.errors == ()


@pytest.mark.parametrize(("model", "message", "hint"), [
    pytest.param(3, "the model is a int, not a module",
                 "Give an nn.Module, or a dict or dataclass whose values are modules or None.", id="a number"),
    pytest.param(Agent, "the model is a type, not a module",
                 "Give an nn.Module, or a dict or dataclass whose values are modules or None.", id="a class"),
    pytest.param({"log_std": torch.zeros(2)}, "the entry 'log_std' of the model is a Tensor, not a module",
                 "Give each module an entry of its own; other tensors belong into a module.", id="a tensor"),
    pytest.param({"heads": [nn.Identity()]}, "the entry 'heads' of the model is a list, not a module",
                 "Give each module an entry of its own; other tensors belong into a module.", id="a list of modules"),
    pytest.param({"heads": {"a": nn.Identity()}}, "the entry 'heads' of the model is a dict, not a module",
                 "Give each module an entry of its own; other tensors belong into a module.", id="a dict in a dict"),
    pytest.param({"agent": Agent(nn.Identity())}, "the entry 'agent' of the model is a Agent, not a module",
                 "Give each module an entry of its own; other tensors belong into a module.", id="a nested dataclass"),
    pytest.param({"a.b": nn.Identity()},
                 "the entry 'a.b' of the model is no name of a module: it has a dot or is empty",
                 "Rename the entry.", id="a dot"),
    pytest.param({"": nn.Identity()}, "the entry '' of the model is no name of a module: it has a dot or is empty",
                 "Rename the entry.", id="an empty name"),
    pytest.param({1: nn.Identity(), "1": nn.Identity()}, "the entry '1' of the model stands twice",
                 "Rename the entry.", id="two keys of one name"),
])  # fmt: skip
def test_what_is_no_model(model: object, message: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        survey(model)
    assert str(caught.value) == f"{message}\n  {hint}"


def test_a_module_that_holds_itself() -> None:
    model = net()
    model[2].add_module("up", model)
    assert list(by_path(survey(model))) == list(by_path(survey(net())))


def test_exponential_sharing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveying, "MAX_NAMES", 2_000)
    module: nn.Module = nn.Identity()
    for _ in range(40):
        module = Holder(a=module, b=module)
    with pytest.raises(ModelError) as caught:
        survey(module)
    assert str(caught.value) == (
        "the model has more than 2,000 module names\n"
        "  Modules that share their children multiply the names; plan a part of the model."
    )


def test_a_deep_model_is_no_recursion() -> None:
    module: nn.Module = nn.Identity()
    for _ in range(3_000):
        module = nn.Sequential(module)
    assert len(survey(module).names) == 3_001


def test_containers_of_parameters() -> None:
    model = nn.Module()
    model.many = nn.ParameterList([torch.zeros(1), torch.zeros(2)])
    model.named = nn.ParameterDict({"scale": torch.zeros(1), "shift": None})
    model.layers = nn.ModuleDict({"left": nn.Identity(), "right": nn.Identity()})
    model.register_parameter("bias", None)
    model.register_buffer("mask", None)
    inventory = survey(model)
    assert list(by_path(inventory)) == ["many.0", "many.1", "named.scale"]
    assert paths(inventory) == ["", "many", "named", "layers", "layers.left", "layers.right"]
    plan = planned("rules: [{rule: r, select: [many, named], set: {0: ones, '{1..3}': 2, scale: 3}}]", model)
    assert list(winners(plan)) == ["many.0", "many.1", "named.scale"]


def test_lazy_modules() -> None:
    layer = isolated(lambda: nn.LazyLinear(3))()
    weight, bias = survey(layer).parameters
    assert (weight.shape, weight.lazy, bias.lazy) == (UNKNOWN_SHAPE, True, True)


def test_one_memory_is_one_parameter() -> None:
    """Two parameter objects over exactly the same memory are tied; a view of a part is not."""
    model = nn.Module()
    whole = torch.zeros(4, 2)
    model.one, model.two = nn.Parameter(whole), nn.Parameter(whole)
    model.part, model.turned = nn.Parameter(whole[:2]), nn.Parameter(whole.view(2, 4))
    model.empty, model.other = nn.Parameter(torch.zeros(0)), nn.Parameter(torch.zeros(0))
    names = [[name.path for name in parameter.names] for parameter in survey(model).parameters]
    assert names == [["one", "two"], ["part"], ["turned"], ["empty"], ["other"]]


def test_without_memory_an_object_is_a_parameter() -> None:
    with torch.device("meta"):
        model = nn.Module()
        model.one = nn.Parameter(torch.zeros(2))
        model.two, model.three = model.one, nn.Parameter(torch.zeros(2))
    names = [[name.path for name in parameter.names] for parameter in survey(model).parameters]
    assert names == [["one", "two"], ["three"]]


class NoStorage(torch.Tensor):
    """A tensor sub-class that gives no address."""

    def data_ptr(self) -> int:
        raise RuntimeError


def test_a_tensor_without_an_address() -> None:
    model = nn.Module()
    model.register_buffer("odd", torch.zeros(2).as_subclass(NoStorage))
    assert list(by_path(survey(model))) == ["odd"]
