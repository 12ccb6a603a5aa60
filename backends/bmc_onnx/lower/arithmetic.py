"""Operators in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.ir.types import TensorType
from bmc.ops.arithmetic import Arithmetic, Negate
from bmc.ops.join import Add
from bmc_onnx.lower.common import below, node
from bmc_onnx.lower.support import NUMBER, WIDEN
from bmc_onnx.lower.table import lower

WORDS = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div", "**": "Pow"}


def _spread(
    args: list[Expr], types: tuple[TensorType, ...], label: Expr
) -> tuple[list[Expr], tuple[Support, ...]]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last."""
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    support: tuple[Support, ...] = ()
    for place, (arg, x) in enumerate(zip(args, types)):
        missing = list(range(1, 1 + widest - x.rank))
        if x.batched and missing:
            arg = call("g.widen", arg, missing, name=below(label, f"wide{place}"))
            support = (WIDEN,)
        ready.append(arg)
    return ready, support


@lower(Arithmetic)
def arithmetic(op: Arithmetic, site: Site) -> Lowered:
    """`Add`, `Sub`, `Mul`, `Div` or `Pow`."""
    if op.operator not in WORDS or any(x.dtype != "float" for x in site.inputs):
        return Unsupported("this operator is not lowered yet")
    wide = len({x.rank for x in site.inputs}) > 1
    numbers = op.left is not None or op.right is not None

    def number(value: Any, label: Expr) -> Expr:
        return call("g.number", float(value), name=below(label, "number"))

    def build(args: list[Expr]) -> Expr:
        *given, label = args
        values, _ = _spread(given, site.inputs, label)
        if op.left is not None:
            values = [number(op.left, label), *values]
        if op.right is not None:
            values = [*values, number(op.right, label)]
        return call("g.add", WORDS[op.operator], *values, name=label)

    return Function(build, (*((WIDEN,) if wide else ()), *((NUMBER,) if numbers else ())))


@lower(Negate)
def negate(op: Negate, site: Site) -> Lowered:
    """`Neg`"""
    return node("Neg")


@lower(Add)
def add(op: Add, site: Site) -> Lowered:
    """`Sum`, which takes any number of values."""
    if len({x.rank for x in site.inputs}) == 1:
        return node("Sum")

    def build(args: list[Expr]) -> Expr:
        *given, label = args
        values, _ = _spread(given, site.inputs, label)
        return call("g.add", "Sum", *values, name=label)

    return Function(build, (WIDEN,))
