"""Moving elements in Keras."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Call, call
from bmc.ir.symbolic import known, product
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc_keras.lower.table import lower


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`layers.Flatten`; the axes of a part are `layers.Reshape`d."""
    (x,) = site.inputs
    if x.rank == 0:
        return Function(lambda args: call("ops.expand_dims", args[0], -1))
    start = axis_of(x, op.start)
    if start == x.rank - 1:
        return Function(lambda args: args[0])
    if start == 0:
        return Function(lambda args: Call(call("layers.Flatten"), tuple(args)))
    kept = tuple(size if known(size) else -1 for size in x.shape[:start])
    target = (*kept, product(x.shape[start:]))
    return Function(lambda args: Call(call("layers.Reshape", target), tuple(args)))
