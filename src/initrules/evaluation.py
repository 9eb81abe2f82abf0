"""Values of expressions for one parameter: names are looked up, arithmetic is kept finite."""

from __future__ import annotations

import ast
import copy
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from initrules.errors import EvaluationError, suggestion
from initrules.expression import (
    CONSTANTS,
    FUNCTIONS,
    MAX_EXPONENT,
    QUERIES,
    Expression,
    Scalar,
    Value,
    dotted,
    part_of,
)
from initrules.gains import recommended_gain


class Missing(NamedTuple):
    """A name that exists but has no value here, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean for one parameter.

    ``values``: captures and facts; ``objects``: recorded attributes, ``config.name`` for one level
    into a config; ``count``: how many modules a pattern meets; ``shape`` for ``size(k)``.
    """

    variables: Mapping[str, Expression | tuple[Expression, ...]] = field(default_factory=dict)
    values: Mapping[str, Value | Missing] = field(default_factory=dict)
    objects: Mapping[str, Mapping[str, Value] | Missing] = field(default_factory=dict)
    count: Callable[[str], int] | None = None
    shape: tuple[int, ...] | None = None


def evaluate(expression: Expression, scope: Scope) -> Value:
    """The finite value of an expression. Raises ``EvaluationError`` with the place and the reason."""
    value = _Evaluator(expression, scope).value(expression.tree)
    if isinstance(value, float) and not math.isfinite(value):
        raise EvaluationError(f"'{expression.text}' is {value}", expression.span, "Values must be finite.")
    return value


def bound(expression: Expression, scope: Scope, free: Collection[str]) -> str:
    """The text of an expression with every name but those of ``free`` and the functions replaced by its value."""
    evaluator = _Evaluator(expression, scope)

    class Fold(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            if isinstance(node.func, ast.Name) and node.func.id in QUERIES:
                return _literal(evaluator.value(node))
            return ast.Call(node.func, [self.visit(arg) for arg in node.args], [])

        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            return _literal(evaluator.value(node))

        def visit_Name(self, node: ast.Name) -> ast.AST:
            return node if node.id in {*free, *FUNCTIONS} else _literal(evaluator.value(node))

    return ast.unparse(Fold().visit(copy.deepcopy(expression.tree)))


def _literal(value: Value) -> ast.expr:
    if isinstance(value, tuple):
        return ast.List([ast.Constant(item) for item in value], ast.Load())
    return ast.Constant(value)


class _Evaluator:
    def __init__(self, expression: Expression, scope: Scope) -> None:
        self.expression = expression
        self.scope = scope

    def fail(self, node: ast.expr, message: str, hint: str | None = None) -> EvaluationError:
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
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self._truth(value) for value in values)
            case ast.BoolOp(values=values):
                return any(self._truth(value) for value in values)
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
            raise self.fail(node, f"'{ast.unparse(node)}' is the text '{value}', not a number")
        return value

    def _truth(self, node: ast.expr) -> bool:
        return bool(self._number(node))

    def _name(self, node: ast.expr, name: str) -> Value:
        if name in self.scope.values:
            value = self.scope.values[name]
            if isinstance(value, Missing):
                raise self.fail(node, f"'{name}' has no value here: {value.reason}")
            return value
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in self.scope.variables:
            variable = self.scope.variables[name]
            if isinstance(variable, tuple):
                return tuple(_Evaluator(part, self.scope).scalar(part.tree) for part in variable)
            return evaluate(variable, self.scope)
        raise self.fail(node, f"'{name}' has no value here")

    def _attribute(self, node: ast.Attribute) -> Value:
        owner, *path = dotted(node) or ("",)
        attributes = self.scope.objects.get(owner, Missing(f"there is no '{owner}' here"))
        if isinstance(attributes, Missing):
            raise self.fail(node, f"'{ast.unparse(node)}' has no value here: {attributes.reason}")
        key = ".".join(path)
        if key not in attributes:
            hint = f"{suggestion(key, attributes)} With get({owner}.{key}, value) it may be absent."
            raise self.fail(node, f"'{owner}' has no recorded attribute '{key}'", hint)
        return attributes[key]

    def _item(self, node: ast.expr, owner: Value, index: Value) -> Value:
        if not isinstance(owner, tuple):
            raise self.fail(node, f"'{ast.unparse(node)}' takes an element of something that is no list")
        if not isinstance(index, int) or isinstance(index, bool) or not -len(owner) <= index < len(owner):
            raise self.fail(node, f"index {index} of a list of {len(owner)}")
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
            raise self.fail(node, "there is no model to count in")
        return self.scope.count(pattern)

    def _size(self, node: ast.Call, dim: float) -> int:
        shape = self.scope.shape
        if shape is None:
            raise self.fail(node, "'size' has no value here")
        if int(dim) != dim or not -len(shape) <= dim < len(shape):
            raise self.fail(node, f"size({dim:g}) of a parameter with {len(shape)} dimensions")
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
        shown = ast.unparse(node)
        try:
            value = compute()
        except ZeroDivisionError:
            raise self.fail(node, f"'{shown}' divides by zero") from None
        except OverflowError:
            raise self.fail(node, f"'{shown}' is too large to hold") from None
        except ValueError:
            raise self.fail(node, f"'{shown}' is not defined for this value") from None
        if isinstance(value, complex):
            raise self.fail(node, f"'{shown}' is not a real number")
        if isinstance(value, int) and abs(value) >= 2**1023:
            raise self.fail(node, f"'{shown}' is too large to hold")
        return value

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
            raise self.fail(node, f"'{ast.unparse(node)}' compares something that is no number")
        return bool(_ORDER[type(op)](left, right))

    def _inside(self, node: ast.Compare, left: Value, right: Value) -> bool:
        if isinstance(right, tuple):
            return left in right
        if isinstance(left, str) and isinstance(right, str):
            return left in right
        raise self.fail(node, f"'{ast.unparse(node)}' looks into something that is no list")


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
