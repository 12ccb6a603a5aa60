"""Losses of predicted numbers in Keras."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Bin, Call, Expr, call
from bmc.emit.values import unless
from bmc.ops import losses_numbers as ops
from bmc_keras.lower.losses import own, reduced
from bmc_keras.lower.table import lower


@lower(ops.Mse)
def mse(op: ops.Mse, site: Site) -> Lowered:
    """Squares."""

    def build(args: list[Expr]) -> Expr:
        return reduced(call("ops.square", Bin("-", *args)), site.inputs[0].rank, op.reduce)

    return Function(build)


@lower(ops.Mae)
def mae(op: ops.Mae, site: Site) -> Lowered:
    """Distances."""

    def build(args: list[Expr]) -> Expr:
        return reduced(call("ops.abs", Bin("-", *args)), site.inputs[0].rank, op.reduce)

    return Function(build)


@lower(ops.Huber)
def huber(op: ops.Huber, site: Site) -> Lowered:
    """`keras.losses.Huber`, which takes the target first and means of a last axis."""
    if op.reduce == "mean":
        made = call("keras.losses.Huber", **unless(1.0, delta=op.delta))
        return Function(lambda args: Call(made, (args[1], args[0])))
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
    return own("poisson_nll", site.inputs[0].rank, op, op.epsilon, target=True)


@lower(ops.StudentTNll)
def student_t_nll(op: ops.StudentTNll, site: Site) -> Lowered:
    """`student_t_nll`"""
    return own("student_t_nll", site.inputs[0].rank, op, op.freedom, op.epsilon)
