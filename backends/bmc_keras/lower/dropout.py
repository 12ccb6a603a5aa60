"""Dropping at random in Keras."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site
from bmc.emit.pyexpr import call
from bmc.ops.dropout import Dropout
from bmc_keras.lower.table import lower


@lower(Dropout, "any")
def dropout(op: Dropout, site: Site) -> Lowered:
    """`layers.Dropout`."""
    return Module(call("layers.Dropout", op.rate))
