"""Inventories as plain data: names, owners, fingerprints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from initrules.inventory import UNKNOWN_SHAPE, Module, ModuleName, Parameter, ParameterName, TypeName, torch_names
from initrules.survey import survey
from support import isolated


class Net(nn.Module):
    def __init__(self, width: int = 2, bias: bool = True) -> None:
        super().__init__()
        self.width = width
        self.one = nn.Linear(2, 2, bias=bias)
        self.two = self.one


def build(**arguments: object) -> nn.Module:
    return isolated(lambda: Net(**arguments))()  # type: ignore[arg-type]


class Renamed(Net):
    """The same modules in another class."""


class Resets(Net):
    def reset_parameters(self) -> None: ...


def frozen() -> nn.Module:
    return build().requires_grad_(False)


def other_dtype() -> nn.Module:
    return build().to(torch.bfloat16)


def untied() -> nn.Module:
    model = build()
    model.two = isolated(lambda: nn.Linear(2, 2))()
    return model


@pytest.mark.parametrize("other", [
    pytest.param(lambda: build(width=3), id="an attribute"),
    pytest.param(lambda: build(bias=False), id="a parameter"),
    pytest.param(isolated(Renamed), id="a class"),
    pytest.param(isolated(Resets), id="a reset method"),
    pytest.param(frozen, id="requires_grad"),
    pytest.param(other_dtype, id="a dtype"),
    pytest.param(untied, id="which names share a module"),
])  # fmt: skip
def test_the_fingerprint_changes_with_what_decisions_depend_on(other: Callable[[], nn.Module]) -> None:
    assert survey(build()).fingerprint() != survey(other()).fingerprint()


def test_the_fingerprint_does_not_change_with_values_or_device() -> None:
    model = build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(7)
    assert survey(model).fingerprint() == survey(build()).fingerprint()
    assert survey(build().to("meta")).fingerprint() == survey(build()).fingerprint()


def test_equal_classes_of_other_packages_differ() -> None:
    """A qualified type selector can tell them apart, so the fingerprint must."""
    fake = type("Linear", (nn.Module,), {"__module__": "somewhere"})
    real = type("Linear", (nn.Module,), {"__module__": "elsewhere"})
    assert survey(fake()).fingerprint() != survey(real()).fingerprint()


def test_owned_parameters_by_every_name() -> None:
    inventory = survey(build())
    assert inventory.owned() == {1: (("weight", 0), ("bias", 1)), 2: (("weight", 0), ("bias", 1))}
    assert inventory.module_of(1) is inventory.module_of(2)


def test_names() -> None:
    root, one, two = survey(build()).names
    assert (root.segment, one.segment) == ("", "one")
    assert (root, one, two) == (ModuleName("", 0, None), ModuleName("one", 1, 0, 2), ModuleName("two", 1, 0))
    assert ModuleName("a.b.c", 0, None).segment == "c"
    assert str(ParameterName(0, "weight", "one.weight")) == "one.weight"


@pytest.mark.parametrize(("requires_grad", "buffer", "frozen"), [
    pytest.param(True, False, False, id="trainable"),
    pytest.param(False, False, True, id="frozen"),
    pytest.param(False, True, False, id="a buffer is never frozen"),
])  # fmt: skip
def test_frozen(requires_grad: bool, buffer: bool, frozen: bool) -> None:
    names = (ParameterName(0, "x", "x"),)
    found = Parameter(names, (1,), "float32", "cpu", requires_grad, buffer)
    assert (found.frozen, found.path, found.lazy) == (frozen, "x", False)
    assert Parameter(names, UNKNOWN_SHAPE, "float32", "cpu").lazy


def test_torch_names() -> None:
    mine, theirs = TypeName("Linear", ("mine.Linear",)), TypeName("Conv1d", ("x.Conv1d", "torch.nn.Conv1d"))
    assert torch_names((mine, theirs)) == {"Conv1d"}
    assert hash(Module((mine,), {"a": 1})) == hash(Module((mine,), {"a": 2}))
