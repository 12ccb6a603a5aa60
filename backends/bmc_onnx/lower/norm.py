"""Normalisation in ONNX."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site, Unsupported
from bmc.ops.norm import BatchNorm
from bmc_onnx.lower.common import method
from bmc_onnx.lower.support import NORM
from bmc_onnx.lower.table import lower


@lower(BatchNorm)
def batch_norm(op: BatchNorm, site: Site) -> Lowered:
    """`BatchNormalization`, which takes channels first."""
    (x,) = site.inputs
    if op.channel_axis(x) != 0 or not op.affine:
        return Unsupported("channels last, or without weights, is not lowered yet")
    return method(NORM, x.shape[0], epsilon=op.epsilon)
