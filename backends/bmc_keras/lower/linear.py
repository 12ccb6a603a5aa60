"""Dense layers in Keras."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Call, Expr, call, lit, name
from bmc.ops.axes import axis_of
from bmc.ops.linear import Dense
from bmc_keras.lower.common import axis, bias, literals, starts
from bmc_keras.lower.table import lower
from bmc_keras.weights import At


@lower(Dense)
def dense(op: Dense, site: Site) -> Lowered:
    """`layers.Dense`, with the summed axis last."""
    (x,) = site.inputs
    initial = starts(op)
    if op.weight is not None or initial is None:
        return Unsupported("a matrix of another layer, or this start, is not lowered yet")
    place = axis_of(x, op.axis)

    def turned(value: Expr) -> Expr:
        last = place == x.rank - 1
        return value if last else call("ops.swapaxes", value, axis(x, place), -1)

    settings = {"use_bias": op.bias, **initial}
    made = Call(name("layers.Dense"), (lit(op.units),), keywords(settings))
    return Module(
        made,
        lambda layer, args: turned(Call(layer, (turned(args[0]),))),
        helper="dense" if op.bias else "dense_without_bias",
        positional=("units",),
        defaults=literals(use_bias=True),
        weights={"weight": At("kernel", (1, 0), "(in, out) -> (out, in)"), **bias(op)},
    )
