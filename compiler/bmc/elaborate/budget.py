"""`assert parameters <= 100M`: budgets on what a block costs."""

from __future__ import annotations

from collections.abc import Callable

from bmc.diagnostics.problems.params import BadExpression
from bmc.diagnostics.problems.shapes import BudgetExceeded
from bmc.elaborate.evaluate import Evaluator
from bmc.elaborate.scope import Scope
from bmc.ir.cost import parameters, summary
from bmc.ir.model import BlockSpec
from bmc.syntax import ast
from bmc.types.symbolic import Num

BUDGETS: dict[str, Callable[[BlockSpec], int]] = {
    "parameters": parameters,
    "flops": lambda spec: summary(spec).flops,
    "memory": lambda spec: summary(spec).memory,
}


def check_budget(
    statement: ast.Assert, scope: Scope, spec: BlockSpec, evaluator: Evaluator
) -> None:
    """Reports a budget that a block goes over; any other assertion that does not hold, too."""
    condition = statement.condition
    names = [n for n in BUDGETS if n in _names(condition)]
    inner = Scope(scope.table, scope)
    for name in names:
        inner.names[name] = Num(BUDGETS[name](spec))
    truth = evaluator.condition(condition, inner)
    if truth is not False:
        return
    if names and isinstance(condition, ast.Binary):
        limit = condition.right.span.text
        found = int(inner.names[names[0]])
        evaluator.fail(BudgetExceeded(statement.span, names[0], f"{found:,}", limit))
        return
    message = f"`{condition.span.text[:60]}` does not hold"
    evaluator.fail(BadExpression(statement.span, message, None))


def _names(expr: ast.Expr) -> set[str]:
    if isinstance(expr, ast.Name):
        return {expr.id}
    if isinstance(expr, ast.Binary):
        return _names(expr.left) | _names(expr.right)
    if isinstance(expr, ast.Paren):
        return _names(expr.inner)
    if isinstance(expr, ast.Unary):
        return _names(expr.operand)
    return set()
