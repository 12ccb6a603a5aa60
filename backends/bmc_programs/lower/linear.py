"""Products of matrices in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Expr, call
from bmc.emit.rows import spread
from bmc.ops.linear import MatMul
from bmc_programs.lower.table import lower


@lower(MatMul)
def matmul(op: MatMul, site: Site) -> Lowered:
    """a @ b"""

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        turns = (op.transpose_a, op.transpose_b)
        a, b = (
            call("np.swapaxes", value, -1, -2) if turn else value
            for value, turn in zip(values, turns)
        )
        return Bin("@", a, b)

    return Function(build)
