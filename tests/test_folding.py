"""Folding: all but the free names becomes values, and variables that depend on them are spelled out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions import parsed, scope
from initrules import ruleset
from initrules.errors import EvaluationError, RuleError
from initrules.evaluation import Scope, evaluate
from initrules.folding import bound
from told import told


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        pytest.param("x + level", "x + 2", id="a capture"),
        pytest.param("sigmoid(x * width)", "sigmoid(x * 8)", id="a variable"),
        pytest.param("negative ** 2 * x", "0.25 * x", id="what has no free name is computed"),
        pytest.param("x ** negative", "x ** (-0.5)", id="a negative exponent keeps its sign"),
        pytest.param("negative * x ** 2", "-0.5 * x ** 2", id="a negative factor"),
        pytest.param("stds[0] * x", "0.5 * x", id="an element"),
        pytest.param("x if x in module.stride else 0", "x if x in [2, 4] else 0", id="a list"),
        pytest.param("max(x, get(module.absent, 3))", "max(x, 3)", id="a question"),
        pytest.param("log", "log", id="a function alone"),
        pytest.param("identity", "identity", id="identity alone"),
        pytest.param("level", "2", id="nothing free"),
    ],
)
def test_bound(text: str, folded: str) -> None:
    assert bound(parsed(text), scope(), {"x"}) == folded


def test_bound_keeps_free_attributes() -> None:
    found = bound(parsed("x * module.weight + module.out_features"), scope(), {"x"}, lambda t: t == "module.weight")
    assert found == "x * module.weight + 3"


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_bound_text_means_the_same(a: float, x: float) -> None:
    scope = Scope(variables={"a": parsed(repr(a)) if a >= 0 else parsed(f"-{-a!r}")}, values={"x": x})
    for text in ("x - a ** 3", "a * x ** 2", "(x - a) * (a - x) ** 3", "min(a, x) - -a", "x if x < a else a"):
        folded = bound(parsed(text), scope, {"x"})
        assert evaluate(parsed(folded), Scope(values={"x": x})) == evaluate(parsed(text), scope)


def test_what_a_scope_does_not_say_cannot_be_bound() -> None:
    with pytest.raises(EvaluationError):
        bound(parsed("x + nobody"), scope(), {"x"})


def _indexed(**variables: str) -> Scope:
    return Scope(variables={name: parsed(text) for name, text in variables.items()}, values={"numel": 6})


@pytest.mark.parametrize(
    ("text", "variables", "folded"),
    [
        pytest.param("sin(angle)", {"angle": "i / numel"}, "sin(i / 6)", id="a variable of an index"),
        pytest.param("2 * a", {"a": "b + 1", "b": "j ** 2"}, "2 * (j ** 2 + 1)", id="by way of another"),
        pytest.param("a + b", {"a": "i", "b": "numel / 2"}, "i + 3.0", id="others keep being values"),
    ],
)
def test_variables_of_a_free_name_are_spelled_out(text: str, variables: dict[str, str], folded: str) -> None:
    assert bound(parsed(text), _indexed(**variables), {"i", "j"}) == folded


@pytest.mark.parametrize("length", [20, 49])
def test_variables_that_double_are_refused_at_once(length: int) -> None:
    doubled = {f"v{n}": f"v{n - 1} + v{n - 1}" for n in range(1, length)}
    with pytest.raises(EvaluationError) as caught:
        bound(parsed(f"v{length - 1}"), _indexed(v0="i", **doubled), {"i"})
    assert caught.value.message == (
        f"'v{length - 1}' has more than 1,000 characters when its variables are spelled out"
    )


def test_a_formula_that_becomes_long_is_refused() -> None:
    with pytest.raises(EvaluationError, match="when its variables are spelled out"):
        bound(parsed("a * a * a * a"), _indexed(a="+".join([f"sin({'i+' * 40}i)"] * 4)), {"i"})


def test_a_variable_of_an_index_stands_only_in_formulas() -> None:
    line = "rules: [{rule: a, select: fc, set: {weight: {normal: {std: twice}}}}]"
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(f"initrules: 1\nvars: {{angle: i / numel, twice: 2 * angle}}\n{line}", "f.yaml")
    message = "'twice' depends on the index 'i', which has no meaning here"
    mark = (line.index("twice") + 1, 5)
    assert str(caught.value) == told(line, mark, message, "A variable of an index stands only in 'formula'.", 3)
