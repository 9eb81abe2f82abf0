"""Arguments of actions: kinds, ranges, and how an evaluated action is shown."""

from __future__ import annotations

import pytest

from initrules.actions.base import Action, Argument, arguments, described, shown, summary
from initrules.actions.computed import Literal
from initrules.actions.copied import Load
from initrules.actions.drawn import Normal, TruncNormal, Uniform
from initrules.actions.fixed import Constant, Ones, Zeros
from initrules.actions.matrix import Orthogonal
from initrules.actions.packed import Parts
from initrules.actions.transform import Scale


@pytest.mark.parametrize(
    ("argument", "value", "problem"),
    [
        pytest.param(Argument("number", required=True), 0.5, None, id="a number"),
        pytest.param(Argument("number", required=True), True, "must be a number, not true", id="truth"),
        pytest.param(Argument("number", required=True), "a", "must be a number, not 'a'", id="text"),
        pytest.param(Argument("number", required=True), (1, 2), "must be a number, not (1, 2)", id="a list"),
        pytest.param(Argument("number", required=True, minimum=0), 0, None, id="at the least value"),
        pytest.param(
            Argument("number", required=True, minimum=0), -0.5, "must be at least 0, not -0.5", id="below the least"
        ),
        pytest.param(Argument("number", required=True, above=0), 1e-300, None, id="above"),
        pytest.param(Argument("number", required=True, above=0), 0, "must be greater than 0, not 0", id="not above"),
        pytest.param(Argument("integer", required=True), 2.0, None, id="a whole number"),
        pytest.param(Argument("integer", required=True), 0.5, "must be a whole number, not 0.5", id="a fraction"),
        pytest.param(
            Argument("integer", required=True, minimum=1), 0, "must be at least 1, not 0", id="too small a whole number"
        ),
        pytest.param(Argument("flag", required=False), False, None, id="a flag"),
        pytest.param(Argument("flag", required=False), 1, "must be true or false, not 1", id="a number as a flag"),
    ],
)
def test_problem(argument: Argument, value: object, problem: str | None) -> None:
    assert argument.problem(value) == problem


def test_arguments_come_in_the_order_of_the_fields() -> None:
    assert list(arguments(Normal)) == ["mean", "std"]
    assert [name for name, argument in arguments(Normal).items() if argument.required] == ["std"]
    assert "name" in arguments(Load)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        pytest.param(Zeros(), "zeros", id="no arguments"),
        pytest.param(Orthogonal(), "orthogonal", id="defaults are left out"),
        pytest.param(Orthogonal(gain=2**0.5), "orthogonal gain=1.414", id="four digits"),
        pytest.param(Constant(value=-0.5), "-0.5", id="a constant is its value"),
        pytest.param(Scale(factor=0.5), "scale 0.5", id="a direct argument has no name"),
        pytest.param(TruncNormal(std=1, correct=True), "trunc_normal std=1 correct=true", id="truth as in YAML"),
        pytest.param(Uniform(low=0, high=1), "uniform low=0 high=1", id="a zero that was given"),
    ],
)
def test_summary(action: Action, text: str) -> None:
    assert summary(action) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(True, "true", id="truth"),
        pytest.param(0.123456, "0.1235", id="a float"),
        pytest.param(123456, "123456", id="an integer keeps its digits"),
        pytest.param("relu", "relu", id="text"),
        pytest.param((1, 2.5, (3,)), "[1, 2.5, [3]]", id="lists"),
        pytest.param(tuple(range(10)), "[0, 1, 2, 3, 4, 5, 6, 7, ...]", id="a long list"),
        pytest.param((), "[]", id="an empty list"),
        pytest.param((Zeros(), Scale(factor=2)), "zeros, scale 2", id="a chain"),
        pytest.param(Ones(), "ones", id="an action"),
    ],
)
def test_shown(value: object, text: str) -> None:
    assert shown(value) == text


def test_described_is_plain_data() -> None:
    assert described(TruncNormal(std=1, low=-2.0)) == {"std": 1, "low": -2.0}
    assert described(Literal(value=((1, 2), (3, 4)))) == {"value": [[1, 2], [3, 4]]}
    parts = Parts(named=(("q", (Ones(),)), ("k", (Zeros(), Scale(factor=2)))))
    assert described(parts) == {"q": [{"ones": {}}], "k": [{"zeros": {}}, {"scale": {"factor": 2}}]}


def test_the_defaults_of_an_action_are_those_of_a_fill() -> None:
    action = Zeros()
    assert (action.reads(), action.keeps(), action.transforms, action.explicit) == ((), False, False, False)
