"""What stands for an axis in `x[0, a..b, ..]`."""

from __future__ import annotations

from typing import Any

from bmc.diagnostics.problems.params import BadExpression
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import UNKNOWN, Scope
from bmc.syntax import ast
from bmc.types.symbolic import Sym


def position(evaluator: Evaluator, item: ast.Expr, scope: Scope) -> Any:
    """What stands for one axis of `x[…]`: a position, a range, `...`, or UNKNOWN."""
    if not isinstance(item, ast.Slice):
        return _whole(evaluator, item, scope)
    if item.lower is None and item.upper is None:
        return ...
    ends = [None if e is None else _whole(evaluator, e, scope) for e in (item.lower, item.upper)]
    return UNKNOWN if UNKNOWN in ends else tuple(ends)


def _whole(evaluator: Evaluator, expr: ast.Expr, scope: Scope) -> Any:
    value = evaluator.constant(expr, scope)
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, bool) or not isinstance(value, int | Sym):
        return evaluator.fail(BadExpression(expr.span, "a position is a whole number", None))
    return value
