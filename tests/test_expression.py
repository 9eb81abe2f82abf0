"""Reading expressions: what is in the language, what is refused before a model exists, and where."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules import expression
from initrules.errors import ExpressionError
from initrules.expression import MAX_CHAIN, Expression
from initrules.source import Span
from told import told


def _parse(text: str) -> Expression:
    return expression.parse(text, Span("f.yaml", 1, 5, len(text) + 2, f"a: '{text}'"[:4000]))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("1 + 2.5e-3", set(), id="numbers"),
        pytest.param("sqrt(2 / fan_in)", {"fan_in"}, id="a function is no name"),
        pytest.param("sqrt + sqrt(2)", {"sqrt"}, id="but may be one beside a call"),
        pytest.param("module.out_features * gain", {"module", "gain"}, id="an attribute names its object"),
        pytest.param("root.config.n_layer", {"root"}, id="one level into a config"),
        pytest.param("inside.stride[level - 1]", {"inside", "level"}, id="an element"),
        pytest.param('count("h.*") if deep and not flat else 1', {"deep", "flat"}, id="a choice"),
        pytest.param("a <= b < 3 != c in [1, 2]", {"a", "b", "c"}, id="comparisons"),
        pytest.param("x in (1, 2) or y not in [z]", {"x", "y", "z"}, id="lists"),
        pytest.param('module.padding_mode == "zeros"', {"module"}, id="text beside =="),
        pytest.param('get(module.x, "none") in ["none", "a"]', {"module"}, id="text as a default"),
        pytest.param("min(1, 2, a) + max(b, 3)", {"a", "b"}, id="many arguments"),
        pytest.param("log(8, 2) // -size(0) ** 2 % 3", set(), id="every operator"),
        pytest.param(" a\n+ b\t", {"a", "b"}, id="lines are joined"),
        pytest.param("true and false or pi > e", {"true", "false", "pi", "e"}, id="constants"),
    ],
)
def test_what_is_read(text: str, names: set[str]) -> None:
    assert _parse(text).names == names


def test_patterns_are_noted() -> None:
    assert _parse('count("h.*") / count("**")').patterns == ("h.*", "**")


def test_an_expression_prints_as_written_on_one_line() -> None:
    assert str(_parse(" a  +\n b ")) == "a  +  b"


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        pytest.param("sqrt(2) * pi", True, id="numbers and constants"),
        pytest.param('gain("relu")', True, id="a gain is a table"),
        pytest.param("a", False, id="a variable may be replaced"),
        pytest.param("module.x", False, id="an attribute needs a model"),
        pytest.param('count("*")', False, id="a count needs a model"),
        pytest.param("size(0)", False, id="a size needs a parameter"),
    ],
)
def test_what_is_known_without_a_model(text: str, closed: bool) -> None:
    assert _parse(text).closed is closed


@pytest.mark.parametrize(
    ("made", "constant"),
    [
        pytest.param(_parse("0.5"), 0.5, id="a number"),
        pytest.param(_parse("-0.5"), None, id="a sign makes it more than that"),
        pytest.param(expression.number(-0.5, Span("f", 1, 1)), -0.5, id="unless it was one scalar"),
        pytest.param(expression.number(True, Span("f", 1, 1), "TRUE"), True, id="a boolean"),
    ],
)
def test_constant(made: Expression, constant: object) -> None:
    assert made.constant == constant


_REFUSED = [
    pytest.param(
        "",
        (5, 1),
        "an empty expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="nothing",
    ),
    pytest.param(
        "  ",
        (5, 3),
        "an empty expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="only blanks",
    ),
    pytest.param(
        "3 +",
        (5, 4),
        "'3 +' is not an expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="half an expression",
    ),
    pytest.param(
        "big one",
        (9, 1),
        "'big one' is not an expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="two words",
    ),
    pytest.param(
        "fan_in = 3",
        (12, 1),
        "'fan_in = 3' is not an expression",
        "Two values are compared with '=='.",
        id="one equals sign",
    ),
    pytest.param(
        "**.x",
        (5, 1),
        "'**.x' is not an expression",
        "A pattern does not stand here; an expression cannot begin with '*'.",
        id="a pattern",
    ),
    pytest.param(
        "sqrt(2",
        (9, 1),
        "'sqrt(2' is not an expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="an open parenthesis",
    ),
    pytest.param(
        "1; 2",
        (6, 1),
        "'1; 2' is not an expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="two statements",
    ),
    pytest.param(
        "a := 3", (7, 1), "'a := 3' is not an expression", "Two values are compared with '=='.", id="an assignment"
    ),
    pytest.param(
        "yield",
        (5, 1),
        "'yield' is not an expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="a keyword",
    ),
    pytest.param(
        "2 ^ 3", (5, 5), "an unknown operator in '2 ^ 3'", "A power is written '**'.", id="a power as elsewhere"
    ),
    pytest.param("a & b", (5, 5), "an unknown operator in 'a & b'", "Write 'and'.", id="and as elsewhere"),
    pytest.param("a | b", (5, 5), "an unknown operator in 'a | b'", "Write 'or'.", id="or as elsewhere"),
    pytest.param("a is b", (5, 6), "an unknown operator in 'a is b'", "Write '=='.", id="is"),
    pytest.param(
        "a @ b", (5, 5), "an unknown operator in 'a @ b'", "The operators are + - * / // % **.", id="a matrix product"
    ),
    pytest.param("~a", (5, 2), "an unknown operator in '~a'", "The operators are + - * / // % **.", id="a complement"),
    pytest.param("1j", (5, 2), "'1j' is no number", "Write a real number.", id="a complex number"),
    pytest.param("None", (5, 4), "'None' is no number", "Write a real number.", id="None"),
    pytest.param("...", (5, 3), "'...' is no number", "Write a real number.", id="an ellipsis"),
    pytest.param("b'x'", (5, 4), "'b'x'' is no number", "Write a real number.", id="bytes"),
    pytest.param(
        "1e999", (5, 5), "a number too large to hold", "The largest is about 1.8e308.", id="a number beyond floats"
    ),
    pytest.param(
        "1 + 'a'",
        (9, 3),
        "the text 'a' stands where a number is needed",
        'Text stands only in calls such as gain("relu") and beside ==, != and in.',
        id="text where a number is needed",
    ),
    pytest.param(
        "'a' < 'b'",
        (5, 3),
        "the text 'a' stands where a number is needed",
        'Text stands only in calls such as gain("relu") and beside ==, != and in.',
        id="text in an order",
    ),
    pytest.param(
        "a['b']",
        (7, 3),
        "the text 'b' stands where a number is needed",
        'Text stands only in calls such as gain("relu") and beside ==, != and in.',
        id="text as an index",
    ),
    pytest.param(
        "sqrt('a')",
        (10, 3),
        "the text 'a' stands where a number is needed",
        'Text stands only in calls such as gain("relu") and beside ==, != and in.',
        id="text in a function",
    ),
    pytest.param(
        "size('a')",
        (10, 3),
        "the text 'a' stands where a number is needed",
        'Text stands only in calls such as gain("relu") and beside ==, != and in.',
        id="text as a size",
    ),
    pytest.param(
        "gain('leaky_relu', 'a')",
        (24, 3),
        "the text 'a' stands where a number is needed",
        'Text stands only in calls such as gain("relu") and beside ==, != and in.',
        id="text as a slope",
    ),
    pytest.param(
        "lambda: 1", (5, 9), "'lambda: 1' is not part of expressions", "Expressions define no functions.", id="a lambda"
    ),
    pytest.param(
        "(lambda: 1)()", (5, 13), "'(lambda: 1)()' is not a function", "Methods cannot be called.", id="a lambda called"
    ),
    pytest.param(
        "[x for x in y]",
        (5, 14),
        "'[x for x in y]' is not part of expressions",
        "Expressions have numbers, names, operators and function calls.",
        id="a comprehension",
    ),
    pytest.param(
        "min(x for x in y)", (5, 17), "'min' takes at least 2 arguments, not 1", "Write min(1, 2).", id="a generator"
    ),
    pytest.param(
        "{1: 2}",
        (5, 6),
        "'{1: 2}' is not part of expressions",
        "Expressions have numbers, names, operators and function calls.",
        id="a dictionary",
    ),
    pytest.param(
        "f'{a}'",
        (5, 6),
        "'f'{a}'' is not part of expressions",
        "Expressions have numbers, names, operators and function calls.",
        id="a formatted text",
    ),
    pytest.param(
        "a[1:2]",
        (7, 3),
        "'1:2' is not part of expressions",
        "Expressions have numbers, names, operators and function calls.",
        id="a slice",
    ),
    pytest.param(
        "(a := 3) + 1",
        (6, 6),
        "'(a := 3)' is not part of expressions",
        "Expressions have numbers, names, operators and function calls.",
        id="a walrus inside",
    ),
    pytest.param(
        "await a",
        (5, 7),
        "'await a' is not part of expressions",
        "Expressions have numbers, names, operators and function calls.",
        id="an await",
    ),
    pytest.param(
        "a.real",
        (5, 6),
        "'a.real' has no meaning here",
        "Attributes follow 'module.', 'parent.', 'inside.', 'next.', 'root.'.",
        id="an attribute of anything",
    ),
    pytest.param(
        "(1).real",
        (5, 8),
        "'1 .real' has no meaning here",
        "Attributes follow 'module.', 'parent.', 'inside.', 'next.', 'root.'.",
        id="an attribute of a number",
    ),
    pytest.param(
        "gain('relu').real",
        (5, 17),
        "'gain('relu').real' has no meaning here",
        "Attributes follow 'module.', 'parent.', 'inside.', 'next.', 'root.'.",
        id="an attribute of a call",
    ),
    pytest.param(
        "modul.x + 1", (5, 7), "'modul.x' has no meaning here", "Did you mean 'module.x'?", id="a misspelt object"
    ),
    pytest.param(
        "module",
        (5, 6),
        "'module' stands without an attribute",
        "Name one, as in module.out_features.",
        id="an object alone",
    ),
    pytest.param(
        "1 + next",
        (9, 4),
        "'next' stands without an attribute",
        "Name one, as in next.negative_slope.",
        id="an object in a sum",
    ),
    pytest.param("parts", (5, 5), "'parts' stands without an attribute", "Name one, as in parts.q.", id="parts alone"),
    pytest.param(
        "module.x.y()", (5, 12), "'module.x.y()' is not a function", "Methods cannot be called.", id="a method"
    ),
    pytest.param(
        "sqrt(2)(3)", (5, 10), "'sqrt(2)(3)' is not a function", "Methods cannot be called.", id="a call of a call"
    ),
    pytest.param("sqr(2)", (5, 3), "unknown function 'sqr'", "Did you mean 'sqrt'?", id="a misspelt function"),
    pytest.param("log(8, base=2)", (5, 14), "'log' takes plain arguments", "Write log(a, b).", id="a keyword argument"),
    pytest.param("max(*a)", (5, 7), "'max' takes plain arguments", "Write max(a, b).", id="unpacking"),
    pytest.param("sqrt()", (5, 6), "'sqrt' takes 1 argument, not 0", "Write sqrt(2).", id="no argument"),
    pytest.param("sqrt(1, 2)", (5, 10), "'sqrt' takes 1 argument, not 2", "Write sqrt(2).", id="too many arguments"),
    pytest.param(
        "min(1)", (5, 6), "'min' takes at least 2 arguments, not 1", "Write min(1, 2).", id="too few arguments"
    ),
    pytest.param(
        "log(1, 2, 3)",
        (5, 12),
        "'log' takes 1 to 2 arguments, not 3",
        "Write log(2).",
        id="an argument too many for log",
    ),
    pytest.param(
        "get(module.x)",
        (5, 13),
        "'get' takes 2 arguments, not 1",
        "Write get(module.stddev, 0.1).",
        id="get without a default",
    ),
    pytest.param("get(a, 1)", (9, 1), "'get' needs an attribute", "Write get(module.stddev, 0.1).", id="get of a name"),
    pytest.param(
        "get(a.x, 1)",
        (9, 3),
        "'a.x' has no meaning here",
        "Attributes follow 'module.', 'parent.', 'inside.', 'next.', 'root.'.",
        id="get of a foreign attribute",
    ),
    pytest.param("count(h)", (11, 1), "'count' needs text in quotes", 'Write count("h.*").', id="count of a name"),
    pytest.param(
        "gain(relu)",
        (10, 4),
        "'gain' needs text in quotes",
        'Write gain("relu") or gain("leaky_relu", 0.2).',
        id="gain of a name",
    ),
    pytest.param(
        "gain(1)",
        (10, 1),
        "'gain' needs text in quotes",
        'Write gain("relu") or gain("leaky_relu", 0.2).',
        id="gain of a number",
    ),
    pytest.param(
        'gain("rellu")', (10, 7), "no gain is known for 'rellu'", "Did you mean 'relu'?", id="a misspelt gain"
    ),
    pytest.param(
        'gain("relu", 0.1)', (18, 3), "'relu' has no slope", 'Write gain("relu").', id="a slope where there is none"
    ),
    pytest.param("count()", (5, 7), "'count' takes 1 argument, not 0", 'Write count("h.*").', id="count of nothing"),
    pytest.param("size()", (5, 6), "'size' takes 1 argument, not 0", "Write size(0).", id="size of nothing"),
    pytest.param(
        "---------------------------------------------------1",
        (56, 1),
        "nested more than 50 deep",
        "Split it with 'vars'.",
        id="too deep",
    ),
    pytest.param(
        "größe + 1 +* 2",
        (16, 1),
        "'größe + 1 +* 2' is not an expression",
        "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
        id="columns count characters",
    ),
    pytest.param(
        "'é' == sqr(2)", (12, 3), "unknown function 'sqr'", "Did you mean 'sqrt'?", id="an accent before the place"
    ),
]


@pytest.mark.parametrize(("text", "mark", "message", "hint"), _REFUSED)
def test_what_is_refused(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        _parse(text)
    assert str(caught.value) == told(f"a: '{text}'", mark, message, hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[" * 300, f"'{'[' * 300}' is not an expression", id="too deep for Python's parser"),
        pytest.param("1 + " * 300 + "1", "an expression of 1,201 characters, 1,000 are allowed", id="too long"),
        pytest.param("1" + "0" * 400, "a number too large to hold", id="an integer beyond floats"),
        pytest.param("__import__('os')", "unknown function '__import__'", id="an import"),
    ],
)
def test_what_is_refused_at_length(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        _parse(text)
    assert caught.value.message == message
    assert caught.value.hint


@given(st.text("a1.+-*/%()[]{},:=<>!'\" \n\\é_~@`$?;&|^", max_size=40))
def test_any_text_is_read_or_refused_with_a_place_and_a_way_out(text: str) -> None:
    try:
        _parse(text)
    except ExpressionError as error:
        problem = error
    else:
        return
    assert problem.span is not None
    assert problem.hint


def _unknown(text: str, *known: str) -> list[str]:
    return [str(problem) for problem in expression.unknown_names(_parse(text), known)]


_OF_THE_MODEL = "This value is one for the whole model: use variables, count() or root."
_OF_X = "It stands only where an argument is a function of it, as in 'through'."


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        pytest.param("gain + sqrt(2) + pi", [], id="known, a function, a constant"),
        pytest.param(
            "sqrt(gian)", [((10, 4), "unknown name 'gian'", "Did you mean 'gain'?")], id="a misspelt variable"
        ),
        pytest.param("x * 2", [((5, 1), "'x' has no meaning here", _OF_X)], id="an index where none is"),
        pytest.param(
            "fan_in / module.x",
            [
                ((5, 6), "'fan_in' has no meaning here", _OF_THE_MODEL),
                ((14, 6), "'module' has no meaning here", _OF_THE_MODEL),
            ],
            id="facts of a parameter where the model is asked",
        ),
    ],
)
def test_unknown_names(text: str, problems: list[tuple[tuple[int, int], str, str]]) -> None:
    assert _unknown(text, "gain") == [told(f"a: '{text}'", *problem) for problem in problems]


def _circles(**variables: str) -> list[str]:
    return [str(problem) for problem in expression.circles({name: _parse(text) for name, text in variables.items()})]


@pytest.mark.parametrize(
    ("variables", "circle"),
    [
        pytest.param({"a": "b", "b": "c + c", "c": "2"}, None, id="a chain is no circle"),
        pytest.param({"a": "b + c", "b": "d", "c": "d", "d": "1"}, None, id="two ways to one variable are no circle"),
        pytest.param({"a": "2 * a"}, "a → a", id="itself"),
        pytest.param({"z": "a", "a": "b", "b": "a + y", "y": "1"}, "a → b → a", id="only the circle, and once"),
        pytest.param(
            {f"v{n}": f"v{(n + 1) % 30}" for n in range(30)},
            "v0 → v1 → v2 → v3 → … → v26 → v27 → v28 → v29 → v0",
            id="of a long circle the ends",
        ),
    ],
)
def test_circles(variables: dict[str, str], circle: str | None) -> None:
    found = _circles(**variables)
    if circle is None:
        assert found == []
        return
    text = variables[circle.partition(" ")[0]]
    message = f"the variable '{circle.partition(' ')[0]}' is defined by way of itself: {circle}"
    hint = "Give one variable of the circle a value of its own."
    assert found == [told(f"a: '{text}'", (5, len(text) + 1), message, hint)]


def test_a_list_can_be_part_of_a_circle() -> None:
    found = expression.circles({"a": (_parse("1"), _parse("b")), "b": _parse("a[0]")})
    assert [problem.message for problem in found] == ["the variable 'a' is defined by way of itself: a → b → a"]


def test_chains_of_variables_are_bounded_however_many_there_are() -> None:
    count = 20_000  # as many as fit into a file; a walk for each of them would not end
    variables = {f"v{n}": _parse(f"v{n + 1}") for n in range(count)} | {f"v{count}": _parse("1")}
    name = f"v{count - MAX_CHAIN}"
    assert [(problem.message, problem.hint) for problem in expression.circles(variables)] == [
        (
            f"the variable '{name}' builds on a chain of more than {MAX_CHAIN} others",
            "Give one variable of the chain a value of its own.",
        )
    ]


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"), max_size=3), min_size=1))
def test_a_circle_is_reported_exactly_when_a_variable_reaches_itself(uses: dict[str, list[str]]) -> None:
    def reaches(start: str) -> bool:
        seen: set[str] = set()
        fresh = {one for one in uses[start] if one in uses}
        while fresh - seen:
            seen |= fresh
            fresh = {one for name in fresh for one in uses[name] if one in uses}
        return start in seen

    found = _circles(**{name: " + ".join(["1", *names]) for name, names in uses.items()})
    assert bool(found) is any(reaches(name) for name in uses)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("module", ("module",), id="a name"),
        pytest.param("module.config.x", ("module", "config", "x"), id="attributes"),
        pytest.param("f(1).x", None, id="an attribute of something else"),
    ],
)
def test_dotted(text: str, parts: tuple[str, ...] | None) -> None:
    tree = ast.parse(text, mode="eval").body
    assert expression.dotted(tree) == parts
