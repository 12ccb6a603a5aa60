"""Losses of predicted numbers in NumPy."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import call
from bmc.ops import losses_numbers as ops
from bmc_programs.lower.losses import own
from bmc_programs.lower.table import lower


@lower(ops.Mse)
def mse(op: ops.Mse, site: Site) -> Lowered:
    """`mean_squared_error`"""
    if op.reduce == "mean":
        return Function(lambda args: call("mean_squared_error", *args))
    return own("squares", site.inputs[0].rank, op)


@lower(ops.Mae)
def mae(op: ops.Mae, site: Site) -> Lowered:
    """`mean_absolute_error`"""
    if op.reduce == "mean":
        return Function(lambda args: call("mean_absolute_error", *args))
    return own("distances", site.inputs[0].rank, op)


@lower(ops.Huber)
def huber(op: ops.Huber, site: Site) -> Lowered:
    """`huber`"""
    return own("huber", site.inputs[0].rank, op, op.delta)


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
    """`gaussian_nll`"""
    return own("gaussian_nll", site.inputs[0].rank, op, op.epsilon)


@lower(ops.PoissonNll)
def poisson_nll(op: ops.PoissonNll, site: Site) -> Lowered:
    """`poisson_nll`"""
    return own("poisson_nll", site.inputs[0].rank, op, op.epsilon)


@lower(ops.StudentTNll)
def student_t_nll(op: ops.StudentTNll, site: Site) -> Lowered:
    """`student_t_nll`"""
    return own("student_t_nll", site.inputs[0].rank, op, op.freedom, op.epsilon)
