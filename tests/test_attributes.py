"""Attributes in surveys: what of a module is a fact that expressions may read."""

from __future__ import annotations

import enum
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from initrules.survey import survey
from support import isolated


@isolated
def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


class Mode(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    HIGH = 3


class Plain(enum.Enum):
    A = "a"


class OldMode(str, enum.Enum):  # noqa: UP042  # the spelling under test
    SLOW = "slow"


class Told(nn.Module):
    kind = "class attribute"
    groups = 1


class Config:
    """Like a config of transformers: some names are other names of others."""

    attribute_map: ClassVar = {"hidden_size": "n_embd", "absent": "nothing"}

    def __init__(self) -> None:
        self.n_embd = 8
        self.layer_types = ["full", "sliding"]
        self.nested = {"x": 1}
        self._name_or_path = "private"


@pytest.mark.parametrize(("value", "recorded"), [
    pytest.param(2, 2, id="a whole number"),
    pytest.param(0.5, 0.5, id="a number"),
    pytest.param(True, True, id="a boolean"),
    pytest.param("relu", "relu", id="text"),
    pytest.param([1, 2], (1, 2), id="a flat list"),
    pytest.param((1, "a"), (1, "a"), id="a flat tuple"),
    pytest.param(torch.Size([2, 3]), (2, 3), id="a size"),
    pytest.param([], (), id="an empty list"),
    pytest.param(np.float32(0.5), 0.5, id="a numpy number"),
    pytest.param(np.float64(0.25), 0.25, id="a numpy number that is a float"),
    pytest.param(np.int64(3), 3, id="a numpy whole number"),
    pytest.param(np.bool_(True), True, id="a numpy boolean"),
    pytest.param(np.str_("x"), "x", id="numpy text"),
    pytest.param(Mode.FAST, "fast", id="a member that is text"),
    pytest.param(OldMode.SLOW, "slow", id="the older spelling"),
    pytest.param(Level.HIGH, 3, id="a member that is a number"),
    pytest.param(Plain.A, None, id="a member that is neither"),
    pytest.param(None, None, id="None counts as absent"),
    pytest.param([[1], [2]], None, id="a nested list"),
    pytest.param([1, None], None, id="a list with None"),
    pytest.param(list(range(1000)), None, id="a long list"),
    pytest.param({"a": 1}, None, id="a mapping that is no config"),
    pytest.param(torch.zeros(1), None, id="a tensor"),
    pytest.param(torch.float32, None, id="a dtype"),
    pytest.param(np.zeros(2), None, id="an array"),
    pytest.param(len, None, id="a function"),
])  # fmt: skip
def test_recorded_attributes(value: object, recorded: object) -> None:
    """ "numbers, booleans, strings, flat lists of them"; as plain values of Python."""
    module = Told()
    module.given = value  # type: ignore[assignment]
    found = survey(module).modules[0].attributes.get("given")
    assert found == recorded
    assert type(found) is type(recorded)


def test_attributes_of_classes_and_configs() -> None:
    module = Told()
    module.groups = 4
    module.config = Config()  # type: ignore[assignment]
    module.args = {"lr": 0.1, "name": None}  # type: ignore[assignment]
    module.cfg = "base"  # type: ignore[assignment]
    assert survey(module).modules[0].attributes == {
        "kind": "class attribute", "groups": 4, "cfg": "base", "args.lr": 0.1,
        "config.n_embd": 8, "config.hidden_size": 8, "config.layer_types": ("full", "sliding"),
    }  # fmt: skip


def test_private_attributes_of_modules_are_recorded() -> None:
    """Real code marks layers so: llm-foundry sets ``_is_residual``."""
    module = Told()
    module._is_residual = True  # type: ignore[assignment]
    module._is_torch_compile = True  # type: ignore[assignment]  # a mark of torch.compile, no fact
    found = survey(module).modules[0].attributes
    assert found.get("_is_residual") is True
    assert "_is_torch_compile" not in found


def test_the_mode_is_no_attribute() -> None:
    """Decisions depend on the architecture, not on train or eval mode, nor on values."""
    model = net()
    before = survey(model).fingerprint()
    model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert survey(model).fingerprint() == before
    assert "training" not in survey(model).modules[1].attributes
