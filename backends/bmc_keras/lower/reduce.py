"""Reductions in Keras."""

from __future__ import annotations

from functools import reduce
from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Bin, Expr, Index, ListExpr, SliceExpr, call, lit
from bmc.emit.values import step_size
from bmc.ops import reduce as ops
from bmc.ops.axes import axis_of
from bmc_keras.lower.common import ALL, axis, spread, stretching, summed
from bmc_keras.lower.masks import mean_of_data
from bmc_keras.lower.table import lower, part

DEVIATION = part("deviation")
BATCH = Unsupported("a value that is the same for all samples is not lowered yet")


def _along(op: ops.Reduction, site: Site, function: str) -> Lowered:
    axes, batch = op.axes(site.inputs[0])
    if batch:
        return BATCH
    if not axes:
        return Function(lambda args: args[0])
    found: Any = tuple(place + 1 for place in axes)
    found = found[0] if len(found) == 1 else found
    more = {"keepdims": True} if op.keep else {}
    return Function(lambda args: call(f"ops.{function}", args[0], axis=found, **more))


def _several(site: Site, join: Any) -> Function:
    return Function(lambda args: reduce(join, spread(args, site.inputs)))


def _mean_of_data(op: ops.Mean, site: Site) -> Lowered:
    """The sum of what is not padding, divided by how much there is."""
    (x,) = site.inputs
    total = _along(op, site, "sum")
    size, rank = step_size(x, op.axes(x)[0]), site.outputs[0].rank
    if not isinstance(total, Function):
        return total
    return Function(lambda args: mean_of_data(total.build(args[:1]), args[1], size, rank))


@lower(ops.Mean)
@stretching
def mean(op: ops.Mean, site: Site) -> Lowered:
    """`ops.mean`; of several values, their sum divided."""
    if site.masks:
        return _mean_of_data(op, site)
    if len(site.inputs) == 1:
        return _along(op, site, "mean")

    def build(args: list[Expr]) -> Expr:
        return Bin("/", sums.build(args), lit(len(args)))

    sums = summed(site)
    return Function(build, sums.support)


@lower(ops.Sum)
@stretching
def total(op: ops.Sum, site: Site) -> Lowered:
    """`ops.sum`; of several values, a + b."""
    if len(site.inputs) == 1:
        return _along(op, site, "sum")
    return summed(site)


@lower(ops.Max)
@stretching
def largest(op: ops.Max, site: Site) -> Lowered:
    """`ops.max`; of several values, `ops.maximum`."""
    if len(site.inputs) == 1:
        return _along(op, site, "max")
    return _several(site, lambda a, b: call("ops.maximum", a, b))


@lower(ops.Min)
@stretching
def least(op: ops.Min, site: Site) -> Lowered:
    """`ops.min`; of several values, `ops.minimum`."""
    if len(site.inputs) == 1:
        return _along(op, site, "min")
    return _several(site, lambda a, b: call("ops.minimum", a, b))


@lower(ops.Variance)
def variance(op: ops.Variance, site: Site) -> Lowered:
    """`ops.var`, divided by n."""
    return _along(op, site, "var")


@lower(ops.Deviation)
def deviation(op: ops.Deviation, site: Site) -> Lowered:
    """The root of `ops.var`, divided by n, whose gradient is 0 where nothing varies."""
    axes, batch = op.axes(site.inputs[0])
    if batch:
        return BATCH
    found: Any = tuple(place + 1 for place in axes)
    found = found[0] if len(found) == 1 else found
    more = {"keepdims": True} if op.keep else {}
    return Function(lambda args: call("deviation", args[0], axis=found, **more), (DEVIATION,))


def _at(axis: int, place: int) -> tuple[Expr, ...]:
    return (*(ALL,) * (axis + 1), lit(place))


LAST_STEP = part("last_step")


@lower(ops.Last)
def last(op: ops.Last, site: Site) -> Lowered:
    """The last step that is no padding; both final states after a bidirectional layer."""
    (x,) = site.inputs
    place = axis_of(x, op.axis)
    if site.masks and x.rank != 2:
        return Unsupported("the last step of a padded value with more than two axes")

    def step(args: list[Expr], *columns: Expr) -> Expr:
        value, *length = args
        if not length:
            return Index(value, (*_at(place, -1), *columns))
        value = call("ops.swapaxes", value, 1, 2) if place else value
        value = Index(value, (ALL, ALL, *columns)) if columns else value
        return call("last_step", value, *length)

    def build(args: list[Expr]) -> Expr:
        if x.kind != "bidirectional" or place != 0 or x.rank != 2:
            return step(args)
        half = lit(x.shape[-1] // 2)
        forward = step(args, SliceExpr(None, half, None))
        backward = Index(args[0], (ALL, lit(0), SliceExpr(half, None, None)))
        return call("ops.concatenate", ListExpr((forward, backward)), axis=-1)

    return Function(build, (LAST_STEP,) if site.masks else ())


@lower(ops.First)
def first(op: ops.First, site: Site) -> Lowered:
    """The first step."""
    place = axis_of(site.inputs[0], op.axis)
    return Function(lambda args: Index(args[0], _at(place, 0)))


@lower(ops.Argmax)
def argmax(op: ops.Argmax, site: Site) -> Lowered:
    """`ops.argmax`, as the language counts."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.cast", call("ops.argmax", args[0], axis=place), "int64"))


@lower(ops.CumulativeSum)
def cumulative_sum(op: ops.CumulativeSum, site: Site) -> Lowered:
    """`ops.cumsum`."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.cumsum", args[0], axis=place))
