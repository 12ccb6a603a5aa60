"""Masks of padded values in Keras."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Attr, Bin, Expr, Index, call, lit, name
from bmc.emit.values import number, thinned
from bmc.ops import masks as ops
from bmc_keras.lower.common import ALL
from bmc_keras.lower.table import lower


def expanded(value: Expr, axes: tuple[int, ...]) -> Expr:
    """A value with axes of size one at these places."""
    if not axes:
        return value
    return call("ops.expand_dims", value, axes[0] if len(axes) == 1 else axes)


def widened(mask: Expr, axis: int, rank: int) -> Expr:
    """A mask ready for broadcasting with a value of so many axes, of which it is about one."""
    return expanded(mask, tuple(p for p in range(1, rank + 1) if p != axis + 1))


def mean_of_data(total: Expr, length: Expr, others: Any, rank: int) -> Expr:
    """A sum divided by how many there are: the length, times the sizes of the other axes."""
    count = expanded(length, tuple(range(1, rank + 1)))
    return Bin("/", total, count if others == 1 else Bin("*", lit(others), count))


@lower(ops.NotPadding)
def not_padding(op: ops.NotPadding, site: Site) -> Lowered:
    """`ops.not_equal(words, 0)`"""
    return Function(lambda args: call("ops.not_equal", args[0], number(op.pad)))


@lower(ops.UpTo)
def up_to(op: ops.UpTo, site: Site) -> Lowered:
    """Steps are counted from one, since the number of them is not known while building."""

    def build(args: list[Expr]) -> Expr:
        x, length = args
        rest = site.inputs[0].rank - 1 - op.axis
        along = Index(x, (ALL, *(lit(0),) * op.axis, ALL, *(lit(0),) * rest))
        ones = call("ops.ones_like", along, dtype="int64")
        steps = call("ops.cumsum", ones, axis=1)
        return call("ops.less_equal", steps, expanded(length, (1,)))

    return Function(build)


@lower(ops.Thin)
def thin(op: ops.Thin, site: Site) -> Lowered:
    """`mask[:, 2::2]`"""
    return Function(lambda args: thinned(args[0], op.start, op.step))


@lower(ops.Before)
def before(op: ops.Before, site: Site) -> Lowered:
    """`ops.pad(mask, ((0, 0), (1, 0)), constant_values=True)`"""
    pads = ((0, 0), (op.count, 0))
    return Function(lambda args: call("ops.pad", args[0], pads, constant_values=True))


@lower(ops.Lengths)
def lengths(op: ops.Lengths, site: Site) -> Lowered:
    """`ops.maximum(ops.sum(ops.cast(mask, "int64"), axis=1), 1)`"""

    if site.inputs[0].dtype == "int":
        return Function(lambda args: call("ops.maximum", args[0], 1))

    def build(args: list[Expr]) -> Expr:
        total = call("ops.sum", call("ops.cast", args[0], "int64"), axis=1)
        return call("ops.maximum", total, 1)

    return Function(build)


@lower(ops.ZeroIfEmpty, "any")
def zero_if_empty(op: ops.ZeroIfEmpty, site: Site) -> Lowered:
    """`ops.where(ops.expand_dims(ops.any(mask, axis=1), 1), x, 0.0)`"""

    def build(args: list[Expr]) -> Expr:
        x, mask = args
        axes = tuple(range(1, site.inputs[0].rank + 1))
        some = expanded(call("ops.any", mask, axis=1), axes)
        return call("ops.where", some, x, lit(0.0))

    return Function(build)


@lower(ops.Fill, "any")
def fill(op: ops.Fill, site: Site) -> Lowered:
    """`ops.where(ops.expand_dims(mask, 2), x, 0.0)`"""
    rank = site.inputs[0].rank
    axis = op.axis
    if site.last:
        axis = rank - 1 if axis == 0 else axis - 1

    def build(args: list[Expr]) -> Expr:
        x, mask = args
        value: Expr = lit(0.0)
        if op.value != "zero":
            word = "min" if op.value == "lowest" else "max"
            value = Attr(call("np.finfo", name("np.float32")), word)
        return call("ops.where", widened(mask, axis, rank), x, value)

    return Function(build)
