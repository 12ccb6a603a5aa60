"""Layers that join or part values in Keras."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, ListExpr, call, chain
from bmc.ops import join as ops
from bmc.ops.axes import axis_of
from bmc.types.tensor import TensorType
from bmc_keras.lower.common import alike, axis, spread, stretching, summed
from bmc_keras.lower.table import Layout, lower


def _joint(op: Any, types: tuple[TensorType, ...]) -> Layout:
    """Channels are joined last, as they come from layers that have them last."""
    x = types[0]
    first = x.rank > 2 and axis_of(x, op.axis) == 0
    return "last" if first and all(one.kind == "channels_first" for one in types) else "own"


@lower(ops.Concat, _joint)
def concat(op: ops.Concat, site: Site) -> Lowered:
    """`ops.concatenate`."""
    if len(site.inputs) == 1:
        return Function(lambda args: args[0])
    place = -1 if _joint(op, site.inputs) == "last" else axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.concatenate", ListExpr(tuple(args)), axis=place))


@lower(ops.Stack)
def stack(op: ops.Stack, site: Site) -> Lowered:
    """`ops.stack`."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.stack", ListExpr(tuple(args)), axis=place))


@lower(ops.Split)
def split(op: ops.Split, site: Site) -> Lowered:
    """`ops.split`, into so many parts or at these places."""
    (x,) = site.inputs
    place = axis(x, op.axis)
    parts: Any = op.parts
    if isinstance(op.parts, tuple):
        parts = list(accumulate(op.sizes(x)))[:-1]
    return Function(lambda args: call("ops.split", args[0], parts, axis=place))


@lower(ops.Add, alike)
@stretching
def add(op: ops.Add, site: Site) -> Lowered:
    """a + b + c"""
    return summed(site)


@lower(ops.Multiply, alike)
@stretching
def multiply(op: ops.Multiply, site: Site) -> Lowered:
    """a * b * c"""
    return Function(lambda args: chain("*", spread(args, site.inputs)))


@lower(ops.Gather)
def gather(op: ops.Gather, site: Site) -> Lowered:
    """`ops.take_along_axis`, the index spread over the other axes."""
    x, index = site.inputs
    place = axis_of(x, op.axis)
    before: Any = tuple(range(1, place + 1 + (1 - index.rank)))
    after = tuple(place + 2 + n for n in range(x.rank - place - 1))
    axes = (*before, *after)

    def build(args: list[Expr]) -> Expr:
        where = call("ops.expand_dims", args[1], axes) if axes else args[1]
        taken = call("ops.take_along_axis", args[0], where, axis=place + 1)
        return taken if index.rank else call("ops.squeeze", taken, axis=place + 1)

    return Function(build)
