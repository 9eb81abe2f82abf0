"""The table of actions: written out, closed, and open to one's own."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from initrules.actions.base import Action, Option, Wrap, arguments
from initrules.actions.fixed import Keep, Zeros
from initrules.actions.table import BUILTIN
from initrules.errors import ActionError


def test_every_action_stands_under_its_name_with_a_manual() -> None:
    for name, action in BUILTIN.actions.items():
        assert action.name == name
        assert issubclass(action, Action)
        assert "Shape:" in (inspect.getdoc(action) or "")
        assert action.direct is None or action.direct in arguments(action)


def test_every_parametrization_and_option_stands_under_its_name() -> None:
    assert all(wrap.name == name for name, wrap in BUILTIN.parametrizations.items())
    assert all(issubclass(wrap, Wrap) or wrap is Keep for wrap in BUILTIN.parametrizations.values())
    assert all(option.name == name and issubclass(option, Option) for name, option in BUILTIN.options.items())


def test_other_spellings_lead_to_actions_and_are_none_themselves() -> None:
    assert set(BUILTIN.aliases.values()) <= BUILTIN.actions.keys()
    assert not BUILTIN.aliases.keys() & BUILTIN.actions.keys()


def test_arguments_that_go_together_exist() -> None:
    for action in BUILTIN.actions.values():
        named = {name for group in (*action.together, *action.excluding) for name in group}
        assert named <= arguments(action).keys()


def test_one_s_own_actions_join_a_copy_of_the_table() -> None:
    own = BUILTIN.plus({"nothing": Zeros})
    assert own.actions["nothing"] is Zeros
    assert "nothing" not in BUILTIN.actions


@pytest.mark.parametrize("name", ["zeros", "he_normal"], ids=["an action", "another spelling"])
def test_a_built_in_name_is_taken(name: str) -> None:
    with pytest.raises(ActionError) as caught:
        BUILTIN.plus({name: Zeros})
    assert str(caught.value) == f"the action '{name}' is built in\n  Give your action another name."


@pytest.mark.parametrize("given", [3, int, Zeros()], ids=["a number", "another class", "an action that is made"])
def test_what_is_no_action_is_refused(given: Any) -> None:
    with pytest.raises(ActionError) as caught:
        BUILTIN.plus({"mine": given})
    assert str(caught.value) == "'mine' is no action\n  Give a frozen dataclass below 'Action'."
