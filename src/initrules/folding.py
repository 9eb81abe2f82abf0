"""Expressions of a free name, such as ``x`` in a formula: all else in them is replaced by its value."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from initrules.errors import EvaluationError
from initrules.evaluation import Scope, value_of
from initrules.expression import FUNCTIONS, MAX_LENGTH, Expression, Value, dotted


def bound(
    expression: Expression, scope: Scope, free: Collection[str], free_attribute: Callable[[str], bool] | None = None
) -> str:
    """The text of an expression in which all that does not depend on a free name is replaced by its value.

    Variables that depend on one are spelled out. ``free_attribute`` says which dotted names, such as
    ``module.weight``, stay as they are. Raises ``EvaluationError`` with the place and the reason.
    """
    if isinstance(expression.tree, ast.Name) and expression.tree.id in {*FUNCTIONS, "identity"}:
        return expression.tree.id  # the bare name of a function
    common = _Common(expression, scope, free, free_attribute or (lambda _: False))
    try:
        text = ast.unparse(_Fold(expression, common).visit(copy.deepcopy(expression.tree)))
    except RecursionError:
        raise _too_long(expression) from None
    if len(text) > MAX_LENGTH:
        raise _too_long(expression)
    return text


def _too_long(expression: Expression) -> EvaluationError:
    hint = "Compute it in several steps, or give a variable that it uses a simpler value."
    message = f"'{expression.text}' has more than {MAX_LENGTH:,} characters when its variables are spelled out"
    return EvaluationError(message, expression.span, hint)


@dataclass(slots=True)
class _Common:
    """What all expressions that are folded for one argument share."""

    whole: Expression
    scope: Scope
    free: Collection[str]
    free_attribute: Callable[[str], bool]
    known: dict[str, Value] = field(default_factory=dict)  # variables that have a value
    open: dict[str, bool] = field(default_factory=dict)  # whether a variable depends on a free name
    spelled: int = 0  # how many variables were spelled out: variables of variables double quickly

    def is_open(self, node: ast.AST) -> bool:
        """Whether a part depends on a free name, itself or by way of variables."""
        match node:
            case ast.Name(id=name):
                return name in self.free or self._is_open_variable(name)
            case ast.Attribute():
                return self.free_attribute(".".join(dotted(node) or ()))
            case ast.Call(args=args):
                return any(self.is_open(arg) for arg in args)
        return any(self.is_open(child) for child in ast.iter_child_nodes(node))

    def _is_open_variable(self, name: str) -> bool:
        if name not in self.open:
            variable = None if name in self.scope.values else self.scope.variables.get(name)
            self.open[name] = isinstance(variable, Expression) and self.is_open(variable.tree)
        return self.open[name]


class _Fold(ast.NodeTransformer):
    """Replaces every part of a syntax tree that is not open by its value, and spells out variables."""

    def __init__(self, expression: Expression, common: _Common) -> None:
        self.expression = expression
        self.common = common

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr) and not self.common.is_open(node):
            return _literal(value_of(node, self.expression, self.common.scope, self.common.known))
        match node:
            case ast.Name(id=name) if name not in self.common.free:
                return self._spelled_out(name)
            case ast.Name() | ast.Attribute():
                return node
            case ast.Call():
                arguments: Any = [self.visit(arg) for arg in node.args]
                return ast.Call(node.func, arguments, [])
        return self.generic_visit(node)

    def _spelled_out(self, name: str) -> ast.AST:
        self.common.spelled += 1
        if self.common.spelled > MAX_LENGTH:
            raise _too_long(self.common.whole)
        variable = self.common.scope.variables[name]
        assert isinstance(variable, Expression)
        found: ast.AST = _Fold(variable, self.common).visit(copy.deepcopy(variable.tree))
        return found


def _literal(value: Value) -> ast.expr:
    if isinstance(value, tuple):
        return ast.List([_literal(item) for item in value], ast.Load())
    if isinstance(value, int | float) and value < 0:  # with its sign outside, so that powers keep their meaning
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)
