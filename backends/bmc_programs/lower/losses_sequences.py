"""Losses of sequences in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site
from bmc.ops import losses_sequences as ops
from bmc_programs.lower.losses import own
from bmc_programs.lower.table import lower


@lower(ops.Ctc)
def ctc(op: ops.Ctc, site: Site) -> Lowered:
    """`ctc`."""
    return own("ctc", 0, op, op.blank)
