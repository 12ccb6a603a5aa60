"""Metrics in NumPy: calls of the functions in `parts/scores.py`, over all rows of a split."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.lowering import plain
from bmc.emit.pyexpr import call, lit
from bmc.ops import metrics as ops
from bmc_programs.lower.table import lower

ROWS = Unsupported("more than one decision a sample is not lowered yet")


def _one_class(site: Site) -> bool:
    """Whether every sample has scores for classes, and one class."""
    prediction, target = site.inputs
    return prediction.rank == 1 and target.rank == 0


@lower(ops.Accuracy)
def accuracy(op: ops.Accuracy, site: Site) -> Lowered:
    """`accuracy`."""
    if op.ignore is not None:
        return Unsupported("its `ignore` is not lowered yet")
    return Function(lambda args: call("accuracy", *args)) if _one_class(site) else ROWS


@lower(ops.TopK)
def top_k(op: ops.TopK, site: Site) -> Lowered:
    """`top_k`."""
    count = lit(op.k)
    return Function(lambda args: call("top_k", *args, count)) if _one_class(site) else ROWS


@lower(ops.F1)
def f1(op: ops.F1, site: Site) -> Lowered:
    """`f1_macro`."""
    if not _one_class(site):
        return ROWS
    average = op.averaged(*site.inputs)
    if average != "macro":
        return Unsupported(f"its `average={average}` is not lowered yet")
    return Function(lambda args: call("f1_macro", *args))


NUMBERS = {
    ops.MeanSquaredError: "mean_squared_error",
    ops.MeanAbsoluteError: "mean_absolute_error",
    ops.RootMeanSquaredError: "root_mean_squared_error",
    ops.R2: "r2",
}


for _op, _function in NUMBERS.items():
    lower(_op)(plain(_function))
