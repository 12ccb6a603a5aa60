"""Losses in Keras: expressions of outputs and targets."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Attr, Bin, Call, Expr, Index, call, lit
from bmc.emit.values import unless
from bmc.ops import losses as ops
from bmc_keras.lower.table import lower
from bmc_programs.lower.losses import not_yet


@lower(ops.CrossEntropy)
def cross_entropy(op: ops.CrossEntropy, site: Site) -> Lowered:
    """The mean of `keras.losses.sparse_categorical_crossentropy`, or of the one of shares."""

    def build(args: list[Expr]) -> Expr:
        logits, target = args
        if not op.label_smoothing:
            function = "keras.losses.sparse_categorical_crossentropy"
            return call("ops.mean", call(function, target, logits, from_logits=True))
        classes = Index(Attr(logits, "shape"), (lit(-1),))
        hot = call("ops.one_hot", target, classes, dtype=Attr(logits, "dtype"))
        function = "keras.losses.categorical_crossentropy"
        smoothing = {"label_smoothing": op.label_smoothing}
        return call("ops.mean", call(function, hot, logits, from_logits=True, **smoothing))

    return not_yet(op, site) or Function(build)


@lower(ops.Mse)
def mse(op: ops.Mse, site: Site) -> Lowered:
    """The mean of squares."""
    return not_yet(op, site) or Function(
        lambda args: call("ops.mean", call("ops.square", Bin("-", *args)))
    )


@lower(ops.Mae)
def mae(op: ops.Mae, site: Site) -> Lowered:
    """The mean of distances."""
    return not_yet(op, site) or Function(
        lambda args: call("ops.mean", call("ops.abs", Bin("-", *args)))
    )


@lower(ops.Huber)
def huber(op: ops.Huber, site: Site) -> Lowered:
    """`keras.losses.Huber`, which takes the target first."""
    made = call("keras.losses.Huber", **unless(1.0, delta=op.delta))
    return not_yet(op, site) or Function(lambda args: Call(made, (args[1], args[0])))


@lower(ops.Mean)
def mean(op: ops.Reduction, site: Site) -> Lowered:
    """The mean of all numbers."""
    return Function(lambda args: call("ops.mean", args[0]))


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """The sum of each row; of these the mean."""
    axes = site.inputs[0].rank
    if not axes:
        return mean(op, site)
    along = 1 if axes == 1 else tuple(range(1, axes + 1))
    return Function(lambda args: call("ops.mean", call("ops.sum", args[0], axis=along)))
