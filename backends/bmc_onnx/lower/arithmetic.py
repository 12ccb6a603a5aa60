"""Operators and indexing in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call, name
from bmc.ops.arithmetic import Arithmetic, Negate, Take
from bmc.types.symbolic import Sym
from bmc_onnx.lower.common import below, listed, method, node, own_number, spread, widening
from bmc_onnx.lower.support import CUT, NUMBER, PICK
from bmc_onnx.lower.table import lower

WORDS = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    "**": "Pow",
    "%": "Mod",
    "<": "Less",
    "<=": "LessOrEqual",
    ">": "Greater",
    ">=": "GreaterOrEqual",
    "==": "Equal",
}


@lower(Arithmetic)
def arithmetic(op: Arithmetic, site: Site) -> Lowered:
    """`Add`, `Sub` and so on; whole numbers are divided as floats."""
    whole = all(x.dtype == "int" for x in site.inputs)
    constant = op.left if op.left is not None else op.right
    unequal = op.operator == "!="
    if not (unequal or op.operator in WORDS) or isinstance(constant, Sym):
        return Unsupported("this operator, or a number of free size, is not lowered yet")
    if len({x.dtype for x in site.inputs}) > 1:
        return Unsupported("whole numbers beside others are not lowered yet")
    as_float = whole and (op.operator == "/" or isinstance(constant, float))

    def number(value: Any, label: Expr) -> Expr:
        kind = "float" if as_float else site.inputs[0].dtype
        return own_number(value, kind, below(label, "number"))

    def build(args: list[Expr]) -> Expr:
        *given, label = args
        values = spread(given, site.inputs, label)
        if as_float:
            kind = name("TensorProto.FLOAT")
            values = [
                call("g.add", "Cast", value, name=below(label, f"float{place}"), to=kind)
                for place, value in enumerate(values)
            ]
        if op.left is not None:
            values = [number(op.left, label), *values]
        if op.right is not None:
            values = [*values, number(op.right, label)]
        if unequal:
            same = call("g.add", "Equal", *values, name=below(label, "equal"))
            return call("g.add", "Not", same, name=label)
        return call("g.add", WORDS[op.operator], *values, name=label)

    numbers = (NUMBER,) if constant is not None and (as_float or not whole) else ()
    return Function(build, (*widening(site.inputs), *numbers))


@lower(Negate)
def negate(op: Negate, site: Site) -> Lowered:
    """`Neg`"""
    return node("Neg")


@lower(Take)
def take(op: Take, site: Site) -> Lowered:
    """`Gather` for a position and `Slice` for ranges."""
    (x,) = site.inputs
    items = op.settled(x)
    shift = 1 if x.batched else 0
    positions = [(n + shift, item) for n, item in enumerate(items) if not isinstance(item, tuple)]
    ranges = [
        (n + shift, *item)
        for n, item in enumerate(items)
        if isinstance(item, tuple) and item != (None, None)
    ]
    if not ranges and len(positions) == 1:
        ((place, item),) = positions
        return method(PICK, item, axis=place)

    def build(args: list[Expr]) -> Expr:
        value, label = args
        if ranges:
            starts = [0 if low is None else low for _, low, _ in ranges]
            ends = [2**31 - 1 if high is None else high for _, _, high in ranges]
            axes = [place for place, _, _ in ranges]
            cut = label if not positions else below(label, "cut")
            value = call("g.cut", value, listed(starts), listed(ends), listed(axes), name=cut)
        for left, (place, item) in enumerate(reversed(positions)):
            last = left == len(positions) - 1
            picked = label if last else below(label, f"picked{place}")
            value = call("g.pick", value, item, name=picked, axis=place)
        return value

    return Function(build, (*((CUT,) if ranges else ()), *((PICK,) if positions else ())))
