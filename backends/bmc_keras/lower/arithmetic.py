"""Operators in Keras."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Compare, Expr, Index, SliceExpr, Un, call, lit
from bmc.emit.values import number
from bmc.ops.arithmetic import COMPARISONS, Arithmetic, Negate, Take
from bmc.types.symbolic import known
from bmc_keras.lower.common import alike, reshaped, spread, stretching, summed
from bmc_keras.lower.table import lower

FUNCTIONS = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "divide", "**": "power",
    "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal",
}  # fmt: skip


@lower(Arithmetic, alike)
@stretching
def arithmetic(op: Arithmetic, site: Site) -> Lowered:
    """Python's operator, the values made ready for broadcasting."""
    if op.operator == "+" and len(site.inputs) == 2:
        return summed(site)

    # TensorFlow's own operators take no whole numbers and fractions together.
    numbers = [number for number in (op.left, op.right) if number is not None]
    fraction = site.outputs[0].dtype == "float" or any(isinstance(n, float) for n in numbers)
    mixed = any(x.dtype == "int" for x in site.inputs) and (
        fraction or any(x.dtype == "float" for x in site.inputs)
    )

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        if op.left is not None:
            values = [number(op.left), *values]
        if op.right is not None:
            values = [*values, number(op.right)]
        left, right = values
        if op.operator in ("==", "!="):  # which Python answers by itself
            return call("ops.equal" if op.operator == "==" else "ops.not_equal", left, right)
        if mixed and op.operator in FUNCTIONS:
            return call(f"ops.{FUNCTIONS[op.operator]}", left, right)
        if op.operator in COMPARISONS:
            return Compare(op.operator, left, right)
        return Bin(op.operator, left, right)

    return Function(build)


@lower(Negate, "any")
def negate(op: Negate, site: Site) -> Lowered:
    """-x"""
    return Function(lambda args: Un("-", args[0]))


@lower(Take)
def take(op: Take, site: Site) -> Lowered:
    """`x[:, 0]`, `x[:, 1:3]`, `x[..., 0]`"""
    (x,) = site.inputs
    all_of = SliceExpr(None, None, None)

    def part(item: Any) -> Expr:
        if not isinstance(item, tuple):
            return number(item)
        start, stop = (None if end is None else number(end) for end in item)
        return all_of if item == (None, None) else SliceExpr(start, stop, None)

    items = (all_of, *(part(item) for item in op.settled(x)))
    while len(items) > 1 and items[-1] == all_of:
        items = items[:-1]
    if len(items) > 3 and all(item == all_of for item in items[:-1]):
        items = (lit(...), items[-1])
    shape = op.infer(x).shape
    # Keras takes the length of a piece of a free axis for free, where the language knows it.
    sliced = [pair for pair in zip(op.settled(x), x.shape) if isinstance(pair[0], tuple)]
    told = any(known(now) and not known(was) for now, (_, was) in zip(shape, sliced))
    if told and sum(not known(size) for size in shape) < 2:
        return Function(lambda args: reshaped(Index(args[0], items), shape))
    return Function(lambda args: Index(args[0], items))
