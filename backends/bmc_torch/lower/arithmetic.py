"""Operators in PyTorch."""

from __future__ import annotations

from functools import reduce

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Compare, Expr, Un
from bmc.emit.values import number
from bmc.ops.arithmetic import COMPARISONS, Arithmetic, Negate
from bmc.ops.join import Add
from bmc_torch.lower.common import spread
from bmc_torch.lower.table import lower


@lower(Arithmetic)
def arithmetic(op: Arithmetic, site: Site) -> Lowered:
    """Python's operator, the values made ready for broadcasting."""

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        if op.left is not None:
            values = [number(op.left), *values]
        if op.right is not None:
            values = [*values, number(op.right)]
        left, right = values
        if op.operator in COMPARISONS:
            return Compare(op.operator, left, right)
        return Bin(op.operator, left, right)

    return Function(build)


@lower(Negate)
def negate(op: Negate, site: Site) -> Lowered:
    """-x"""
    return Function(lambda args: Un("-", args[0]))


@lower(Add)
def add(op: Add, site: Site) -> Lowered:
    """a + b + c"""
    return Function(lambda args: reduce(lambda a, b: Bin("+", a, b), spread(args, site.inputs)))
