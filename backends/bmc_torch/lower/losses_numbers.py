"""Losses of predicted numbers in PyTorch."""

from __future__ import annotations

from bmc.emit.backend import Lowered, Site
from bmc.emit.values import unless
from bmc.ops import losses_numbers as ops
from bmc_torch.lower.losses import native, own
from bmc_torch.lower.table import lower


@lower(ops.Mse)
def mse(op: ops.Mse, site: Site) -> Lowered:
    """`F.mse_loss`"""
    return native("F.mse_loss", op, site.inputs[0].rank)


@lower(ops.Mae)
def mae(op: ops.Mae, site: Site) -> Lowered:
    """`F.l1_loss`"""
    return native("F.l1_loss", op, site.inputs[0].rank)


@lower(ops.Huber)
def huber(op: ops.Huber, site: Site) -> Lowered:
    """`F.huber_loss`"""
    return native("F.huber_loss", op, site.inputs[0].rank, **unless(1.0, delta=op.delta))


@lower(ops.LogCosh)
def log_cosh(op: ops.LogCosh, site: Site) -> Lowered:
    """`log_cosh`"""
    return own("log_cosh", site.inputs[0].rank, op)


@lower(ops.Quantile)
def quantile(op: ops.Quantile, site: Site) -> Lowered:
    """`quantile`, or `quantiles`."""
    name = "quantiles" if isinstance(op.level, tuple) else "quantile"
    return own(name, site.inputs[0].rank, op, op.level)


@lower(ops.GaussianNll)
def gaussian_nll(op: ops.GaussianNll, site: Site) -> Lowered:
    """`gaussian_nll`: PyTorch's own gives clamped variances a gradient."""
    return own("gaussian_nll", site.inputs[0].rank, op, op.epsilon)


@lower(ops.PoissonNll)
def poisson_nll(op: ops.PoissonNll, site: Site) -> Lowered:
    """`F.poisson_nll_loss` of rates."""
    settings = {"log_input": False, **unless(1e-8, eps=op.epsilon)}
    return native("F.poisson_nll_loss", op, site.inputs[0].rank, **settings)


@lower(ops.StudentTNll)
def student_t_nll(op: ops.StudentTNll, site: Site) -> Lowered:
    """`student_t_nll`"""
    return own("student_t_nll", site.inputs[0].rank, op, op.freedom, op.epsilon)
