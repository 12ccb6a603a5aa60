"""Dropping at random in Keras."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site
from bmc.emit.pyexpr import Call, call, lit
from bmc.ops.dropout import Dropout, DropPath, SampleNormal, SpatialDropout
from bmc_keras.lower.table import lower, part

SAMPLE = part("SampleNormal")


@lower(Dropout, "any")
def dropout(op: Dropout, site: Site) -> Lowered:
    """`layers.Dropout`."""
    return Module(call("layers.Dropout", op.rate))


@lower(SpatialDropout, "last")
def spatial_dropout(op: SpatialDropout, site: Site) -> Lowered:
    """`layers.SpatialDropout1D`, `2D` or `3D`."""
    return Module(call(f"layers.SpatialDropout{site.inputs[0].rank - 1}D", op.rate))


@lower(DropPath, "any")
def drop_path(op: DropPath, site: Site) -> Lowered:
    """`layers.Dropout` with one decision for each sample."""
    alike = lit((None, *(1,) * site.inputs[0].rank))
    return Module(call("layers.Dropout", op.rate, noise_shape=alike))


@lower(SampleNormal)
def sample_normal(op: SampleNormal, site: Site) -> Lowered:
    """A small layer with a generator of its own."""
    return Module(
        call("SampleNormal"),
        lambda layer, args: Call(layer, tuple(args)),
        support=(SAMPLE,),
    )
