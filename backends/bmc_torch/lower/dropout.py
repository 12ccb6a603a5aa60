"""Dropping at random in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Module, Site, Support
from bmc.emit.pyexpr import Bin, call
from bmc.ops.dropout import Dropout, DropPath, SampleNormal, SpatialDropout
from bmc_torch.lower.table import lower

DROP_PATH = Support(
    "DropPath",
    '''\
class DropPath(nn.Module):
    """Drop the value of whole samples while training (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.kept = 1.0 - rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * torch.bernoulli(x.new_full(shape, self.kept)) / self.kept
''',
    ("nn", "Tensor", "torch"),
)


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
