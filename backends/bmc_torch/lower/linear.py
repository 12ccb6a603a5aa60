"""Dense layers in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Module, Site, Unsupported
from bmc.emit.pyexpr import Attr, Bin, Call, Expr, call, method
from bmc.emit.rows import dim, matrices, spread
from bmc.emit.values import unless
from bmc.ops.axes import axis_of
from bmc.ops.linear import Dense, MatMul
from bmc_torch.lower.table import lower

BORROWED = Unsupported("a matrix of another layer beside a bias of its own is not lowered yet",
                       "write `bias=false`")  # fmt: skip


@lower(Dense)
def dense(op: Dense, site: Site) -> Lowered:
    """`nn.Linear`, with the summed axis last."""
    (x,) = site.inputs
    axis = axis_of(x, op.axis)

    def turned(value: Expr) -> Expr:
        return value if axis == x.rank - 1 else method(value, "transpose", dim(x, axis), -1)

    if op.weight is not None:
        if op.bias:
            return BORROWED
        return Function(lambda args: turned(call("F.linear", turned(args[0]), args[1])))

    return Module(
        call("nn.Linear", x.shape[axis], op.units, **unless(True, bias=op.bias)),
        lambda layer, args: turned(Call(layer, (turned(args[0]),))),
    )


@lower(MatMul)
def matmul(op: MatMul, site: Site) -> Lowered:
    """a @ b"""

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        return Bin("@", *matrices(op, values, lambda x: Attr(x, "mT")))

    return Function(build)
