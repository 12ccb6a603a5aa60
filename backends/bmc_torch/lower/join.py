"""Layers that join or part values in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Attr, Expr, Index, TupleExpr, call, chain, lit, method
from bmc.emit.rows import ALL, dim, spread
from bmc.ops import join as ops
from bmc.ops.axes import axis_of
from bmc.types.tensor import TensorType
from bmc_torch.lower.table import lower


def _batched(args: list[Expr], types: tuple[TensorType, ...]) -> Expr:
    """A tuple of values; those that have no batch get that of the first that has."""
    rows = [Index(Attr(arg, "shape"), (lit(0),)) for arg, x in zip(args, types) if x.batched]
    return TupleExpr(
        tuple(
            arg if x.batched or not rows else method(arg, "expand", rows[0], *(-1,) * x.rank)
            for arg, x in zip(args, types)
        )
    )


def _place(types: tuple[TensorType, ...], number: int) -> int:
    return int(number) + (1 if number >= 0 and any(x.batched for x in types) else 0)


@lower(ops.Concat)
def concat(op: ops.Concat, site: Site) -> Lowered:
    """`torch.cat`."""
    if len(site.inputs) == 1:
        return Function(lambda args: args[0])
    axis = _place(site.inputs, op.axis)
    return Function(lambda args: call("torch.cat", _batched(args, site.inputs), dim=axis))


@lower(ops.Stack)
def stack(op: ops.Stack, site: Site) -> Lowered:
    """`torch.stack`."""
    axis = _place(site.inputs, op.axis)
    return Function(lambda args: call("torch.stack", _batched(args, site.inputs), dim=axis))


@lower(ops.Split)
def split(op: ops.Split, site: Site) -> Lowered:
    """`x.chunk` or `x.split`."""
    (x,) = site.inputs
    axis = dim(x, op.axis)
    if isinstance(op.parts, tuple):
        return Function(lambda args: method(args[0], "split", op.sizes(x), dim=axis))
    return Function(lambda args: method(args[0], "chunk", op.parts, dim=axis))


def _chain(symbol: str, site: Site) -> Function:
    return Function(lambda args: chain(symbol, spread(args, site.inputs)))


@lower(ops.Add, fresh=lambda op, types: len(types) > 1)  # the sum of one value is that value
def add(op: ops.Add, site: Site) -> Lowered:
    """a + b + c"""
    return _chain("+", site)


@lower(ops.Multiply)
def multiply(op: ops.Multiply, site: Site) -> Lowered:
    """a * b * c"""
    return _chain("*", site)


@lower(ops.Gather)
def gather(op: ops.Gather, site: Site) -> Lowered:
    """`x.take_along_dim`, the index spread over the other axes."""
    x, index = site.inputs
    axis = axis_of(x, op.axis)
    after = (lit(None),) * (x.rank - axis - 1)
    before = (lit(None),) * axis

    def build(args: list[Expr]) -> Expr:
        here = (ALL,) if index.rank else (lit(None),)
        where = Index(args[1], (ALL, *before, *here, *after))
        taken = method(args[0], "take_along_dim", where, dim=axis + 1)
        return taken if index.rank else method(taken, "squeeze", axis + 1)

    return Function(build)
