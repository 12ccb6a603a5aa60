"""Products of matrices in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Expr, call
from bmc.emit.rows import matrices, spread
from bmc.ops.linear import MatMul
from bmc_programs.lower.table import lower


@lower(MatMul)
def matmul(op: MatMul, site: Site) -> Lowered:
    """a @ b"""

    def build(args: list[Expr]) -> Expr:
        values = spread(args, site.inputs)
        return Bin("@", *matrices(op, values, lambda x: call("np.swapaxes", x, -1, -2)))

    return Function(build)
