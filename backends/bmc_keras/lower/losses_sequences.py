"""Losses of sequences in Keras."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site
from bmc.ops import losses_sequences as ops
from bmc_keras.lower.losses import own
from bmc_keras.lower.table import lower


@lower(ops.Ctc)
def ctc(op: ops.Ctc, site: Site) -> Lowered:
    """`ctc`, around `ops.ctc_loss`."""
    return own("ctc", 0, op, op.blank)
