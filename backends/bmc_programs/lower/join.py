"""Joining values in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import TupleExpr, call, chain
from bmc.emit.rows import spread
from bmc.ops import join as ops
from bmc_programs.lower.table import lower

ONE_ROW = Unsupported("what has no batch is joined inside the model")


def _joined(function: str, axis: int, site: Site) -> Lowered:
    if not all(x.batched for x in site.inputs):
        return ONE_ROW
    place = int(axis) + (1 if axis >= 0 else 0)
    return Function(lambda args: call(function, TupleExpr(tuple(args)), axis=place))


@lower(ops.Concat)
def concat(op: ops.Concat, site: Site) -> Lowered:
    """`np.concatenate`"""
    return _joined("np.concatenate", op.axis, site)


@lower(ops.Stack)
def stack(op: ops.Stack, site: Site) -> Lowered:
    """`np.stack`"""
    return _joined("np.stack", op.axis, site)


@lower(ops.Add)
def add(op: ops.Add, site: Site) -> Lowered:
    """a + b"""
    return Function(lambda args: chain("+", spread(args, site.inputs)))


@lower(ops.Multiply)
def multiply(op: ops.Multiply, site: Site) -> Lowered:
    """a * b"""
    return Function(lambda args: chain("*", spread(args, site.inputs)))
