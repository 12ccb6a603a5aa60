"""Losses of sequences in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site
from bmc.ops import losses_sequences as ops
from bmc_torch.lower.losses import own
from bmc_torch.lower.table import lower


@lower(ops.Ctc)
def ctc(op: ops.Ctc, site: Site) -> Lowered:
    """`ctc`, around `F.ctc_loss`."""
    return own("ctc", 0, op, op.blank)
