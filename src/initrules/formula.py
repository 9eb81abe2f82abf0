"""Formulas over whole tensors: expressions in which ``x`` is every entry, ``i j k l`` its indices.

Computed in float64 with numpy; the caller casts. Global streams compute with another library, see
``torch_formula``. ``x`` is the value so far, ``i j k l`` count along dimensions 0 to 3,
``mean std norm`` look at a whole tensor (``std`` divides by n - 1, as torch's).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from initrules.expression import CONSTANTS, DIMENSIONS, Expression, dotted

Array = Any  # numpy.ndarray of float64, complex128 or bool, or a number


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, 0.0)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _float(value: Array) -> Array:
    array = np.asarray(value)
    return array if array.dtype.kind in "fc" else array.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Library:
    """What a formula computes with. ``number`` makes what arithmetic and functions take of a value."""

    functions: Mapping[str, Callable[..., Array]]
    binary: Mapping[type[ast.operator], Callable[[Array, Array], Array]]
    compare: Mapping[type[ast.cmpop], Callable[[Array, Array], Array]]
    where: Callable[[Array, Array, Array], Array]
    number: Callable[[Array], Array]
    index: Callable[[int], Array]  # 0, 1, ... n - 1


_NUMPY = Library(
    functions=MappingProxyType(
        {
            "sqrt": np.sqrt, "log": np.log, "log1p": np.log1p, "exp": np.exp, "expm1": np.expm1, "sin": np.sin,
            "cos": np.cos, "tanh": np.tanh, "sigmoid": _sigmoid, "softplus": _softplus, "abs": np.abs,
            "floor": np.floor, "ceil": np.ceil, "min": np.minimum, "max": np.maximum, "negative": np.negative,
            "not": np.logical_not, "and": np.logical_and, "or": np.logical_or,
            "mean": np.mean, "std": lambda x: np.std(x, ddof=1), "norm": lambda x: np.sqrt(np.sum(np.abs(x) ** 2)),
        }
    ),
    binary=MappingProxyType(
        {
            ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
            ast.FloorDiv: np.floor_divide, ast.Mod: np.mod, ast.Pow: np.power,
        }
    ),
    compare=MappingProxyType(
        {
            ast.Eq: np.equal, ast.NotEq: np.not_equal, ast.Lt: np.less, ast.LtE: np.less_equal,
            ast.Gt: np.greater, ast.GtE: np.greater_equal,
        }
    ),
    where=np.where,
    number=_float,
    index=lambda size: np.arange(size, dtype=np.float64),
)  # fmt: skip


def compute(expression: Expression, x: Array | None, shape: tuple[int, ...], tensors: Mapping[str, Array]) -> Array:
    """The value of a formula, of shape ``shape``, in float64 (complex128 when ``x`` is complex).

    ``x``: the value so far, None for a formula that fills; ``tensors``: values by the name they have
    in the formula, such as ``module.weight``. Entries that are not finite are returned as such.
    """
    with np.errstate(all="ignore"):
        value = computed(_NUMPY, expression, x, shape, tensors)
    return np.broadcast_to(np.asarray(value), shape)


def finite(value: Array) -> Array:
    """Which entries are finite."""
    return np.isfinite(value)


def computed(
    library: Library, expression: Expression, x: Array | None, shape: tuple[int, ...], tensors: Mapping[str, Array]
) -> Array:
    """The value of a formula with any library, of a shape that broadcasts to ``shape``."""
    return _Computer(library, x, shape, tensors).value(expression.tree)


class _Computer:
    def __init__(self, library: Library, x: Array | None, shape: tuple[int, ...], tensors: Mapping[str, Array]) -> None:
        self.library = library
        self.names: dict[str, Array] = dict(CONSTANTS)
        if x is not None:
            self.names["x"] = x
        for dim, name in enumerate(DIMENSIONS[: len(shape)]):
            ones = [1] * len(shape)
            ones[dim] = shape[dim]
            self.names[name] = library.index(shape[dim]).reshape(ones)
        self.tensors = tensors

    def value(self, node: ast.expr) -> Array:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.names[name]
            case ast.Attribute():
                return self.tensors[".".join(dotted(node) or ())]
            case ast.Call(func=ast.Name(id="log"), args=[number, base]):
                return self.value(_quotient_of_logs(number, base))
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._many(name, args)
            case ast.BinOp(left=left, op=op, right=right):
                return self.library.binary[type(op)](self._number(left), self._number(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.library.functions["not"](self.value(operand))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.library.functions["negative"](self._number(operand))
            case ast.UnaryOp(operand=operand):
                return self.value(operand)
            case ast.BoolOp(op=op, values=values):
                join = self.library.functions["and" if isinstance(op, ast.And) else "or"]
                return _fold(join, [self.value(value) for value in values])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.library.where(self.value(test), self.value(body), self.value(orelse))
            case ast.Compare():
                return self._compare(node)
        raise AssertionError(ast.dump(node))  # problem() has refused everything else

    def _number(self, node: ast.expr) -> Array:
        return self.library.number(self.value(node))

    def _many(self, name: str, args: list[ast.expr]) -> Array:
        function, values = self.library.functions[name], [self._number(arg) for arg in args]
        return _fold(function, values) if name in {"min", "max"} else function(*values)

    def _compare(self, node: ast.Compare) -> Array:
        sides = [self.value(side) for side in (node.left, *node.comparators)]
        pairs = zip(node.ops, sides, sides[1:], strict=False)
        compare = self.library.compare
        return _fold(self.library.functions["and"], [compare[type(op)](left, right) for op, left, right in pairs])


def _quotient_of_logs(number: ast.expr, base: ast.expr) -> ast.expr:
    log = ast.Name("log", ast.Load())
    return ast.BinOp(ast.Call(log, [number], []), ast.Div(), ast.Call(log, [base], []))


def _fold(join: Callable[[Array, Array], Array], values: list[Array]) -> Array:
    result = values[0]
    for value in values[1:]:
        result = join(result, value)
    return result


def unfit(expression: Expression, dimensions: int) -> str | None:
    """Why a formula cannot be computed for a tensor of so many dimensions, or None."""
    for node in ast.walk(expression.tree):
        if isinstance(node, ast.Name) and node.id in DIMENSIONS[dimensions:]:
            plural = "s" * (dimensions != 1)
            return f"the index '{node.id}' is out of range: the parameter has {dimensions} dimension{plural}"
        if isinstance(node, ast.Subscript | ast.List | ast.Tuple):
            return f"'{ast.unparse(node)}' does not stand in a formula"
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
            return "'in' does not stand in a formula; compare with =="
    return None
