"""Conditions as a block's own terms: what decides between the ways in which it may be built.

A use of a block takes one side of an `if`; backends that print all uses as one class or function
print the condition, too. What can't be said by the block's settings and dimensions has no test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bmc.elaborate.context import Filling
from bmc.elaborate.scope import Scope
from bmc.ir.model import Choice, Test
from bmc.syntax import ast
from bmc.types.symbolic import OPERATORS, Num, Real, Var, expression_of

COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
ARITHMETIC = {sign: OPERATORS[sign] for sign in ("+", "-", "*", "//", "%")}


@contextmanager
def chosen(filling: Filling, expr: ast.If, taken: bool) -> Iterator[None]:
    """Notes that what is built meanwhile depends on a condition."""
    test = _test(filling, expr.condition, filling.scope)
    if test is not None and _names(test):
        filling.spec.decided.append(test)
    if filling.spec.kind != "block" or (test is not None and not _names(test)):
        yield  # a model is built once, and what no setting decides is the same in all uses
        return
    before, key = filling.guards, (expr.span.start, *filling.loop_path)
    filling.spec.choices[key] = Choice(test, taken)
    filling.guards = (*before, key)
    try:
        yield
    finally:
        filling.guards = before


def _test(filling: Filling, expr: ast.Expr, scope: Scope) -> Test | None:
    """A condition as a tree; None where it is about something else than numbers and settings."""
    if isinstance(expr, ast.Paren):
        return _test(filling, expr.inner, scope)
    if isinstance(expr, ast.Unary) and expr.operator == "not":
        inner = _test(filling, expr.operand, scope)
        return None if inner is None else Test("not", inner)
    if isinstance(expr, ast.Binary) and expr.operator in {"and", "or", *COMPARISONS}:
        rule = _leaf if expr.operator in COMPARISONS else _test
        sides = [rule(filling, side, scope) for side in (expr.left, expr.right)]
        return None if None in sides else Test(expr.operator, *sides)
    leaf = _leaf(filling, expr, scope)
    return Test("is", leaf) if isinstance(leaf, bool | Var) else None


def _leaf(filling: Filling, expr: ast.Expr, scope: Scope) -> Any:
    """A number that remembers how it was made, a setting by its name, or None."""
    if isinstance(expr, ast.Paren):
        return _leaf(filling, expr.inner, scope)
    if isinstance(expr, ast.Number | ast.Bool | ast.String):
        return expr.value
    if isinstance(expr, ast.Name):
        found = scope.find(expr.id)
        if isinstance(found, Num | Real) or type(found) in (int, float):
            return found
        if isinstance(found, bool | str):
            return Var(expr.id) if expr.id in filling.spec.settings else found
        return None
    if isinstance(expr, ast.Binary) and expr.operator in ARITHMETIC:
        sides = [_leaf(filling, side, scope) for side in (expr.left, expr.right)]
        if all(isinstance(side, int | float) and not isinstance(side, bool) for side in sides):
            try:
                return ARITHMETIC[expr.operator](*sides)
            except ArithmeticError:
                return None
    return None


def _names(test: Any) -> set[str]:
    """The settings and dimensions that a test reads."""
    if isinstance(test, Test):
        return _names(test.left) | _names(test.right)
    if isinstance(test, Var):
        return {test.name}
    return set(expression_of(test).names()) if isinstance(test, Num | Real) else set()
