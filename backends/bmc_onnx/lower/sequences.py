"""Sequences of classes in ONNX."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site
from bmc.ops import sequences as ops
from bmc_onnx.lower.common import method
from bmc_onnx.lower.table import lower, part


@lower(ops.CtcGreedy)
def ctc_greedy(op: ops.CtcGreedy, site: Site) -> Lowered:
    """`ctc_greedy`."""
    return method(part("ctc_greedy"), blank=op.blank)
