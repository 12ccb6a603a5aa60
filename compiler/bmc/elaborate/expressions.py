"""Expressions on tensors: what a value written in a block stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems.names import FamilyIndex, NotAValue, UnknownName
from bmc.diagnostics.problems.params import BadExpression
from bmc.diagnostics.problems.shapes import ShapesDiffer
from bmc.elaborate.apply import apply_target, single, tensors
from bmc.elaborate.choices import chosen
from bmc.elaborate.context import Filling
from bmc.elaborate.positions import position
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Family, Scope, Tensors
from bmc.ir.model import Value
from bmc.ops.arithmetic import Arithmetic, Negate, Take, broadcast
from bmc.ops.base import layer_named
from bmc.ops.kinds import Refusal, show
from bmc.syntax import ast
from bmc.types.symbolic import Const, Num, Real, traced


def evaluate(filling: Filling, expr: ast.Expr, hint: str) -> Any:
    """The value of an expression in a block: tensors where it has any, else a setting."""
    rule = EXPRESSIONS.get(type(expr))
    if rule is None:
        return filling.evaluator.constant(expr, filling.scope)
    return rule(filling, expr, hint)


def _paren(filling: Filling, expr: ast.Paren, hint: str) -> Any:
    return evaluate(filling, expr.inner, hint)


def _name(filling: Filling, expr: ast.Name, hint: str) -> Any:
    thing = filling.scope.find(expr.id)
    if thing is None:
        blocks = filling.scope.table.blocks
        if expr.id in blocks or layer_named(expr.id):
            what = "block" if expr.id in blocks else "layer"
            return filling.evaluator.fail(NotAValue(expr.span, expr.id, what))
        known = tuple(sorted(set(filling.scope.every_name())))
        return filling.evaluator.fail(UnknownName(expr.span, expr.id, "tensor or setting", known))
    if isinstance(thing, BoundLayer):
        return filling.evaluator.fail(NotAValue(expr.span, expr.id, "layer"))
    return thing


def _tupleexpr(filling: Filling, expr: ast.TupleExpr, hint: str) -> Any:
    values: list[Value] = []
    for item in expr.items:
        thing = evaluate(filling, item, hint)
        if thing is UNKNOWN:
            return UNKNOWN
        part = tensors(filling, thing, item.span)
        if part is None:
            return UNKNOWN
        values += part
    return Tensors(values)


def _if(filling: Filling, expr: ast.If, hint: str) -> Any:
    condition = filling.evaluator.condition(expr.condition, filling.scope)
    if condition is None:
        return UNKNOWN
    with chosen(filling, expr, condition):
        return evaluate(filling, expr.then if condition else expr.otherwise, hint)


def _flow(filling: Filling, expr: ast.Flow, hint: str) -> Any:
    thing = evaluate(filling, expr.head, hint)
    if thing is UNKNOWN:
        return UNKNOWN
    values = tensors(filling, thing, expr.head.span)
    for target in expr.targets:
        if values is None:
            return UNKNOWN
        values = apply_target(filling, target, values, hint)
    if values is None:
        return UNKNOWN
    return values[0] if len(values) == 1 else Tensors(values)


def _unary(filling: Filling, expr: ast.Unary, hint: str) -> Any:
    thing = evaluate(filling, expr.operand, hint) if expr.operator == "-" else None
    if isinstance(thing, Value):
        return single(filling, Negate.make({}), [thing], expr.span, hint)
    if thing is UNKNOWN:
        return UNKNOWN
    return filling.evaluator.constant(expr, filling.scope)


def _binary(filling: Filling, expr: ast.Binary, hint: str) -> Any:
    first, steps = ast.left_spine(expr)
    left = evaluate(filling, first, hint)
    for step in steps:
        left = _binary_step(filling, step, left, hint)
        if left is UNKNOWN:
            return UNKNOWN
    return left


def _binary_step(filling: Filling, expr: ast.Binary, left: Any, hint: str) -> Any:
    if left is UNKNOWN:
        return UNKNOWN
    if isinstance(left, Value) or _mentions_tensor(expr.right, filling.scope):
        right = evaluate(filling, expr.right, hint)
    else:
        return filling.evaluator._combine(expr, left, filling.scope)
    if right is UNKNOWN:
        return UNKNOWN
    return arithmetic(filling, expr, left, right, hint)


def arithmetic(filling: Filling, expr: ast.Binary, left: Any, right: Any, hint: str) -> Any:
    """An operator where at least one side is a tensor."""
    sides = {"left": left, "right": right}
    numbers = {}
    for side, thing in sides.items():
        if isinstance(thing, Value):
            continue
        if isinstance(thing, bool) or not isinstance(thing, int | float):
            found = "several tensors" if isinstance(thing, Tensors | Family) else show(thing)
            message = f"`{expr.operator}` takes tensors and numbers, not {found}"
            return filling.evaluator.fail(BadExpression(expr.span, message, None))
        numbers[side] = thing if isinstance(thing, Num | Real) else traced(thing, Const(thing))
    values = [thing for thing in sides.values() if isinstance(thing, Value)]
    if len(values) == 2:
        try:
            broadcast(values[0].type, values[1].type, expr.operator)
        except Refusal:
            also = tuple(Label(v.span, f"this is {v.type}") for v in values)
            return filling.evaluator.fail(
                ShapesDiffer(
                    expr.span,
                    expr.operator,
                    str(values[0].type),
                    str(values[1].type),
                    also,
                    None,
                )
            )
    op = Arithmetic(operator=expr.operator, **numbers)
    return single(filling, op, values, expr.span, hint)


def _index(filling: Filling, expr: ast.Index, hint: str) -> Any:
    base = evaluate(filling, expr.base, hint)
    if base is UNKNOWN:
        return UNKNOWN
    if isinstance(base, Family):
        return _member(filling, expr, base)
    if isinstance(base, Tensors):
        return _member(filling, expr, Family("the tuple", dict(enumerate(base.items))))
    if not isinstance(base, Value):
        return filling.evaluator.constant(expr, filling.scope)
    items = tuple(position(filling.evaluator, item, filling.scope) for item in expr.items)
    if UNKNOWN in items:
        return UNKNOWN
    return single(filling, Take(items=items), [base], expr.span, hint)


def _member(filling: Filling, expr: ast.Index, family: Family) -> Any:
    index = filling.evaluator.constant(expr.items[0], filling.scope)
    if index is UNKNOWN:
        return UNKNOWN
    if len(expr.items) != 1 or isinstance(index, bool) or not isinstance(index, int):
        message = f"`{family.name}` takes one whole number as its index"
        return filling.evaluator.fail(BadExpression(expr.span, message, None))
    if int(index) not in family.members:
        return filling.evaluator.fail(
            FamilyIndex(expr.span, family.name, int(index), len(family.members))
        )
    return family.members[int(index)]


def _mentions_tensor(expr: ast.Expr, scope: Scope) -> bool:
    """Whether an operand is about tensors, so that it is not read as a setting."""
    if isinstance(expr, ast.Flow | ast.TupleExpr):
        return True
    if isinstance(expr, ast.Name):
        return isinstance(scope.find(expr.id), Value | Tensors | Family)
    if isinstance(expr, ast.Paren):
        return _mentions_tensor(expr.inner, scope)
    if isinstance(expr, ast.Index | ast.Attribute):
        return _mentions_tensor(expr.base, scope)
    if isinstance(expr, ast.Unary):
        return _mentions_tensor(expr.operand, scope)
    if isinstance(expr, ast.Binary):
        return _mentions_tensor(expr.left, scope) or _mentions_tensor(expr.right, scope)
    if isinstance(expr, ast.If):
        return _mentions_tensor(expr.then, scope) or _mentions_tensor(expr.otherwise, scope)
    return False


EXPRESSIONS: Mapping[type[ast.Expr], Callable[..., Any]] = {
    ast.Paren: _paren,
    ast.Name: _name,
    ast.TupleExpr: _tupleexpr,
    ast.If: _if,
    ast.Flow: _flow,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Index: _index,
}  # any other is a setting
