"""Moving elements in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import method
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc_torch.lower.common import dim
from bmc_torch.lower.table import lower


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`x.flatten`."""
    (x,) = site.inputs
    if x.rank == 0:
        return Function(lambda args: method(args[0], "unsqueeze", -1))
    start = axis_of(x, op.start)
    if start == x.rank - 1:
        return Function(lambda args: args[0])
    return Function(lambda args: method(args[0], "flatten", start_dim=dim(x, start)))
