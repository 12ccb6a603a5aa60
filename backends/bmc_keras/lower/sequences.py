"""Sequences of classes in Keras."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import call, lit
from bmc.ops import sequences as ops
from bmc_keras.lower.table import lower, part


@lower(ops.CtcGreedy)
def ctc_greedy(op: ops.CtcGreedy, site: Site) -> Lowered:
    """`ctc_greedy`."""
    helper = part("ctc_greedy")
    return Function(lambda args: call("ctc_greedy", args[0], lit(op.blank)), (helper,))
