"""Reductions in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call
from bmc.emit.values import step_size
from bmc.ops import reduce as ops
from bmc.ops.axes import axis_of
from bmc_onnx.lower.common import axis, below, listed, method, node, permuted, spread, widening
from bmc_onnx.lower.masks import MEANS, mean_of_data
from bmc_onnx.lower.support import CUMULATE, CUT, PICK, REDUCE, VARIANCE
from bmc_onnx.lower.table import lower, part

#: The end of any axis, as the slice of ONNX writes it.
END = 2**31 - 1


def _axes(op: ops.Reduction, site: Site) -> list[int]:
    (x,) = site.inputs
    axes, batch = op.axes(x)
    shift = 1 if x.batched else 0
    return [*([0] if batch else []), *(place + shift for place in axes)]


def _reduced(op: ops.Reduction, site: Site, word: str) -> Lowered:
    """`ReduceMean` and its like along axes; `Mean` and its like of several values."""
    if len(site.inputs) > 1:

        def several(args: list[Expr]) -> Expr:
            *given, label = args
            return call("g.add", word, *spread(given, site.inputs, label), name=label)

        return Function(several, widening(site.inputs))
    axes = _axes(op, site)
    if not axes:
        return Function(lambda args: args[0])
    more: dict[str, Any] = {"keep": True} if op.keep else {}
    return method(REDUCE, listed(axes), first=f"Reduce{word}", **more)


@lower(ops.Mean)
def mean(op: ops.Mean, site: Site) -> Lowered:
    """`ReduceMean` or `Mean`."""
    if site.masks:
        (x,) = site.inputs
        axes, batch = op.axes(x)
        size, rank = step_size(x, axes), site.outputs[0].rank
        over = _axes(op, site)
        return Function(lambda args: mean_of_data(args, over, size, rank, op.keep, batch), MEANS)
    return _reduced(op, site, "Mean")


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """`ReduceSum` or `Sum`."""
    return _reduced(op, site, "Sum")


@lower(ops.Max)
def largest(op: ops.Max, site: Site) -> Lowered:
    """`ReduceMax` or `Max`."""
    return _reduced(op, site, "Max")


@lower(ops.Min)
def least(op: ops.Min, site: Site) -> Lowered:
    """`ReduceMin` or `Min`."""
    return _reduced(op, site, "Min")


@lower(ops.Variance)
def variance(op: ops.Variance, site: Site) -> Lowered:
    """The mean square of what is left without the mean."""
    more: dict[str, Any] = {"keep": True} if op.keep else {}
    return method(VARIANCE, listed(_axes(op, site)), **more)


@lower(ops.Deviation)
def deviation(op: ops.Deviation, site: Site) -> Lowered:
    """`Sqrt` of the variance."""
    more: dict[str, Any] = {"keep": True} if op.keep else {}
    axes = listed(_axes(op, site))

    def build(args: list[Expr]) -> Expr:
        value, label = args
        inner = call("g.variance", value, axes, name=below(label, "variance"), **more)
        return call("g.add", "Sqrt", inner, name=label)

    return Function(build, (VARIANCE,))


LAST_STEP = part("last_step")


@lower(ops.Last)
def last(op: ops.Last, site: Site) -> Lowered:
    """The last step that is no padding; both final states after a bidirectional layer."""
    (x,) = site.inputs
    place = axis_of(x, op.axis)
    both = x.kind == "bidirectional" and place == 0 and x.rank == 2

    def step(value: Expr, length: list[Expr], label: Expr) -> Expr:
        if not length:
            return call("g.pick", value, -1, name=label, axis=axis(x, place))
        if place:
            order = [place, *(other for other in range(x.rank) if other != place)]
            value = permuted(value, order, True, below(label, "moved"))
        return call("g.last_step", value, *length, name=label)

    def build(args: list[Expr]) -> Expr:
        value, *length, label = args
        if not both:
            return step(value, length, label)
        half: Any = x.shape[-1] // 2
        forward = step(value, length, below(label, "forward.step"))
        backward = call("g.pick", value, 0, name=below(label, "backward.step"), axis=1)
        halves = (("forward", forward, 0, half), ("backward", backward, half, END))
        parts = []
        for word, taken, low, high in halves:
            ends = (listed([low]), listed([high]), listed([-1]))
            parts.append(call("g.cut", taken, *ends, name=below(label, word)))
        return call("g.add", "Concat", *parts, name=label, axis=-1)

    own = LAST_STEP if site.masks else PICK
    return Function(build, (own, PICK, CUT) if both else (own,))


@lower(ops.First)
def first(op: ops.First, site: Site) -> Lowered:
    """The first step."""
    (x,) = site.inputs
    return method(PICK, 0, axis=axis(x, axis_of(x, op.axis)))


@lower(ops.Argmax)
def argmax(op: ops.Argmax, site: Site) -> Lowered:
    """`ArgMax`."""
    return node("ArgMax", axis=axis(site.inputs[0], op.axis), keepdims=0)


@lower(ops.CumulativeSum)
def cumulative_sum(op: ops.CumulativeSum, site: Site) -> Lowered:
    """`CumSum`."""
    return method(CUMULATE, axis=axis(site.inputs[0], op.axis))
