"""Directions of vectors in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import call
from bmc.emit.rows import dim
from bmc.ops import norm as ops
from bmc_programs.lower.table import lower


@lower(ops.L2Normalize)
def l2_normalize(op: ops.L2Normalize, site: Site) -> Lowered:
    """`l2_normalize`"""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: call("l2_normalize", args[0], axis, op.epsilon))
