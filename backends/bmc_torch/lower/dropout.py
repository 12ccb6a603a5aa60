"""Dropping at random in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site
from bmc.emit.pyexpr import call
from bmc.ops.dropout import Dropout
from bmc_torch.lower.table import lower


@lower(Dropout)
def dropout(op: Dropout, site: Site) -> Lowered:
    """`nn.Dropout`."""
    return Module(call("nn.Dropout", op.rate))
