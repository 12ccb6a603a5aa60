"""Normalisation in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Module, Site
from bmc.emit.pyexpr import Call, Expr, call, method
from bmc.emit.values import rest, unless
from bmc.ops.norm import BatchNorm
from bmc_torch.lower.table import lower


@lower(BatchNorm)
def batch_norm(op: BatchNorm, site: Site) -> Lowered:
    """`nn.BatchNorm1d`, `2d` or `3d`, with the channels first."""
    (x,) = site.inputs
    axis = op.channel_axis(x)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if axis == 0:
            return Call(layer, tuple(args))
        first = method(args[0], "movedim", axis + 1, 1)
        return method(Call(layer, (first,)), "movedim", 1, axis + 1)

    kind = f"nn.BatchNorm{max(x.rank - 1, 1)}d"
    momentum = rest(op.decay)
    affine = unless(True, affine=op.affine)
    return Module(call(kind, x.shape[axis], eps=op.epsilon, momentum=momentum, **affine), use)
