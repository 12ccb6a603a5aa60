"""Expressions on tensors: what a value written in a block stands for."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.diagnostic import Label
from bmc.diagnostics.problems.names import FamilyIndex, NotAValue, UnknownName
from bmc.diagnostics.problems.params import BadExpression
from bmc.diagnostics.problems.shapes import ShapesDiffer
from bmc.elaborate.apply import Applier
from bmc.elaborate.positions import position
from bmc.elaborate.scope import UNKNOWN, BoundLayer, Family, Scope, Tensors
from bmc.ir.model import Value
from bmc.ops.arithmetic import Arithmetic, Negate, Take, broadcast
from bmc.ops.base import layer_named
from bmc.ops.kinds import Refusal, show
from bmc.syntax import ast
from bmc.types.symbolic import Const, Num, Real, traced


class Expressions(Applier):
    """Evaluates what stands on the right of a `=`: tensors where it has any, else a setting."""

    def eval(self, expr: ast.Expr, hint: str) -> Any:
        """The value of an expression in a block: tensors where it has any, else a setting."""
        method = getattr(self, f"_eval_{type(expr).__name__.lower()}", None)
        if method is None:
            return self.evaluator.constant(expr, self.scope)
        return method(expr, hint)

    def _eval_paren(self, expr: ast.Paren, hint: str) -> Any:
        return self.eval(expr.inner, hint)

    def _eval_name(self, expr: ast.Name, hint: str) -> Any:
        thing = self.scope.find(expr.id)
        if thing is None:
            blocks = self.scope.table.blocks
            if expr.id in blocks or layer_named(expr.id):
                what = "block" if expr.id in blocks else "layer"
                return self.evaluator.fail(NotAValue(expr.span, expr.id, what))
            known = tuple(sorted(set(self.scope.every_name())))
            return self.evaluator.fail(UnknownName(expr.span, expr.id, "tensor or setting", known))
        if isinstance(thing, BoundLayer):
            return self.evaluator.fail(NotAValue(expr.span, expr.id, "layer"))
        return thing

    def _eval_tupleexpr(self, expr: ast.TupleExpr, hint: str) -> Any:
        values: list[Value] = []
        for item in expr.items:
            thing = self.eval(item, hint)
            if thing is UNKNOWN:
                return UNKNOWN
            part = self.tensors(thing, item.span)
            if part is None:
                return UNKNOWN
            values += part
        return Tensors(values)

    def _eval_if(self, expr: ast.If, hint: str) -> Any:
        condition = self.evaluator.condition(expr.condition, self.scope)
        if condition is None:
            return UNKNOWN
        return self.eval(expr.then if condition else expr.otherwise, hint)

    def _eval_flow(self, expr: ast.Flow, hint: str) -> Any:
        thing = self.eval(expr.head, hint)
        if thing is UNKNOWN:
            return UNKNOWN
        values = self.tensors(thing, expr.head.span)
        for target in expr.targets:
            if values is None:
                return UNKNOWN
            values = self.apply_target(target, values, hint)
        if values is None:
            return UNKNOWN
        return values[0] if len(values) == 1 else Tensors(values)

    def _eval_unary(self, expr: ast.Unary, hint: str) -> Any:
        thing = self.eval(expr.operand, hint) if expr.operator == "-" else None
        if isinstance(thing, Value):
            return self.single(Negate.make({}), [thing], expr.span, hint)
        if thing is UNKNOWN:
            return UNKNOWN
        return self.evaluator.constant(expr, self.scope)

    def _eval_binary(self, expr: ast.Binary, hint: str) -> Any:
        first, steps = ast.left_spine(expr)
        left = self.eval(first, hint)
        for step in steps:
            left = self._binary_step(step, left, hint)
            if left is UNKNOWN:
                return UNKNOWN
        return left

    def _binary_step(self, expr: ast.Binary, left: Any, hint: str) -> Any:
        if left is UNKNOWN:
            return UNKNOWN
        if isinstance(left, Value) or _mentions_tensor(expr.right, self.scope):
            right = self.eval(expr.right, hint)
        else:
            return self.evaluator._combine(expr, left, self.scope)
        if right is UNKNOWN:
            return UNKNOWN
        return self.arithmetic(expr, left, right, hint)

    def arithmetic(self, expr: ast.Binary, left: Any, right: Any, hint: str) -> Any:
        """An operator where at least one side is a tensor."""
        sides = {"left": left, "right": right}
        numbers = {}
        for side, thing in sides.items():
            if isinstance(thing, Value):
                continue
            if isinstance(thing, bool) or not isinstance(thing, int | float):
                found = "several tensors" if isinstance(thing, Tensors | Family) else show(thing)
                message = f"`{expr.operator}` takes tensors and numbers, not {found}"
                return self.evaluator.fail(BadExpression(expr.span, message, None))
            numbers[side] = thing if isinstance(thing, Num | Real) else traced(thing, Const(thing))
        values = [thing for thing in sides.values() if isinstance(thing, Value)]
        if len(values) == 2:
            try:
                broadcast(values[0].type, values[1].type, expr.operator)
            except Refusal:
                also = tuple(Label(v.span, f"this is {v.type}") for v in values)
                return self.evaluator.fail(
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
        return self.single(op, values, expr.span, hint)

    def _eval_index(self, expr: ast.Index, hint: str) -> Any:
        base = self.eval(expr.base, hint)
        if base is UNKNOWN:
            return UNKNOWN
        if isinstance(base, Family):
            return self._member(expr, base)
        if isinstance(base, Tensors):
            return self._member(expr, Family("the tuple", dict(enumerate(base.items))))
        if not isinstance(base, Value):
            return self.evaluator.constant(expr, self.scope)
        items = tuple(position(self.evaluator, item, self.scope) for item in expr.items)
        if UNKNOWN in items:
            return UNKNOWN
        return self.single(Take(items=items), [base], expr.span, hint)

    def _member(self, expr: ast.Index, family: Family) -> Any:
        index = self.evaluator.constant(expr.items[0], self.scope)
        if index is UNKNOWN:
            return UNKNOWN
        if len(expr.items) != 1 or isinstance(index, bool) or not isinstance(index, int):
            message = f"`{family.name}` takes one whole number as its index"
            return self.evaluator.fail(BadExpression(expr.span, message, None))
        if int(index) not in family.members:
            return self.evaluator.fail(
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
