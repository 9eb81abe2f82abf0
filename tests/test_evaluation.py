"""Values of expressions for one parameter: as in Python, but finite, and with the numbers in every refusal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expressions import parsed, scope
from initrules import expression
from initrules.errors import EvaluationError
from initrules.evaluation import Scope, evaluate
from initrules.expression import Value
from told import told


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("1 + 2 * 3 ** 2", 19, id="precedence"),
        pytest.param("-7 // 2 + -7 % 2", -3, id="floor division and its rest"),
        pytest.param("7 / 2", 3.5, id="true division"),
        pytest.param("+level - -level", 4, id="signs"),
        pytest.param("true + true", 2, id="booleans count"),
        pytest.param("not 0", True, id="not"),
        pytest.param("zero or 0.5", 0.5, id="or is the operand that decides"),
        pytest.param("1 and level and 3", 3, id="and is the operand that decides"),
        pytest.param("3 or 1 / zero", 3, id="or stops at the first that holds"),
        pytest.param("zero and 1 / zero", 0, id="and stops at the first that fails"),
        pytest.param("1 if level == 2 else 1 / zero", 1, id="only the chosen branch is computed"),
        pytest.param("1 < level < 3", True, id="a chain of comparisons"),
        pytest.param("1 < level < 2", False, id="every link must hold"),
        pytest.param("2 >= level <= 2 != 3", True, id="other comparisons"),
        pytest.param('module.mode == "zeros"', True, id="text is equal"),
        pytest.param('module.mode != "zeros"', False, id="text differs"),
        pytest.param('module.mode in ["a", "zeros"]', True, id="text in a list"),
        pytest.param('"zero" in module.mode', True, id="text in text"),
        pytest.param("level not in (1, 3)", True, id="a number in no list"),
        pytest.param("4 in module.stride", True, id="a number in a recorded list"),
        pytest.param("module.stride == [2, 4]", True, id="a recorded list is equal"),
        pytest.param("2 in stds", False, id="a number in a variable"),
        pytest.param("module.stride[level - 1]", 4, id="an element by a capture"),
        pytest.param("module.stride[-1]", 4, id="an element from the end"),
        pytest.param("stds[1]", -8, id="an element of a variable"),
        pytest.param("[1, 2][0]", 1, id="an element of a list as written"),
        pytest.param("width + width", 16, id="a variable that uses a capture"),
        pytest.param("module.config.p", 0.1, id="one level into a config"),
        pytest.param("module.bias and 2", 2, id="a recorded boolean"),
        pytest.param("get(module.out_features, 1)", 3, id="get what is there"),
        pytest.param("get(module.absent, level)", 2, id="get what is absent"),
        pytest.param("get(parent.x, 5)", 5, id="get of an object that is absent"),
        pytest.param("get(next.x, 5)", 5, id="get of an object that nobody mentioned"),
        pytest.param('get(module.absent, "b") == "b"', True, id="get with text"),
        pytest.param('count("h.*") + count("x")', 12, id="counts"),
        pytest.param("size(0) + size(-1)", 12, id="sizes"),
        pytest.param('gain("relu")', math.sqrt(2), id="a gain"),
        pytest.param('gain("leaky_relu", 1)', 1.0, id="a gain with a slope"),
        pytest.param("pi + e", math.pi + math.e, id="constants"),
        pytest.param("true != false", True, id="constants of logic"),
        pytest.param("max(1, level, 3) + min(4, fan_in)", 7, id="largest and least"),
        pytest.param("log(8, 2) + log(e)", 4.0, id="logarithms"),
        pytest.param("floor(2.5) + ceil(2.5)", 5, id="rounding"),
        pytest.param("sigmoid(-1000) + sigmoid(1000)", 1.0, id="a sigmoid that does not overflow"),
        pytest.param("softplus(1000) - 1000", 0.0, id="a softplus that does not overflow"),
        pytest.param("softplus(0)", math.log(2), id="a softplus"),
    ],
)
def test_value(text: str, value: Value) -> None:
    assert evaluate(parsed(text), scope()) == value


_LEAF = st.integers(-20, 20).map(str) | st.sampled_from(["0.5", "1e-3", "level", "fan_in", "true"])
_TREE = st.recursive(
    _LEAF,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "==", "and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        )
        | st.tuples(st.sampled_from(["-", "not ", "sqrt", "exp", "tanh", "abs", "floor"]), inner).map(
            lambda parts: f"({parts[0]}({parts[1]}))"
        )
        | st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})")
    ),
    max_leaves=8,
)


@given(_TREE)
def test_expressions_have_the_values_that_python_gives_them(text: str) -> None:
    names = {**expression.FUNCTIONS, "level": 2, "fan_in": 8, "true": True}
    try:
        wanted = eval(text, {"__builtins__": {}}, names)
        hash(wanted)
    except (ArithmeticError, ValueError):
        wanted = None
    except TypeError:  # a complex number where an order is asked for
        wanted = None
    try:
        found = evaluate(parsed(text), scope())
    except EvaluationError:
        return  # what is infinite, complex or too large is refused, also on the way
    assert wanted is not None
    assert found == wanted
    assert type(found) is type(wanted)


_SELECT = "Ask only where it has one: select other parameters, or give the number."


@pytest.mark.parametrize(
    ("text", "mark", "message", "hint"),
    [
        pytest.param(
            "fan_out + 1",
            (5, 7),
            "'fan_out' has no value here: a parameter with 1 dimension has no fans",
            _SELECT,
            id="a fact without a value",
        ),
        pytest.param("nobody", (5, 6), "'nobody' has no value here", _SELECT, id="an unknown name"),
        pytest.param(
            "module.out_feature",
            (5, 18),
            "'module' has no recorded attribute 'out_feature'",
            "Did you mean 'out_features'? With get(module.out_feature, value) it may be absent.",
            id="a recorded attribute with a typo",
        ),
        pytest.param(
            "1 + parent.x",
            (9, 8),
            "'parent.x' has no value here: the root has no parent",
            "With get(parent.x, value) it may be absent.",
            id="an object that is absent",
        ),
        pytest.param(
            "next.x",
            (5, 6),
            "'next.x' has no value here: there is no 'next' here",
            "With get(next.x, value) it may be absent.",
            id="an object that nobody mentioned",
        ),
        pytest.param(
            "fan_in / zero",
            (5, 13),
            "'fan_in / zero' divides by zero",
            "Here fan_in = 8, zero = 0.",
            id="division by zero",
        ),
        pytest.param(
            "level % zero", (5, 12), "'level % zero' divides by zero", "Here level = 2, zero = 0.", id="a rest by zero"
        ),
        pytest.param("zero ** -1", (5, 10), "'zero ** (-1)' divides by zero", "Here zero = 0.", id="a power of zero"),
        pytest.param(
            "log(zero)", (5, 9), "'log(zero)' is not defined for this value", "Here zero = 0.", id="a logarithm of zero"
        ),
        pytest.param(
            "sqrt(level - fan_in)",
            (5, 20),
            "'sqrt(level - fan_in)' is not defined for this value",
            "Here level = 2, fan_in = 8.",
            id="a root of a negative number",
        ),
        pytest.param(
            "(-8) ** 0.5", (5, 11), "'(-8) ** 0.5' is not a real number", "Write another number.", id="a complex power"
        ),
        pytest.param(
            "9 ** 9 ** 9",
            (5, 11),
            "the exponent 3.8742e+08 is over 1024",
            "Use exp() and log().",
            id="an exponent too large",
        ),
        pytest.param(
            "0.1 ** -2000",
            (5, 12),
            "the exponent -2000 is over 1024",
            "Use exp() and log().",
            id="a negative exponent too large",
        ),
        pytest.param(
            "1e308 * 10", (5, 10), "'1e+308 * 10' is too large to hold", "Write another number.", id="a float too large"
        ),
        pytest.param(
            "1 / (1e308 * fan_in * 10)",
            (10, 14),
            "'1e+308 * fan_in' is too large to hold",
            "Here fan_in = 8.",
            id="an infinite step on the way",
        ),
        pytest.param(
            "(2 ** 1000) * (2 ** 1000)",
            (5, 25),
            "'2 ** 1000 * 2 ** 1000' is too large to hold",
            "Write another number.",
            id="an integer too large",
        ),
        pytest.param(
            "exp(1000)",
            (5, 9),
            "'exp(1000)' is too large to hold",
            "Write another number.",
            id="an exponential too large",
        ),
        pytest.param(
            "1 / (width - 8)",
            (5, 15),
            "'1 / (width - 8)' divides by zero",
            "Here width = 8.",
            id="the value of a variable is told",
        ),
        pytest.param(
            "level / get(module.absent, 0)",
            (5, 29),
            "'level / get(module.absent, 0)' divides by zero",
            "Here level = 2.",
            id="what get cannot find is not told",
        ),
        pytest.param(
            "broken * 2",
            (5, 8),
            "'1 / zero' divides by zero",
            "Here zero = 0.",
            id="a broken variable is shown at its own place",
        ),
        pytest.param(
            "module.mode + 1",
            (5, 11),
            "'module.mode' is the text 'zeros', not a number",
            "Text stands only beside ==, != and in.",
            id="text as a number",
        ),
        pytest.param(
            "1 if module.mode else 2",
            (10, 11),
            "'module.mode' is the text 'zeros', not a number",
            "Text stands only beside ==, != and in.",
            id="text in a condition",
        ),
        pytest.param(
            "module.mode < 3",
            (5, 15),
            "'module.mode < 3' compares something that is no number",
            "Use == or != for text and lists.",
            id="text in an order",
        ),
        pytest.param(
            "module.stride < 3",
            (5, 17),
            "'module.stride < 3' compares something that is no number",
            "Use == or != for text and lists.",
            id="a list in an order",
        ),
        pytest.param(
            "module.stride * 2",
            (5, 13),
            "'module.stride' is a list",
            "Take one element: name[0].",
            id="a list as a number",
        ),
        pytest.param(
            "[module.stride]", (6, 13), "'module.stride' is a list", "Take one element: name[0].", id="a list in a list"
        ),
        pytest.param(
            "level[0]",
            (5, 8),
            "'level[0]' takes an element of something that is no list",
            "Leave out the [].",
            id="an element of a number",
        ),
        pytest.param(
            "module.stride[level]",
            (5, 20),
            "there is no element 2 in a list of 2",
            "The first one is [0].",
            id="an element behind the end",
        ),
        pytest.param(
            "module.stride[-3]",
            (5, 17),
            "there is no element -3 in a list of 2",
            "The first one is [0].",
            id="an element before the beginning",
        ),
        pytest.param(
            "module.stride[level / 4]",
            (5, 24),
            "the index 0.5 is no whole number",
            "Divide with // for a whole number.",
            id="half an element",
        ),
        pytest.param(
            "module.stride[true]",
            (5, 19),
            "the index True is no whole number",
            "Divide with // for a whole number.",
            id="an element by truth",
        ),
        pytest.param(
            "1 in level",
            (5, 10),
            "'1 in level' looks into something that is no list",
            "Write x in [1, 2].",
            id="in a number",
        ),
        pytest.param(
            "level in module.mode",
            (5, 20),
            "'level in module.mode' looks into something that is no list",
            "Write x in [1, 2].",
            id="a number in text",
        ),
        pytest.param(
            "size(2)",
            (5, 7),
            "size(2) of a parameter with 2 dimensions",
            "The first dimension is size(0), the last one size(-1).",
            id="a size of no dimension",
        ),
        pytest.param(
            "size(0.5)",
            (5, 9),
            "size(0.5) of a parameter with 2 dimensions",
            "The first dimension is size(0), the last one size(-1).",
            id="a size of half a dimension",
        ),
        pytest.param(
            "mean(level)",
            (5, 11),
            "'mean' looks at a tensor",
            "It stands only in 'formula'.",
            id="a statistic outside of a formula",
        ),
    ],
)
def test_what_has_no_value(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(parsed(text), scope())
    line = "a: '1 / zero'" if text == "broken * 2" else f"a: '{text}'"
    assert str(caught.value) == told(line, mark, message, hint)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param('count("*")', "there is no model to count in", "Write the number.", id="count"),
        pytest.param("size(0)", "'size' has no value here", "It is a fact of one parameter, not of the model.",
                     id="size"),
        pytest.param("root.x", "'root.x' has no value here: there is no 'root' here",
                     "With get(root.x, value) it may be absent.", id="root"),
    ],
)  # fmt: skip
def test_without_a_model_there_is_nothing_to_ask(text: str, message: str, hint: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(parsed(text), Scope())
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_variable_is_computed_once_however_often_it_stands() -> None:
    variables = {f"v{n}": parsed(f"v{n + 1} + v{n + 1}") for n in range(expression.MAX_CHAIN)}
    variables[f"v{expression.MAX_CHAIN}"] = parsed("1")
    assert evaluate(parsed("v0"), Scope(variables=variables)) == 2**expression.MAX_CHAIN


def test_variables_that_are_nested_too_deep_are_refused() -> None:
    deep = "-" * 49
    variables = {f"v{n}": parsed(f"{deep}v{n + 1}") for n in range(expression.MAX_CHAIN)}
    with pytest.raises(EvaluationError) as caught:
        evaluate(parsed("v0"), Scope(variables=variables))
    hint = "Give a variable that it builds on a value of its own."
    assert str(caught.value) == told("a: 'v0'", (5, 3), "'v0' is nested too deep", hint)


def test_captures_come_before_variables() -> None:
    assert evaluate(parsed("n"), Scope(variables={"n": parsed("1")}, values={"n": 2})) == 2


def test_whether_an_object_has_an_attribute() -> None:
    known = scope()
    assert known.has("module", "out_features")
    assert not known.has("module", "absent")
    assert not known.has("parent", "x")
    assert not known.has("next", "x")
