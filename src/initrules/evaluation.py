"""Values of expressions for one parameter: names are looked up, arithmetic is kept finite."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from initrules.errors import EvaluationError, suggestion
from initrules.expression import (
    CONSTANTS,
    FUNCTIONS,
    MAX_EXPONENT,
    Expression,
    Scalar,
    Value,
    Variable,
    dotted,
    part_of,
)
from initrules.gains import recommended_gain

# The tensors of a checkpoint: shape and dtype by name.
Catalog: TypeAlias = "Mapping[str, tuple[tuple[int, ...], str]]"


_SELECT = "Ask only where it has one: select other parameters, or give the number."


class Missing(NamedTuple):
    """A name that exists but has no value here, why, and the way out."""

    reason: str
    hint: str = _SELECT


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean for one parameter.

    ``values``: captures and facts; ``objects``: recorded attributes, ``config.name`` for one level
    into a config; ``count``: how many modules a pattern meets; ``shape`` for ``size(k)``; ``path`` and
    ``owner``: the name by which the rule met the parameter, and its module's; ``siblings``: the module's
    parameters by local name; ``find``: canonical name and shape of any parameter; ``catalogs``: what
    the checkpoints hold.
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)
    values: Mapping[str, Value | Missing] = field(default_factory=dict)
    objects: Mapping[str, Mapping[str, Value] | Missing] = field(default_factory=dict)
    count: Callable[[str], int] | None = None
    shape: tuple[int, ...] | None = None
    path: str = ""
    owner: str = ""
    siblings: Mapping[str, str] = field(default_factory=dict)
    find: Callable[[str], tuple[str, tuple[int, ...]] | None] | None = None
    catalogs: Mapping[str, Catalog] = field(default_factory=dict)

    def has(self, owner: str, name: str) -> bool:
        """Whether an object has a recorded attribute."""
        attributes = self.objects.get(owner)
        return attributes is not None and not isinstance(attributes, Missing) and name in attributes


def evaluate(expression: Expression, scope: Scope) -> Value:
    """The finite value of an expression. Raises ``EvaluationError`` with the place and the reason."""
    try:
        return _Evaluator(expression, scope).value(expression.tree)
    except RecursionError:
        raise EvaluationError(f"'{expression.text}' is nested too deep", expression.span, _DEEP) from None


_DEEP = "Give a variable that it builds on a value of its own."


def value_of(node: ast.expr, expression: Expression, scope: Scope, known: dict[str, Value]) -> Value:
    """The value of one part of an expression; ``known`` remembers variables, so that each is computed once."""
    return _Evaluator(expression, scope, known).value(node)


def _short(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# What only a run can show, for the layers whose neighbours can be told.
NOT_OBSERVED = Missing(
    "no run has shown what follows this module",
    "A run shows it for linear layers and convolutions: '--inputs file.py:function', a function 'example_inputs' "
    "beside the factory, or plan(..., inputs=...).",
)


class _Evaluator:
    def __init__(self, expression: Expression, scope: Scope, known: dict[str, Value] | None = None) -> None:
        self.expression = expression
        self.scope = scope
        self.known: dict[str, Value] = {} if known is None else known  # variables, so that each is computed once

    def fail(self, node: ast.expr, message: str, hint: str) -> EvaluationError:
        return EvaluationError(message, part_of(self.expression.text, self.expression.span, node), hint)

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=value):
                return value  # type: ignore[return-value]  # the checker let only scalars pass
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript(value=owner, slice=index):
                return self._item(node, self.value(owner), self.value(index))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(node, name, args)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, op, self._number(left), self._number(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._truth(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.UnaryOp(operand=operand):
                return self._number(operand)
            case ast.BoolOp(op=op, values=values):  # as in Python, the operand that decides
                found: float = self._number(values[0])
                for operand in values[1:]:
                    if bool(found) is isinstance(op, ast.Or):
                        break
                    found = self._number(operand)
                return found
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body) if self._truth(test) else self.value(orelse)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return tuple(self.scalar(item) for item in items)
            case ast.Compare():
                return self._compare(node)
        raise AssertionError(ast.dump(node))  # the checker refuses everything else

    def scalar(self, node: ast.expr) -> Scalar:
        value = self.value(node)
        if isinstance(value, tuple):
            raise self.fail(node, f"'{ast.unparse(node)}' is a list", "Take one element: name[0].")
        return value

    def _number(self, node: ast.expr) -> float:
        value = self.scalar(node)
        if isinstance(value, str):
            hint = "Text stands only beside ==, != and in."
            raise self.fail(node, f"'{ast.unparse(node)}' is the text '{value}', not a number", hint)
        return value

    def _truth(self, node: ast.expr) -> bool:
        return bool(self._number(node))

    def _name(self, node: ast.expr, name: str) -> Value:
        if name in self.scope.values:
            value = self.scope.values[name]
            if isinstance(value, Missing):
                raise self.fail(node, f"'{name}' has no value here: {value.reason}", value.hint)
            return value
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name not in self.scope.variables:
            raise self.fail(node, f"'{name}' has no value here", _SELECT)
        if name not in self.known:
            self.known[name] = self._variable(self.scope.variables[name])
        return self.known[name]

    def _variable(self, variable: Variable) -> Value:
        if isinstance(variable, tuple):
            return tuple(_Evaluator(part, self.scope, self.known).scalar(part.tree) for part in variable)
        return _Evaluator(variable, self.scope, self.known).value(variable.tree)

    def _attribute(self, node: ast.Attribute) -> Value:
        owner, *path = dotted(node) or ("",)
        attributes = self.scope.objects.get(owner, Missing(f"there is no '{owner}' here"))
        if isinstance(attributes, Missing):
            hint = f"With get({ast.unparse(node)}, value) it may be absent."
            raise self.fail(node, f"'{ast.unparse(node)}' has no value here: {attributes.reason}", hint)
        key = ".".join(path)
        if key not in attributes:
            hint = f"{suggestion(key, attributes)} With get({owner}.{key}, value) it may be absent."
            hint = NOT_OBSERVED.hint if key.startswith("observed.") else hint
            raise self.fail(node, f"'{owner}' has no recorded attribute '{key}'", hint)
        return attributes[key]

    def _item(self, node: ast.expr, owner: Value, index: Value) -> Value:
        if not isinstance(owner, tuple):
            raise self.fail(
                node, f"'{ast.unparse(node)}' takes an element of something that is no list", "Leave out the []."
            )
        if not isinstance(index, int) or isinstance(index, bool):
            raise self.fail(node, f"the index {index} is no whole number", "Divide with // for a whole number.")
        if not -len(owner) <= index < len(owner):
            raise self.fail(node, f"there is no element {index} in a list of {len(owner)}", "The first one is [0].")
        return owner[index]

    def _call(self, node: ast.Call, name: str, args: list[ast.expr]) -> Value:
        match name:
            case "gain":
                return self._gain(args)
            case "count":
                return self._count(node, str(self.value(args[0])))
            case "size":
                return self._size(node, self._number(args[0]))
            case "get":
                return self._get(args)
            case "mean" | "std" | "norm":
                raise self.fail(node, f"'{name}' looks at a tensor", "It stands only in 'formula'.")
        return self._guarded(node, lambda: FUNCTIONS[name](*(self._number(arg) for arg in args)))

    def _gain(self, args: list[ast.expr]) -> float:
        name = str(self.value(args[0]))
        return recommended_gain(name, self._number(args[1]) if len(args) > 1 else None)

    def _count(self, node: ast.Call, pattern: str) -> int:
        if self.scope.count is None:
            raise self.fail(node, "there is no model to count in", "Write the number.")
        return self.scope.count(pattern)

    def _size(self, node: ast.Call, dim: float) -> int:
        shape = self.scope.shape
        if shape is None:
            raise self.fail(node, "'size' has no value here", "It is a fact of one parameter, not of the model.")
        if int(dim) != dim or not -len(shape) <= dim < len(shape):
            plural = "s" * (len(shape) != 1)
            message = f"size({dim:g}) of a parameter with {len(shape)} dimension{plural}"
            raise self.fail(node, message, "The first dimension is size(0), the last one size(-1).")
        return shape[int(dim)]

    def _get(self, args: list[ast.expr]) -> Value:
        owner, *path = dotted(args[0]) or ("",)
        attributes = self.scope.objects.get(owner)
        if attributes is None or isinstance(attributes, Missing) or ".".join(path) not in attributes:
            return self.value(args[1])
        return attributes[".".join(path)]

    def _binary(self, node: ast.expr, op: ast.operator, left: float, right: float) -> float:
        if isinstance(op, ast.Pow) and abs(right) > MAX_EXPONENT:
            raise self.fail(node, f"the exponent {right:g} is over {MAX_EXPONENT}", "Use exp() and log().")
        return self._guarded(node, lambda: _BINARY[type(op)](left, right))

    def _guarded(self, node: ast.expr, compute: Callable[[], float]) -> float:
        problem = None
        try:
            value = compute()
        except ZeroDivisionError:
            problem = "divides by zero"
        except OverflowError:
            problem = "is too large to hold"
        except ValueError:
            problem = "is not defined for this value"
        else:
            if isinstance(value, complex):
                problem = "is not a real number"
            elif abs(value) >= 2**1023:  # infinities too
                problem = "is too large to hold"
        if problem:
            leaves = ", ".join(f"{name} = {_short(value)}" for name, value in self._leaves(node))
            hint = f"Here {leaves}." if leaves else "Write another number."
            raise self.fail(node, f"'{ast.unparse(node)}' {problem}", hint)
        return value

    def _leaves(self, node: ast.expr) -> Iterator[tuple[str, Value]]:
        """The names and attributes in an expression that cannot be computed, with their values."""
        inner = {id(n.func) for n in ast.walk(node) if isinstance(n, ast.Call)}
        inner |= {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        seen: set[str] = set()
        for leaf in ast.walk(node):
            if isinstance(leaf, ast.Attribute | ast.Name) and id(leaf) not in inner and ast.unparse(leaf) not in seen:
                seen.add(ast.unparse(leaf))
                with contextlib.suppress(EvaluationError):  # what get() asks for may be absent
                    yield ast.unparse(leaf), self.value(leaf)

    def _compare(self, node: ast.Compare) -> bool:
        values = [self.value(side) for side in (node.left, *node.comparators)]
        for op, left, right in zip(node.ops, values, values[1:], strict=False):
            if not self._holds(node, op, left, right):
                return False
        return True

    def _holds(self, node: ast.Compare, op: ast.cmpop, left: Value, right: Value) -> bool:
        match op:
            case ast.Eq():
                return left == right
            case ast.NotEq():
                return left != right
            case ast.In() | ast.NotIn():
                inside = self._inside(node, left, right)
                return inside is isinstance(op, ast.In)
        if isinstance(left, str | tuple) or isinstance(right, str | tuple):
            raise self.fail(
                node, f"'{ast.unparse(node)}' compares something that is no number", "Use == or != for text and lists."
            )
        return bool(_ORDER[type(op)](left, right))

    def _inside(self, node: ast.Compare, left: Value, right: Value) -> bool:
        if isinstance(right, tuple):
            return left in right
        if isinstance(left, str) and isinstance(right, str):
            return left in right
        raise self.fail(node, f"'{ast.unparse(node)}' looks into something that is no list", "Write x in [1, 2].")


_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = MappingProxyType(
    {
        ast.Add: lambda a, b: a + b,
        ast.Sub: lambda a, b: a - b,
        ast.Mult: lambda a, b: a * b,
        ast.Div: lambda a, b: a / b,
        ast.FloorDiv: lambda a, b: a // b,
        ast.Mod: lambda a, b: a % b,
        ast.Pow: lambda a, b: a**b,
    }
)
_ORDER: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = MappingProxyType(
    {
        ast.Lt: lambda a, b: a < b,
        ast.LtE: lambda a, b: a <= b,
        ast.Gt: lambda a, b: a > b,
        ast.GtE: lambda a, b: a >= b,
    }
)
