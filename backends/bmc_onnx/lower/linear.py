"""Dense layers in ONNX."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site, Unsupported
from bmc.ops.axes import axis_of
from bmc.ops.linear import Dense
from bmc_onnx.lower.common import method
from bmc_onnx.lower.support import (
    DENSE,
    DENSE_LAST,
    DENSE_LAST_WITHOUT_BIAS,
    DENSE_WITHOUT_BIAS,
)
from bmc_onnx.lower.table import lower


@lower(Dense)
def dense(op: Dense, site: Site) -> Lowered:
    """`Gemm` on rows, `MatMul` on more axes."""
    (x,) = site.inputs
    if op.weight is not None:
        return Unsupported("a matrix of another layer is not lowered yet")
    place = axis_of(x, op.axis)
    if place != x.rank - 1:
        return Unsupported("another axis than the last is not lowered yet")
    rows = x.rank == 1 and x.batched
    helper = (DENSE if op.bias else DENSE_WITHOUT_BIAS) if rows else None
    helper = helper or (DENSE_LAST if op.bias else DENSE_LAST_WITHOUT_BIAS)
    return method(helper, (op.units, x.shape[place]))
