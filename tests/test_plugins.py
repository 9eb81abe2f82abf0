"""Actions of installed packages: found by entry point, never by what a rule file says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import nn

import initrules
from initrules import plugins
from initrules.actions.table import BUILTIN
from initrules.cli import cli
from initrules.errors import ActionError
from support import isolated

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar

from initrules.actions.base import Action, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp(Action):
    """Count up from ``start``.

    Shape: any.
    """

    name: ClassVar[str] = "ramp"
    start: float = number("the first entry", 0.0)

    def write_(self, tensor, target, draw):
        flat = tensor.view(-1)
        for position in range(target.numel):
            flat[position] = self.start + position


class Other(Ramp):
    name: ClassVar[str] = "other"


not_an_action = 3
'''
RULES = "initrules: 1\nrules: [{rule: r, select: '0', set: {bias: {ramp: {start: 2}}}}]\n"
Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make a distribution importable that has these entry points."""

    def made(points: str) -> None:
        (tmp_path / "ramps_for_tests.py").write_text(MODULE, encoding="utf-8")
        info = tmp_path / "ramps_for_tests-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ramps-for-tests\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{points}\n", encoding="utf-8")
        (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.chdir(tmp_path)

    yield made
    sys.modules.pop("ramps_for_tests", None)


@isolated
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3))


def test_nothing_is_installed() -> None:
    assert plugins.tables() is BUILTIN


def test_an_installed_action_is_named_like_any_other(install: Install) -> None:
    install("ramp = ramps_for_tests:Ramp")
    given = model()
    initrules.apply_(given, "rules.yaml")
    assert torch.equal(given.state_dict()["0.bias"], torch.tensor([2.0, 3.0, 4.0]))


def test_the_command_line_knows_it(install: Install) -> None:
    install("ramp = ramps_for_tests:Ramp")
    run = CliRunner()
    assert run.invoke(cli, ["lint", "rules.yaml"]).exit_code == 0
    assert "Count up from ``start``." in run.invoke(cli, ["actions", "ramp"]).output
    assert "Count up from ``start``." in run.invoke(cli, ["actions"]).output
    assert '"ramp"' in run.invoke(cli, ["schema"]).output


def test_without_the_package_the_name_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    with pytest.raises(initrules.RuleError, match="unknown action 'ramp'"):
        initrules.plan(model(), tmp_path / "rules.yaml")


@pytest.mark.parametrize(("points", "message", "hint"), [
    pytest.param("ramp = nowhere_at_all:Ramp",
                 "the action 'ramp' cannot be loaded from nowhere_at_all:Ramp: ModuleNotFoundError: "
                 "No module named 'nowhere_at_all'",
                 "Repair the package that brings it, or uninstall it.", id="a package that is broken"),
    pytest.param("ramp = ramps_for_tests:not_an_action",
                 "the action 'ramp' of ramps_for_tests:not_an_action is no action",
                 "An action is a frozen dataclass derived from initrules.actions.base.Action.", id="no action"),
    pytest.param("climb = ramps_for_tests:Ramp",
                 "the action 'climb' of ramps_for_tests:Ramp has another name",
                 "Give the entry point the name that the class has, 'ramp'.", id="two names"),
])  # fmt: skip
def test_what_an_entry_point_must_be(install: Install, points: str, message: str, hint: str) -> None:
    install(points)
    with pytest.raises(ActionError) as caught:
        plugins.tables()
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_two_packages_with_one_name(install: Install) -> None:
    install("ramp = ramps_for_tests:Ramp")
    (point,) = entry_points(group=plugins.GROUP)
    twin = EntryPoint("ramp", "ramps_for_tests:Other", plugins.GROUP)
    twin.load().name = "ramp"
    with pytest.raises(ActionError, match="two packages bring an action 'ramp', one is ramps_for_tests:Ramp"):
        plugins.installed([point, twin])
