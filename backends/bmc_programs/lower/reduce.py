"""Reductions in NumPy."""

from __future__ import annotations

from functools import reduce
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Expr, Index, call, chain, lit, method
from bmc.emit.rows import ALL, dim, spread
from bmc.ops import reduce as ops
from bmc.ops.axes import axis_of
from bmc_programs.lower.table import lower


def _along(op: ops.Reduction, site: Site, function: str) -> Lowered:
    (x,) = site.inputs
    axes, batch = op.axes(x)
    shift = 1 if x.batched else 0
    found: tuple[Any, ...] = (*((0,) if batch else ()), *(axis + shift for axis in axes))
    if not found:
        return Function(lambda args: args[0])
    more = {"keepdims": True} if op.keep else {}
    axis = found[0] if len(found) == 1 else found
    return Function(lambda args: method(args[0], function, axis=axis, **more))


def _several(function: str, site: Site) -> Function:
    return Function(
        lambda args: reduce(lambda a, b: call(function, a, b), spread(args, site.inputs))
    )


@lower(ops.Mean)
def mean(op: ops.Mean, site: Site) -> Lowered:
    """`x.mean`; of several values, their sum divided."""
    if len(site.inputs) == 1:
        return _along(op, site, "mean")
    return Function(lambda args: Bin("/", chain("+", spread(args, site.inputs)), lit(len(args))))


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """`x.sum`; of several values, a + b."""
    if len(site.inputs) == 1:
        return _along(op, site, "sum")
    return Function(lambda args: chain("+", spread(args, site.inputs)))


@lower(ops.Max)
def largest(op: ops.Max, site: Site) -> Lowered:
    """`x.max`; of several values, `np.maximum`."""
    return _along(op, site, "max") if len(site.inputs) == 1 else _several("np.maximum", site)


@lower(ops.Min)
def least(op: ops.Min, site: Site) -> Lowered:
    """`x.min`; of several values, `np.minimum`."""
    return _along(op, site, "min") if len(site.inputs) == 1 else _several("np.minimum", site)


@lower(ops.Variance)
def variance(op: ops.Variance, site: Site) -> Lowered:
    """`x.var`, divided by n."""
    return _along(op, site, "var")


@lower(ops.Deviation)
def deviation(op: ops.Deviation, site: Site) -> Lowered:
    """`x.std`, divided by n."""
    return _along(op, site, "std")


@lower(ops.First)
def first(op: ops.First, site: Site) -> Lowered:
    """The first step."""
    (x,) = site.inputs
    before: tuple[Expr, ...] = (ALL,) * (axis_of(x, op.axis) + (1 if x.batched else 0))
    return Function(lambda args: Index(args[0], (*before, lit(0))))


@lower(ops.Argmax)
def argmax(op: ops.Argmax, site: Site) -> Lowered:
    """`x.argmax`: the first of equal ones."""
    (x,) = site.inputs
    axis = -1 if axis_of(x, op.axis) == x.rank - 1 else dim(x, op.axis)
    return Function(lambda args: method(args[0], "argmax", axis=axis))


@lower(ops.CumulativeSum)
def cumulative_sum(op: ops.CumulativeSum, site: Site) -> Lowered:
    """`x.cumsum`"""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: method(args[0], "cumsum", axis=axis))
