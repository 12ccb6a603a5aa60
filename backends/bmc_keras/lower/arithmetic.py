"""Operators in Keras."""

from __future__ import annotations

from functools import reduce

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Bin, Expr, Un, call
from bmc.emit.values import number
from bmc.ir.types import TensorType
from bmc.ops.arithmetic import COMPARISONS, Arithmetic, Negate
from bmc.ops.join import Add
from bmc_keras.lower.table import Layout, lower


def _alike(op: object, types: tuple[TensorType, ...]) -> Layout:
    return "any" if len({x.rank for x in types}) == 1 else "own"


def _spread(args: list[Expr], types: tuple[TensorType, ...]) -> list[Expr]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last."""
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    for arg, x in zip(args, types):
        missing = tuple(range(1, 1 + widest - x.rank))
        ready.append(call("ops.expand_dims", arg, missing) if x.batched and missing else arg)
    return ready


@lower(Arithmetic, _alike)
def arithmetic(op: Arithmetic, site: Site) -> Lowered:
    """Python's operator, the values made ready for broadcasting."""
    if op.operator in COMPARISONS:
        return Unsupported("comparisons are not lowered yet")

    def build(args: list[Expr]) -> Expr:
        values = _spread(args, site.inputs)
        if op.left is not None:
            values = [number(op.left), *values]
        if op.right is not None:
            values = [*values, number(op.right)]
        left, right = values
        return Bin(op.operator, left, right)

    return Function(build)


@lower(Negate, "any")
def negate(op: Negate, site: Site) -> Lowered:
    """-x"""
    return Function(lambda args: Un("-", args[0]))


@lower(Add, _alike)
def add(op: Add, site: Site) -> Lowered:
    """a + b + c"""
    return Function(lambda args: reduce(lambda a, b: Bin("+", a, b), _spread(args, site.inputs)))
