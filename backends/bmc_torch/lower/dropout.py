"""Dropping at random in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Module, Site
from bmc.emit.pyexpr import Bin, call
from bmc.ops.dropout import Dropout, DropPath, SampleNormal, SpatialDropout
from bmc_torch.lower.table import lower, part

DROP_PATH = part("DropPath")


@lower(Dropout)
def dropout(op: Dropout, site: Site) -> Lowered:
    """`nn.Dropout`."""
    return Module(call("nn.Dropout", op.rate))


@lower(SpatialDropout)
def spatial_dropout(op: SpatialDropout, site: Site) -> Lowered:
    """`nn.Dropout1d`, `2d` or `3d`."""
    return Module(call(f"nn.Dropout{site.inputs[0].rank - 1}d", op.rate))


@lower(DropPath)
def drop_path(op: DropPath, site: Site) -> Lowered:
    """A small module."""
    return Module(call("DropPath", op.rate), support=(DROP_PATH,))


@lower(SampleNormal)
def sample_normal(op: SampleNormal, site: Site) -> Lowered:
    """mean + spread * noise"""
    return Function(
        lambda args: Bin("+", args[0], Bin("*", args[1], call("torch.randn_like", args[1])))
    )
