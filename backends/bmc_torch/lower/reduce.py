"""Reductions in PyTorch."""

from __future__ import annotations

from functools import reduce
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Expr, Index, SliceExpr, TupleExpr, call, chain, lit, method
from bmc.emit.rows import ALL, dim, spread
from bmc.emit.values import step_size
from bmc.ops import reduce as ops
from bmc.ops.axes import axis_of
from bmc.types.tensor import TensorType
from bmc_torch.lower.masks import mean_of_data
from bmc_torch.lower.table import lower, part


def _dims(op: ops.Reduction, x: TensorType) -> Any:
    """The axes that go, one as a number."""
    axes, batch = op.axes(x)
    shift = 1 if x.batched else 0
    found = (*((0,) if batch else ()), *(axis + shift for axis in axes))
    return found[0] if len(found) == 1 else found


def _along(op: ops.Reduction, site: Site, function: str, **more: Any) -> Lowered:
    dims = _dims(op, site.inputs[0])
    more |= {"keepdim": True} if op.keep else {}
    if dims == ():
        return Function(lambda args: args[0])
    return Function(lambda args: method(args[0], function, dim=dims, **more))


def _several(site: Site, join: Any) -> Function:
    return Function(lambda args: reduce(join, spread(args, site.inputs)))


def _mean_of_data(op: ops.Mean, site: Site) -> Function:
    """The sum of what is not padding, divided by how much there is."""
    (x,) = site.inputs
    axes, batch = op.axes(x)
    rank = site.outputs[0].rank
    more = {"keepdim": True} if op.keep else {}

    def build(args: list[Expr]) -> Expr:
        total = method(args[0], "sum", dim=_dims(op, x), **more)
        return mean_of_data(total, args[1], step_size(x, axes), rank, batch)

    return Function(build)


@lower(ops.Mean)
def mean(op: ops.Mean, site: Site) -> Lowered:
    """`x.mean`; of several values, their sum divided."""
    if site.masks:
        return _mean_of_data(op, site)
    if len(site.inputs) == 1:
        return _along(op, site, "mean")

    def build(args: list[Expr]) -> Expr:
        return Bin("/", chain("+", spread(args, site.inputs)), lit(len(args)))

    return Function(build)


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """`x.sum`; of several values, a + b."""
    if len(site.inputs) == 1:
        return _along(op, site, "sum")
    return Function(lambda args: chain("+", spread(args, site.inputs)))


@lower(ops.Max)
def largest(op: ops.Max, site: Site) -> Lowered:
    """`x.amax`; of several values, `torch.maximum`."""
    if len(site.inputs) == 1:
        return _along(op, site, "amax")
    return _several(site, lambda a, b: call("torch.maximum", a, b))


@lower(ops.Min)
def least(op: ops.Min, site: Site) -> Lowered:
    """`x.amin`; of several values, `torch.minimum`."""
    if len(site.inputs) == 1:
        return _along(op, site, "amin")
    return _several(site, lambda a, b: call("torch.minimum", a, b))


@lower(ops.Variance)
def variance(op: ops.Variance, site: Site) -> Lowered:
    """`x.var`, divided by n."""
    return _along(op, site, "var", correction=0)


@lower(ops.Deviation)
def deviation(op: ops.Deviation, site: Site) -> Lowered:
    """`x.std`, divided by n."""
    return _along(op, site, "std", correction=0)


def _at(x: TensorType, axis: int, place: int) -> tuple[Expr, ...]:
    return (*(ALL,) * (axis + (1 if x.batched else 0)), lit(place))


LAST_STEP = part("last_step")


@lower(ops.Last)
def last(op: ops.Last, site: Site) -> Lowered:
    """The last step that is no padding; both final states after a bidirectional layer."""
    (x,) = site.inputs
    axis = axis_of(x, op.axis)

    def step(args: list[Expr], *columns: Expr) -> Expr:
        value, *length = args
        if not length:
            return Index(value, (*_at(x, axis, -1), *columns))
        value = method(value, "movedim", axis + 1, 1) if axis else value
        value = Index(value, (lit(...), *columns)) if columns else value
        return call("last_step", value, *length)

    def build(args: list[Expr]) -> Expr:
        if x.kind != "bidirectional" or axis != 0 or x.rank != 2:
            return step(args)
        half = lit(x.shape[-1] // 2)
        forward = step(args, SliceExpr(None, half, None))
        backward = Index(args[0], (ALL, lit(0), SliceExpr(half, None, None)))
        return call("torch.cat", TupleExpr((forward, backward)), dim=-1)

    return Function(build, (LAST_STEP,) if site.masks else ())


@lower(ops.First)
def first(op: ops.First, site: Site) -> Lowered:
    """The first step."""
    (x,) = site.inputs
    axis = axis_of(x, op.axis)
    return Function(lambda args: Index(args[0], _at(x, axis, 0)))


@lower(ops.Argmax)
def argmax(op: ops.Argmax, site: Site) -> Lowered:
    """`x.argmax`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: method(args[0], "argmax", dim=axis))


@lower(ops.CumulativeSum)
def cumulative_sum(op: ops.CumulativeSum, site: Site) -> Lowered:
    """`x.cumsum`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: method(args[0], "cumsum", dim=axis))
