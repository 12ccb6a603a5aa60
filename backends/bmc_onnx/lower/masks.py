"""Masks of padded values in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call
from bmc.ops import masks as ops
from bmc_onnx.lower.common import below, listed, method
from bmc_onnx.lower.support import REDUCE, WIDEN
from bmc_onnx.lower.table import lower, part

NOT_PADDING = part("not_padding")
UP_TO = part("up_to")
THIN = part("thin")
BEFORE = part("before")
LENGTHS = part("lengths")
AT_LEAST_ONE = part("at_least_one")
ZERO_IF_EMPTY = part("zero_if_empty")
FILL = part("fill")
MEAN_OF_DATA = part("mean_of_data")
MEANS = (REDUCE, WIDEN, MEAN_OF_DATA)
FLOAT32_MAX = 3.4028234663852886e38
FILLINGS = {"zero": 0.0, "lowest": -FLOAT32_MAX, "highest": FLOAT32_MAX}


def filled(args: list[Expr], axis: int, rank: int, what: str) -> Expr:
    """`g.fill(x, mask, 0.0, [2], name="conv1.filled")`"""
    x, mask, label = args
    axes = [place for place in range(1, rank + 1) if place != axis + 1]
    return call("g.fill", x, mask, FILLINGS[what], listed(axes), name=label)


def mean_of_data(
    args: list[Expr], axes: list[int], others: Any, rank: int, keep: bool, batch: bool
) -> Expr:
    """The sum of the data over `axes`, divided by how much there is."""
    x, length, label = args
    more = {"keep": True} if keep else {}
    total = call("g.reduce", "ReduceSum", x, listed(axes), name=below(label, "total"), **more)
    if batch:
        over = listed([0])
        length = call("g.reduce", "ReduceSum", length, over, name=below(label, "all"))
    elif rank:
        wide = listed(list(range(1, rank + 1)))
        length = call("g.widen", length, wide, name=below(label, "lengths"))
    return call("g.mean_of_data", total, length, others, name=label)


@lower(ops.NotPadding)
def not_padding(op: ops.NotPadding, site: Site) -> Lowered:
    """`Equal` and `Not`."""
    return method(NOT_PADDING, op.pad)


@lower(ops.UpTo)
def up_to(op: ops.UpTo, site: Site) -> Lowered:
    """`Range` and `Less`."""
    return method(UP_TO, op.axis + 1)


@lower(ops.Thin)
def thin(op: ops.Thin, site: Site) -> Lowered:
    """`Slice`."""
    return method(THIN, op.start, op.step)


@lower(ops.Before)
def before(op: ops.Before, site: Site) -> Lowered:
    """`Pad`, of numbers."""
    return method(BEFORE, op.count)


@lower(ops.Lengths)
def lengths(op: ops.Lengths, site: Site) -> Lowered:
    """`ReduceSum` and `Max`."""
    return method(AT_LEAST_ONE if site.inputs[0].dtype == "int" else LENGTHS)


@lower(ops.ZeroIfEmpty)
def zero_if_empty(op: ops.ZeroIfEmpty, site: Site) -> Lowered:
    """`ReduceMax` of the mask, and `Where`."""
    axes = listed(list(range(1, site.inputs[0].rank + 1)))

    def build(args: list[Expr]) -> Expr:
        x, mask, label = args
        return call("g.zero_if_empty", x, mask, axes, name=label)

    return Function(build, (REDUCE, FILL, ZERO_IF_EMPTY))


@lower(ops.Fill)
def fill(op: ops.Fill, site: Site) -> Lowered:
    """`Where`."""
    rank = site.inputs[0].rank
    return Function(lambda args: filled(args, op.axis, rank, op.value), (FILL,))
