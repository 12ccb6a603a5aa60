"""Moving elements in ONNX."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc_onnx.lower.common import listed, method, node
from bmc_onnx.lower.support import RESHAPE
from bmc_onnx.lower.table import lower


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`Flatten`; the axes of a part are `Reshape`d."""
    (x,) = site.inputs
    start = 0 if x.rank == 0 else axis_of(x, op.start)
    if x.rank and start == x.rank - 1:
        return Function(lambda args: args[0])
    if start == 0 and x.batched:
        return node("Flatten", axis=1)
    kept = start + (1 if x.batched else 0)
    return method(RESHAPE, listed([*[0] * kept, -1]))
