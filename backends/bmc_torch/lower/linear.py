"""Dense layers in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Module, Site, Support, Unsupported
from bmc.emit.parts import filled
from bmc.emit.pyexpr import Attr, Bin, Call, Expr, call, method
from bmc.emit.rows import dim, matrices, spread
from bmc.emit.templates import Code
from bmc.emit.values import unless
from bmc.ops.axes import axis_of
from bmc.ops.linear import Dense, MatMul
from bmc_torch.lower.table import lower, part

ROWS = tuple(map(part, ("row_lengths", "scale_rows", "start_scale")))
NORMED = "WeightNorm"  # before the name of a class of PyTorch, ours that is made from it
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

    kind, support = normed("Linear") if op.weight_norm else ("nn.Linear", ())
    return Module(
        call(kind, x.shape[axis], op.units, **unless(True, bias=op.bias)),
        lambda layer, args: turned(Call(layer, (turned(args[0]),))),
        support=support,
    )


def normed(kind: str) -> tuple[str, tuple[Support, ...]]:
    """A subclass whose weight has rows of learned lengths, and what it needs."""
    name = f"{NORMED}{kind}"
    roots = ("torch", "Tensor", "nn", *(("F",) if kind == "Linear" else ()))
    made = filled(
        "bmc_torch", "weight_norm.py", name, roots, kind=Code(kind), dense=kind == "Linear"
    )
    return name, (*ROWS, made)


@lower(MatMul)
def matmul(op: MatMul, site: Site) -> Lowered:
    """a @ b"""

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        return Bin("@", *matrices(op, values, lambda x: Attr(x, "mT")))

    return Function(build)
