"""Losses over classes in Keras, and how losses become one number."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Attr, Bin, Compare, Expr, Index, call, lit
from bmc.ops import losses as ops
from bmc_keras.lower.table import LOWERINGS, lower, part
from bmc_programs.lower.losses import class_place, ignored, not_yet

COUNTED = part("counted_mean")


def reduced(losses: Expr, rank: int, reduce: str = "mean", counts: Expr | None = None) -> Expr:
    """The mean of all losses; or each row's sum, and of these the mean; or a weighted mean.

    With `none` the losses stay as they are: they will be weighted.
    """
    if reduce == "none":
        return losses
    if counts is not None:
        return call("counted_mean", losses, counts)
    if reduce == "sum" and rank:
        axes = 1 if rank == 1 else tuple(range(1, rank + 1))
        losses = call("ops.sum", losses, axis=axes)
    return call("ops.mean", losses)


def own(name: str, rank: int, op: Any, *settings: Any, target: bool = False) -> Lowered:
    """A loss that the program brings as a function of places or rows.

    `target` says that the last input holds whole numbers, or may.
    """
    helper = part(name)
    reduce = str(getattr(op, "reduce", "mean"))
    given = [lit(setting) for setting in settings]

    def build(args: list[Expr]) -> Expr:
        values = [*args[:-1], as_float(args[-1], args[0])] if target else args
        return reduced(call(name, *values, *given), rank, reduce)

    return Function(build, (helper,))


def as_float(target: Expr, prediction: Expr) -> Expr:
    """A target of whole numbers in the prediction's type."""
    return call("ops.cast", target, Attr(prediction, "dtype"))


@lower(ops.PaddedCrossEntropy)
@lower(ops.CrossEntropy)
def cross_entropy(op: ops.CrossEntropy, site: Site) -> Lowered:
    """The mean of `keras.losses.sparse_categorical_crossentropy`, or of the one of shares."""
    prediction, target = site.inputs
    place = class_place(op, site)
    counted = op.reduce == "mean" and (op.ignore is not None or op.class_weight is not None)
    support: list[Support] = [COUNTED] if counted else []
    if op.ignore is not None:
        support.append(part("smooth_class_losses" if op.label_smoothing else "class_losses"))

    def build(args: list[Expr]) -> Expr:
        logits, classes = args
        if place != prediction.rank - 1:
            logits = call("ops.moveaxis", logits, place + 1, -1)
        counts = _counts(op, logits, classes) if counted else None
        return reduced(_losses(op, logits, classes), target.rank, op.reduce, counts)

    return not_yet(op, site) or Function(build, tuple(support))


def _losses(op: ops.CrossEntropy, logits: Expr, target: Expr) -> Expr:
    """A loss for each place."""
    if op.ignore is not None:
        if op.label_smoothing:
            given = (op.label_smoothing, op.ignore)
            return call("smooth_class_losses", target, logits, *given)
        return call("class_losses", target, logits, op.ignore)
    if not op.label_smoothing:
        function = "keras.losses.sparse_categorical_crossentropy"
        return call(function, target, logits, from_logits=True)
    classes = Index(Attr(logits, "shape"), (lit(-1),))
    hot = call("ops.one_hot", target, classes, dtype=Attr(logits, "dtype"))
    smoothing = {"label_smoothing": op.label_smoothing}
    function = "keras.losses.categorical_crossentropy"
    return call(function, hot, logits, from_logits=True, **smoothing)


def _counts(op: ops.CrossEntropy, logits: Expr, target: Expr) -> Expr:
    """How much each place counts."""
    known = Compare("!=", target, lit(op.ignore)) if op.ignore is not None else None
    if op.class_weight is None:
        assert known is not None
        return known
    dtype = Attr(logits, "dtype")
    weights = call("ops.convert_to_tensor", lit(tuple(op.class_weight)), dtype)
    if known is None:
        return call("ops.take", weights, target)
    assert op.ignore is not None
    inside = call("ops.maximum", target, 0) if op.ignore < 0 else target
    return Bin("*", call("ops.take", weights, inside), call("ops.cast", known, dtype))


@lower(ops.BinaryCrossEntropy)
def binary_cross_entropy(op: ops.BinaryCrossEntropy, site: Site) -> Lowered:
    """`ops.binary_crossentropy`, or a function that weighs a yes."""
    counted = op.reduce == "mean" and (op.ignore is not None or op.class_weight is not None)
    support: list[Support] = [COUNTED] if counted else []
    support += [part("smooth_labels")] if op.label_smoothing else []
    support += [part("binary_losses")] if op.pos_weight != 1.0 else []

    def build(args: list[Expr]) -> Expr:
        logits, classes = args
        target = as_float(classes, logits) if site.inputs[1].dtype == "int" else classes
        if op.label_smoothing:
            target = call("smooth_labels", target, op.label_smoothing)
        if op.pos_weight != 1.0:
            losses = call("binary_losses", target, logits, op.pos_weight)
        else:
            losses = call("ops.binary_crossentropy", target, logits, from_logits=True)
        known = ignored(op, site, classes)
        if known is not None:
            known = as_float(known, logits)
        if op.reduce == "sum":
            each: Expr = losses if known is None else Bin("*", losses, known)
            return reduced(each, site.inputs[0].rank, "sum")
        counts = known
        if op.class_weight is not None:
            no, yes = op.class_weight
            counts = call("ops.where", Compare("==", classes, lit(1)), yes, no)
            counts = counts if known is None else Bin("*", as_float(counts, logits), known)
        return reduced(losses, site.inputs[0].rank, op.reduce, counts)

    return not_yet(op, site) or Function(build, tuple(support))


@lower(ops.Focal)
def focal(op: ops.Focal, site: Site) -> Lowered:
    """`focal`, or `binary_focal`."""
    prediction, target = site.inputs
    classes = prediction.shape != target.shape
    name = "focal" if classes else "binary_focal"

    def build(args: list[Expr]) -> Expr:
        truth = args[1] if classes else as_float(args[1], args[0])
        return reduced(call(name, truth, args[0], op.gamma), target.rank, op.reduce)

    return Function(build, (part(name),))


@lower(ops.Hinge)
def hinge(op: ops.Hinge, site: Site) -> Lowered:
    """`hinge`"""
    return own("hinge", site.inputs[0].rank, op, target=True)


def _regions(name: str, op: Any, site: Site) -> Lowered:
    """A comparison of regions, or of those of each class."""
    prediction, target = site.inputs
    if prediction.rank == target.rank:
        return own(name, 0, op, op.smooth, target=True)
    place = ops.class_axis(prediction, op.axis)
    last = place == prediction.rank - 1

    def build(args: list[Expr]) -> Expr:
        logits = args[0] if last else call("ops.moveaxis", args[0], place + 1, -1)
        return reduced(call(f"class_{name}", logits, args[1], op.smooth), 0)

    return Function(build, (part(f"class_{name}"),))


@lower(ops.Dice)
def dice(op: ops.Dice, site: Site) -> Lowered:
    """`dice`, or `class_dice`."""
    return _regions("dice", op, site)


@lower(ops.Jaccard)
def jaccard(op: ops.Jaccard, site: Site) -> Lowered:
    """`jaccard`, or `class_jaccard`."""
    return _regions("jaccard", op, site)


@lower(ops.Weighted)
def weighted(op: ops.Weighted, site: Site) -> Lowered:
    """`weighted_mean` of the losses."""
    found = rule_for(LOWERINGS, op.each_loss, Site(site.inputs[:-1], site.outputs, {}))
    if not isinstance(found, Function):
        return found
    each, support = found.build, (*found.support, part("weighted_mean"))
    return Function(lambda args: call("weighted_mean", each(args[:-1]), args[-1]), support)


@lower(ops.Mean)
def mean(op: ops.Reduction, site: Site) -> Lowered:
    """The mean of all numbers."""
    return Function(lambda args: reduced(args[0], 0))


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """The sum of each row; of these the mean."""
    return Function(lambda args: reduced(args[0], site.inputs[0].rank, "sum"))
