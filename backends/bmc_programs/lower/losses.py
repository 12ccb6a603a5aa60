"""Losses over classes in NumPy, over all rows of a split, and how losses become one number."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Bin, Compare, Expr, Index, call, lit, method, name
from bmc.ops import losses as ops
from bmc_programs.lower.table import LOWERINGS, lower

DOUBLE = name("np.float64")


def not_yet(op: ops.Loss, site: Site) -> Unsupported | None:
    """What no backend does yet of a loss; all of them ask this."""
    if getattr(op, "ignore", None) == "missing":
        return Unsupported("missing cells of a target are not read yet")
    return None


def class_place(op: ops.CrossEntropy, site: Site) -> int:
    """The axis with one score for each class, from the front."""
    return ops.class_axis(site.inputs[0], op.axis)


def ignored(op: ops.BinaryCrossEntropy, site: Site, target: Expr) -> Expr | None:
    """Which places count; None where all do."""
    if op.ignore is None:
        return None
    whole = site.inputs[1].dtype == "int" and float(op.ignore).is_integer()
    return Compare("!=", target, lit(int(op.ignore) if whole else op.ignore))


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
        losses = method(losses, "sum", axis=axes)
    return method(losses, "mean", dtype=DOUBLE)


def own(function: str, rank: int, op: Any, *settings: Any) -> Lowered:
    """A function of `parts/losses.py`, reduced."""
    reduce = str(getattr(op, "reduce", "mean"))
    given = [lit(setting) for setting in settings]
    return Function(lambda args: reduced(call(function, *args, *given), rank, reduce))


@lower(ops.CrossEntropy)
def cross_entropy(op: ops.CrossEntropy, site: Site) -> Lowered:
    """`cross_entropy` of a class for each row; else a loss for each place, reduced."""
    prediction, target = site.inputs
    place = class_place(op, site)
    plain = op.ignore is None and op.class_weight is None and op.reduce == "mean"
    if target.rank == 0 and plain:
        if not op.label_smoothing:
            return Function(lambda args: call("cross_entropy", *args))
        return Function(lambda args: call("smooth_cross_entropy", *args, op.label_smoothing))

    def build(args: list[Expr]) -> Expr:
        logits, classes = args
        if place != prediction.rank - 1:
            logits = call("np.moveaxis", logits, place + 1, -1)
        counted = op.reduce == "mean" and (op.ignore is not None or op.class_weight is not None)
        counts = _counts(op, classes) if counted else None
        return reduced(_losses(op, logits, classes), target.rank, op.reduce, counts)

    return not_yet(op, site) or Function(build)


def _losses(op: ops.CrossEntropy, logits: Expr, target: Expr) -> Expr:
    smooth = "smooth_" if op.label_smoothing else ""
    given: list[Any] = [op.label_smoothing] if smooth else []
    if op.ignore is not None:
        return call(f"{smooth}known_losses", logits, target, *given, op.ignore)
    return call("smooth_losses" if smooth else "class_losses", logits, target, *given)


def _counts(op: ops.CrossEntropy, target: Expr) -> Expr:
    """How much each place counts."""
    known = Compare("!=", target, lit(op.ignore)) if op.ignore is not None else None
    if op.class_weight is None:
        assert known is not None
        return known
    weights = call("np.array", lit(tuple(op.class_weight)))
    if known is None:
        return Index(weights, (target,))
    assert op.ignore is not None
    inside = call("np.maximum", target, 0) if op.ignore < 0 else target
    return Bin("*", Index(weights, (inside,)), known)


@lower(ops.BinaryCrossEntropy)
def binary_cross_entropy(op: ops.BinaryCrossEntropy, site: Site) -> Lowered:
    """`binary_losses`, reduced."""
    rank = site.inputs[0].rank
    weight = [op.pos_weight] if op.pos_weight != 1.0 else []

    def build(args: list[Expr]) -> Expr:
        logits, target = args
        truth = call("smooth_labels", target, op.label_smoothing) if op.label_smoothing else target
        losses = call("binary_losses", logits, truth, *weight)
        known = ignored(op, site, target)
        if op.reduce == "sum":
            return reduced(losses if known is None else Bin("*", losses, known), rank, "sum")
        counts = known
        if op.class_weight is not None:
            no, yes = op.class_weight
            counts = call("np.where", Compare("==", target, lit(1)), yes, no)
            counts = counts if known is None else Bin("*", counts, known)
        return reduced(losses, rank, op.reduce, counts)

    return not_yet(op, site) or Function(build)


@lower(ops.Focal)
def focal(op: ops.Focal, site: Site) -> Lowered:
    """`focal`, or `binary_focal`."""
    prediction, target = site.inputs
    function = "binary_focal" if prediction.shape == target.shape else "focal"
    return own(function, target.rank, op, op.gamma)


@lower(ops.Hinge)
def hinge(op: ops.Hinge, site: Site) -> Lowered:
    """`hinge`"""
    return own("hinge", site.inputs[0].rank, op)


def _regions(function: str, op: Any, site: Site) -> Lowered:
    """A comparison of regions, or of those of each class."""
    prediction, target = site.inputs
    if prediction.rank == target.rank:
        return own(function, 0, op, op.smooth)
    place = ops.class_axis(prediction, op.axis)
    last = place == prediction.rank - 1

    def build(args: list[Expr]) -> Expr:
        logits = args[0] if last else call("np.moveaxis", args[0], place + 1, -1)
        return reduced(call(f"class_{function}", logits, args[1], op.smooth), 0)

    return Function(build)


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
    each = found.build
    return Function(lambda args: call("weighted_mean", each(args[:-1]), args[-1]))


@lower(ops.Mean)
def mean(op: ops.Reduction, site: Site) -> Lowered:
    """The mean of all numbers."""
    return Function(lambda args: reduced(args[0], 0))


@lower(ops.Sum)
def total(op: ops.Sum, site: Site) -> Lowered:
    """The sum of each row; of these the mean."""
    return Function(lambda args: reduced(args[0], site.inputs[0].rank, "sum"))
