"""Arithmetic in rule files: parsed once, checked before a model exists, evaluated per parameter.

Python's own parser reads the text; everything but numbers, names, the operators and functions of
the tables below is refused, so that an expression cannot run code, loop, or grow without bound.
"""

from __future__ import annotations

import ast
import functools
import math
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from initrules.errors import ExpressionError, nearest, suggestion
from initrules.gains import GAINS
from initrules.source import Span

Scalar: TypeAlias = "bool | int | float | str"
Value: TypeAlias = "Scalar | tuple[Scalar, ...]"

MAX_LENGTH = 1000
MAX_DEPTH = 50
MAX_EXPONENT = 1024
MAX_CHAIN = 50

OBJECTS = ("module", "parent", "inside", "next", "root")
FACTS = ("fan_in", "fan_out", "numel", "ndim", "auto")
DIMENSIONS = ("i", "j", "k", "l")  # the indices of an entry
INDICES = ("x", *DIMENSIONS)
CONSTANTS: Mapping[str, Scalar] = MappingProxyType({"pi": math.pi, "e": math.e, "true": True, "false": False})
RESERVED = frozenset({*OBJECTS, "parts", *FACTS, *INDICES, *CONSTANTS})


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


FUNCTIONS: Mapping[str, Callable[..., float]] = MappingProxyType(
    {
        "sqrt": math.sqrt, "log": math.log, "log1p": math.log1p, "exp": math.exp, "expm1": math.expm1,
        "sin": math.sin, "cos": math.cos, "tanh": math.tanh, "sigmoid": _sigmoid, "softplus": _softplus,
        "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil,
    }
)  # fmt: skip
# Functions that ask about the model or a table rather than compute.
QUERIES = ("gain", "count", "get", "size")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: its text, its place and what it names."""

    text: str
    span: Span = field(compare=False)
    tree: ast.expr = field(compare=False, repr=False)
    names: frozenset[str] = field(compare=False, repr=False)
    patterns: tuple[str, ...] = field(compare=False, repr=False)

    @property
    def constant(self) -> Scalar | None:
        """The value of a lone number or boolean, else None."""
        return self.tree.value if isinstance(self.tree, ast.Constant) else None  # type: ignore[return-value]

    @property
    def closed(self) -> bool:
        """Whether its value is known without a model: it names only constants and asks nothing."""
        calls = {n.func.id for n in ast.walk(self.tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        return self.names <= CONSTANTS.keys() and calls <= {*FUNCTIONS, "gain"}

    def __str__(self) -> str:
        return self.text


Variable: TypeAlias = "Expression | tuple[Expression, ...]"


def number(value: float | bool, span: Span, text: str = "") -> Expression:
    """The expression that is one number or boolean."""
    return Expression(text or repr(value), span, ast.Constant(value), frozenset(), ())


def parse(text: str, span: Span) -> Expression:
    """Read an expression. Raises ``ExpressionError`` with the place of the first problem."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"an expression of {len(text):,} characters, {MAX_LENGTH:,} are allowed", span, "Split it with 'vars'."
        )
    text = text.replace("\n", " ").replace("\t", " ").strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _syntax_error(text, span, error) from None
    checker = _Checker(text, span)
    checker.check(tree, 0)
    return Expression(text, span, tree, frozenset(checker.names), tuple(checker.patterns))


def _syntax_error(text: str, span: Span, error: Exception) -> ExpressionError:
    offset = error.offset if isinstance(error, SyntaxError) else None
    place = span.part(text, offset - 1, 1) if offset and offset <= len(text) else span
    hint = "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2)."
    if text.startswith("*"):
        hint = "A pattern does not stand here; an expression cannot begin with '*'."
    elif "=" in re.sub("[=!<>]=", "", text):
        hint = "Two values are compared with '=='."
    if not text:
        return ExpressionError("an empty expression", span, hint)
    return ExpressionError(f"'{text}' is not an expression", place, hint)


_OPERATORS = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.USub, ast.UAdd, ast.Not,
    ast.And, ast.Or, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn,
)  # fmt: skip
_HINTS: Mapping[type[ast.AST], str] = MappingProxyType(
    {
        ast.BitXor: "A power is written '**'.",
        ast.BitAnd: "Write 'and'.",
        ast.BitOr: "Write 'or'.",
        ast.Is: "Write '=='.",
        ast.Lambda: "Expressions define no functions.",
    }
)


class _Checker:
    """Walks a syntax tree once: refuses what is not in the language, notes what is named."""

    def __init__(self, text: str, span: Span) -> None:
        self.text = text
        self.span = span
        self.names: set[str] = set()
        self.patterns: list[str] = []

    def fail(self, node: ast.expr, message: str, hint: str) -> ExpressionError:
        return ExpressionError(message, part_of(self.text, self.span, node), hint)

    def check(self, node: ast.expr, depth: int, *, text_allowed: bool = False) -> None:
        if depth > MAX_DEPTH:
            raise self.fail(node, f"nested more than {MAX_DEPTH} deep", "Split it with 'vars'.")
        below = functools.partial(self.check, depth=depth + 1)
        match node:
            case ast.Constant(value=value):
                self._constant(node, value, text_allowed)
            case ast.Name(id=name) if name in {*OBJECTS, "parts"}:
                raise self.fail(node, f"'{name}' stands without an attribute", f"Name one, as in {_EXAMPLES[name]}.")
            case ast.Name(id=name):
                self.names.add(name)
            case ast.Attribute():
                self._attribute(node)
            case ast.Subscript(value=value, slice=index):
                below(value)
                below(index)
            case ast.Call():
                self._call(node, depth)
            case ast.BinOp(left=left, op=op, right=right):
                self._operator(node, op)
                below(left)
                below(right)
            case ast.UnaryOp(op=op, operand=operand):
                self._operator(node, op)
                below(operand)
            case ast.BoolOp(values=values):
                for value in values:
                    below(value)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                for part in (test, body, orelse):
                    below(part)
            case ast.Compare():
                self._compare(node, depth)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                for item in items:
                    self.check(item, depth + 1, text_allowed=text_allowed)
            case _:
                hint = _HINTS.get(type(node), "Expressions have numbers, names, operators and function calls.")
                raise self.fail(node, f"'{ast.unparse(node)[:60]}' is not part of expressions", hint)

    def _constant(self, node: ast.expr, value: object, text_allowed: bool) -> None:
        if isinstance(value, str):
            if not text_allowed:
                raise self.fail(
                    node,
                    f"the text '{value}' stands where a number is needed",
                    'Text stands only in calls such as gain("relu") and beside ==, != and in.',
                )
        elif (isinstance(value, float) and not math.isfinite(value)) or (
            isinstance(value, int) and abs(value) >= 2**1023
        ):
            raise self.fail(node, "a number too large to hold", "The largest is about 1.8e308.")
        elif not isinstance(value, bool | int | float):
            raise self.fail(node, f"'{ast.unparse(node)}' is no number", "Write a real number.")

    def _operator(self, node: ast.expr, op: ast.AST) -> None:
        if not isinstance(op, _OPERATORS):
            hint = _HINTS.get(type(op), "The operators are + - * / // % **.")
            raise self.fail(node, f"an unknown operator in '{ast.unparse(node)[:60]}'", hint)

    def _attribute(self, node: ast.Attribute) -> None:
        names = dotted(node)
        if names is None or names[0] not in {*OBJECTS, "parts"}:
            near = nearest(names[0], OBJECTS) if names else None
            hint = f"Did you mean '{'.'.join((near, *names[1:]))}'?" if names and near else _ATTRIBUTES_FOLLOW
            raise self.fail(node, f"'{ast.unparse(node)[:60]}' has no meaning here", hint)
        self.names.add(names[0])

    def _call(self, node: ast.Call, depth: int) -> None:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, f"'{ast.unparse(node)[:60]}' is not a function", "Methods cannot be called.")
        name = node.func.id
        if name not in FUNCTIONS and name not in QUERIES and name not in {"mean", "std", "norm"}:
            raise self.fail(
                node.func, f"unknown function '{name}'", suggestion(name, [*FUNCTIONS, *QUERIES, "mean", "std", "norm"])
            )
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise self.fail(node, f"'{name}' takes plain arguments", f"Write {name}(a, b).")
        self._arguments(node, name)
        for position, arg in enumerate(node.args):
            is_name = position == 0 and name in {"gain", "count"}
            self.check(arg, depth + 1, text_allowed=is_name or name == "get")

    def _arguments(self, node: ast.Call, name: str) -> None:
        low, high = _ARITY.get(name, (1, 1))
        if not low <= len(node.args) <= high:
            wanted = str(low) if low == high else f"{low} to {high}" if high < 99 else f"at least {low}"
            raise self.fail(
                node, f"'{name}' takes {wanted} argument{'s' * (wanted != '1')}, not {len(node.args)}", _usage(name)
            )
        first = node.args[0]
        if name in {"gain", "count"}:
            if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                raise self.fail(first, f"'{name}' needs text in quotes", _usage(name))
            if name == "count":
                self.patterns.append(first.value)
            elif first.value not in GAINS:
                raise self.fail(first, f"no gain is known for '{first.value}'", suggestion(first.value, GAINS))
            elif len(node.args) > 1 and first.value != "leaky_relu":
                raise self.fail(node.args[1], f"'{first.value}' has no slope", f'Write gain("{first.value}").')
        if name == "get" and not isinstance(first, ast.Attribute):
            raise self.fail(first, "'get' needs an attribute", _usage(name))

    def _compare(self, node: ast.Compare, depth: int) -> None:
        for op in node.ops:
            self._operator(node, op)
        text_allowed = all(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops)
        for side in (node.left, *node.comparators):
            self.check(side, depth + 1, text_allowed=text_allowed)


_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "module": "module.out_features",
        "parent": "parent.num_heads",
        "inside": "inside.stride",
        "next": "next.negative_slope",
        "root": "root.config.hidden_size",
        "parts": "parts.q",
    }
)
_ATTRIBUTES_FOLLOW = "Attributes follow " + ", ".join(f"'{name}.'" for name in OBJECTS) + "."
_ARITY: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"min": (2, 99), "max": (2, 99), "log": (1, 2), "gain": (1, 2), "get": (2, 2)}
)


def _usage(name: str) -> str:
    examples = {
        "gain": 'Write gain("relu") or gain("leaky_relu", 0.2).',
        "count": 'Write count("h.*").',
        "get": "Write get(module.stddev, 0.1).",
        "size": "Write size(0).",
    }
    return examples.get(name, f"Write {name}(1, 2)." if name in {"min", "max"} else f"Write {name}(2).")


def dotted(node: ast.expr) -> tuple[str, ...] | None:
    """``module.config.x`` as its parts; None for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return (*owner, node.attr) if owner else None
    return None


def part_of(text: str, span: Span, node: ast.expr) -> Span:
    """The place of one node of an expression that stands at ``span``."""
    encoded = text.encode()
    start = len(encoded[: node.col_offset].decode(errors="replace"))
    stop = len(encoded[: node.end_col_offset].decode(errors="replace"))
    return span.part(text, start, stop - start)


def unknown_names(
    expression: Expression, known: Collection[str], hints: Mapping[str, str] = MappingProxyType({})
) -> list[ExpressionError]:
    """A problem for every name that is neither in ``known`` nor built in; ``hints`` for some of them."""
    choices = {*known, *CONSTANTS}
    problems = []
    for node in ast.walk(expression.tree):
        if isinstance(node, ast.Name) and node.id not in choices and not _is_call(node, expression):
            place = part_of(expression.text, expression.span, node)
            hint = _ELSEWHERE.get(node.id)
            message = f"'{node.id}' has no meaning here" if hint else f"unknown name '{node.id}'"
            hint = hint or hints.get(node.id) or _TRUTH.get(node.id) or suggestion(node.id, choices)
            problems.append(ExpressionError(message, place, hint))
    return problems


def _is_call(name: ast.Name, expression: Expression) -> bool:
    return any(isinstance(node, ast.Call) and node.func is name for node in ast.walk(expression.tree))


_TRUTH: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("yes", "no", "on", "off", "True", "False"), "Write true or false.")
)
_ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys((*FACTS, *OBJECTS), "This value is one for the whole model: use variables, count() or root."),
        **dict.fromkeys(INDICES, "It stands only where an argument is a function of it, as in 'through'."),
    }
)


def circles(variables: Mapping[str, Variable]) -> list[ExpressionError]:
    """A problem for every circle of variables, and for variables that build on too many others."""
    uses = {name: sorted(_uses(value) & variables.keys()) for name, value in variables.items()}
    depth: dict[str, int] = {}
    problems = []
    for start in variables:
        chain = {} if start in depth else {start: iter(uses[start])}
        while chain:
            last = next(reversed(chain))
            name = next(chain[last], None)
            if name is None:
                del chain[last]
                depth[last] = 1 + max((depth.get(one, 0) for one in uses[last]), default=0)
                if depth[last] == MAX_CHAIN + 1:
                    problems.append(_long_chain(last, variables[last]))
            elif name in chain:
                names = list(chain)
                problems.append(_circle(names[names.index(name) :], variables[name]))
            elif name not in depth:
                chain[name] = iter(uses[name])
    return problems


def _circle(names: list[str], value: Variable) -> ExpressionError:
    shown = names if len(names) <= 9 else [*names[:4], "…", *names[-4:]]
    return ExpressionError(
        f"the variable '{names[0]}' is defined by way of itself: {' → '.join([*shown, names[0]])}",
        _span_of(value),
        "Give one variable of the circle a value of its own.",
    )


def _long_chain(name: str, value: Variable) -> ExpressionError:
    return ExpressionError(
        f"the variable '{name}' builds on a chain of more than {MAX_CHAIN} others",
        _span_of(value),
        "Give one variable of the chain a value of its own.",
    )


def _span_of(value: Variable) -> Span:
    return (value[0] if isinstance(value, tuple) else value).span


def _uses(value: Variable) -> frozenset[str]:
    parts: Iterable[Expression] = value if isinstance(value, tuple) else (value,)
    return frozenset(name for part in parts for name in part.names)
