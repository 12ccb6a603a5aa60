"""Losses in PyTorch: expressions of outputs and targets."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import call, method
from bmc.emit.values import unless
from bmc.ops import losses as ops
from bmc_programs.lower.losses import not_yet
from bmc_torch.lower.table import lower


@lower(ops.CrossEntropy)
def cross_entropy(op: ops.CrossEntropy, site: Site) -> Lowered:
    """`F.cross_entropy`."""
    named = unless(0.0, label_smoothing=op.label_smoothing)
    return not_yet(op, site) or Function(lambda args: call("F.cross_entropy", *args, **named))


@lower(ops.Mse)
def mse(op: ops.Mse, site: Site) -> Lowered:
    """`F.mse_loss`."""
    return not_yet(op, site) or Function(lambda args: call("F.mse_loss", *args))


@lower(ops.Mae)
def mae(op: ops.Mae, site: Site) -> Lowered:
    """`F.l1_loss`."""
    return not_yet(op, site) or Function(lambda args: call("F.l1_loss", *args))


@lower(ops.Huber)
def huber(op: ops.Huber, site: Site) -> Lowered:
    """`F.huber_loss`."""
    named = unless(1.0, delta=op.delta)
    return not_yet(op, site) or Function(lambda args: call("F.huber_loss", *args, **named))


@lower(ops.Mean)
def mean(op: ops.Reduction, site: Site) -> Lowered:
    """The mean of all numbers."""
    return Function(lambda args: method(args[0], "mean"))


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """The sum of each row; of these the mean."""
    axes = site.inputs[0].rank
    if not axes:
        return mean(op, site)
    along = 1 if axes == 1 else tuple(range(1, axes + 1))
    return Function(lambda args: method(method(args[0], "sum", dim=along), "mean"))
