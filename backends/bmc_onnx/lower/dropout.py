"""Dropping at random does nothing in a graph that predicts."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.ops.dropout import Dropout, DropPath, SampleNormal, SpatialDropout
from bmc_onnx.lower.table import lower


@lower(Dropout)
def dropout(op: Dropout, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(SpatialDropout)
def spatial_dropout(op: SpatialDropout, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(DropPath)
def drop_path(op: DropPath, site: Site) -> Lowered:
    """The value itself."""
    return Function(lambda args: args[0])


@lower(SampleNormal)
def sample_normal(op: SampleNormal, site: Site) -> Lowered:
    """Refused: the graph would draw other numbers than the other programs."""
    return Unsupported("a graph that predicts gives the same each time, and this one draws")
