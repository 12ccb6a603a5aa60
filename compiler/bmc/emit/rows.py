"""Values whose rows come first, as PyTorch and NumPy hold them: axes and operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Compare, Expr, Index, SliceExpr, Un, lit
from bmc.emit.values import number
from bmc.ops.arithmetic import COMPARISONS, Arithmetic, Negate, Take
from bmc.ops.linear import MatMul
from bmc.types.tensor import TensorType

ALL = SliceExpr(None, None, None)


def dim(x: TensorType, axis: int) -> int:
    """An axis as the framework counts it: from the end as it is, from the front past the batch."""
    axis = int(axis)
    if axis < 0:
        return axis
    return axis + 1 if x.batched else axis


def spread(args: list[Expr], types: tuple[TensorType, ...]) -> list[Expr]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last.

    A batched value with fewer axes than the widest gets axes of size one after its batch.
    """
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    for arg, x in zip(args, types):
        missing = widest - x.rank
        if x.batched and missing:
            ready.append(Index(arg, (ALL, *[lit(None)] * missing)))
        else:
            ready.append(arg)
    return ready


def matrices(op: MatMul, args: list[Expr], turn: Callable[[Expr], Expr]) -> list[Expr]:
    """The two values of a product, made ready for it; `turn` transposes one."""
    turns = (op.transpose_a, op.transpose_b)
    return [turn(arg) if turned else arg for arg, turned in zip(args, turns)]


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


def negate(op: Negate, site: Site) -> Lowered:
    """-x"""
    return Function(lambda args: Un("-", args[0]))


def take(op: Take, site: Site) -> Lowered:
    """`x[:, 0]`, `x[:, 1:3]`, `x[..., 0]`"""
    (x,) = site.inputs

    def part(item: Any) -> Expr:
        if not isinstance(item, tuple):
            return number(item)
        start, stop = (None if end is None else number(end) for end in item)
        return ALL if item == (None, None) else SliceExpr(start, stop, None)

    items = tuple(part(item) for item in op.settled(x))
    if x.batched:
        items = (ALL, *items)
    while len(items) > 1 and items[-1] == ALL:
        items = items[:-1]
    if len(items) > 3 and all(item == ALL for item in items[:-1]):
        items = (lit(...), items[-1])
    return Function(lambda args: Index(args[0], items))
