"""Losses in NumPy: calls of the functions in `parts/scores.py`, over all rows of a split."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import call, lit, method, name
from bmc.ops import losses as ops
from bmc_programs.lower.table import lower

DOUBLE = name("np.float64")


def not_yet(op: ops.Loss, site: Site) -> Unsupported | None:
    """What no backend does yet of a loss; all of them ask this."""
    if isinstance(op, ops.CrossEntropy):
        if site.inputs[0].rank != 1:
            return Unsupported("more than one row of scores a sample is not lowered yet")
        for setting in ("ignore", "class_weight"):
            if getattr(op, setting) is not None:
                return Unsupported(f"its `{setting}` is not lowered yet")
    reduce = getattr(op, "reduce", "mean")
    return None if reduce == "mean" else Unsupported(f"its `reduce={reduce}` is not lowered yet")


@lower(ops.CrossEntropy)
def cross_entropy(op: ops.CrossEntropy, site: Site) -> Lowered:
    """`cross_entropy`, or `smooth_cross_entropy`."""
    refused = not_yet(op, site)
    if refused is not None:
        return refused
    if not op.label_smoothing:
        return Function(lambda args: call("cross_entropy", *args))
    smoothing = lit(op.label_smoothing)
    return Function(lambda args: call("smooth_cross_entropy", *args, smoothing))


@lower(ops.Mse)
def mse(op: ops.Mse, site: Site) -> Lowered:
    """`mean_squared_error`."""
    return not_yet(op, site) or Function(lambda args: call("mean_squared_error", *args))


@lower(ops.Mae)
def mae(op: ops.Mae, site: Site) -> Lowered:
    """`mean_absolute_error`."""
    return not_yet(op, site) or Function(lambda args: call("mean_absolute_error", *args))


@lower(ops.Huber)
def huber(op: ops.Huber, site: Site) -> Lowered:
    """`huber`."""
    delta = lit(op.delta)
    return not_yet(op, site) or Function(lambda args: call("huber", *args, delta))


@lower(ops.Mean)
def mean(op: ops.Reduction, site: Site) -> Lowered:
    """The mean of all numbers."""
    return Function(lambda args: method(args[0], "mean", dtype=DOUBLE))


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """The sum of each row; of these the mean."""
    axes = site.inputs[0].rank
    if not axes:
        return mean(op, site)
    along = 1 if axes == 1 else tuple(range(1, axes + 1))
    return Function(lambda args: method(method(args[0], "sum", axis=along), "mean", dtype=DOUBLE))
