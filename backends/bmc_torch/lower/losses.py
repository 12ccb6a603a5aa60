"""Losses over classes in PyTorch, and how losses become one number."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support
from bmc.emit.lowering import rule_for
from bmc.emit.pyexpr import Attr, Bin, Compare, Expr, Index, call, lit, method
from bmc.emit.values import unless
from bmc.ops import losses as ops
from bmc_programs.lower.losses import class_place, ignored, not_yet
from bmc_torch.lower.table import LOWERINGS, lower, part

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
        losses = method(losses, "sum", dim=axes)
    return method(losses, "mean")


def own(name: str, rank: int, op: Any, *settings: Any) -> Lowered:
    """A loss that the program brings as a function of places or rows."""
    helper = part(name)
    reduce = str(getattr(op, "reduce", "mean"))
    given = [lit(setting) for setting in settings]
    return Function(lambda args: reduced(call(name, *args, *given), rank, reduce), (helper,))


def native(function: str, op: Any, rank: int, **settings: Any) -> Lowered:
    """A loss of PyTorch, which takes the mean itself."""

    def build(args: list[Expr]) -> Expr:
        if op.reduce == "mean":
            return call(function, *args, **settings)
        return reduced(call(function, *args, **settings, reduction="none"), rank, op.reduce)

    return Function(build)


@lower(ops.PaddedCrossEntropy)
@lower(ops.CrossEntropy)
def cross_entropy(op: ops.CrossEntropy, site: Site) -> Lowered:
    """`F.cross_entropy`, with the classes on its second axis."""
    prediction, target = site.inputs
    place = class_place(op, site)
    some = op.ignore is None or isinstance(op, ops.PaddedCrossEntropy)  # else its mean may be 0 / 0
    counted = not some or op.class_weight is not None
    named = unless(0.0, label_smoothing=op.label_smoothing)
    if op.ignore is not None and op.ignore != -100:
        named["ignore_index"] = op.ignore

    def build(args: list[Expr]) -> Expr:
        logits, classes = args
        given = [logits, classes]
        if prediction.rank > 1 and place != 0:
            given[0] = method(logits, "movedim", place + 1, 1)
        if not counted and op.reduce == "mean":
            return call("F.cross_entropy", *given, **named)
        losses = call("F.cross_entropy", *given, **named, reduction="none")
        counts = _counts(op, logits, classes) if counted and op.reduce == "mean" else None
        return reduced(losses, target.rank, op.reduce, counts)

    refused = not_yet(op, site)
    return refused or Function(build, (COUNTED,) if counted and op.reduce == "mean" else ())


def _counts(op: ops.CrossEntropy, logits: Expr, target: Expr) -> Expr:
    """How much each place counts."""
    known = Compare("!=", target, lit(op.ignore)) if op.ignore is not None else None
    if op.class_weight is None:
        assert known is not None
        return known
    weights = method(logits, "new_tensor", lit(tuple(op.class_weight)))
    if known is None:
        return Index(weights, (target,))
    assert op.ignore is not None
    inside = method(target, "clamp", min=0) if op.ignore < 0 else target
    return Bin("*", Index(weights, (inside,)), known)


@lower(ops.BinaryCrossEntropy)
def binary_cross_entropy(op: ops.BinaryCrossEntropy, site: Site) -> Lowered:
    """`F.binary_cross_entropy_with_logits`."""
    function = "F.binary_cross_entropy_with_logits"
    support: tuple[Support, ...] = ()
    counted = op.reduce == "mean" and (op.ignore is not None or op.class_weight is not None)
    if op.label_smoothing:
        support += (part("smooth_labels"),)
    if counted or op.ignore is not None:
        support += (COUNTED,)

    def build(args: list[Expr]) -> Expr:
        logits, classes = args
        target = method(classes, "to", _dtype(logits)) if site.inputs[1].dtype == "int" else classes
        if op.label_smoothing:
            target = call("smooth_labels", target, op.label_smoothing)
        named: dict[str, Any] = {}
        if op.pos_weight != 1.0:
            named["pos_weight"] = method(logits, "new_tensor", op.pos_weight)
        if op.reduce == "mean" and not counted:
            return call(function, logits, target, **named)
        losses = call(function, logits, target, **named, reduction="none")
        known = ignored(op, site, classes)
        if op.reduce == "sum":
            each: Expr = losses if known is None else Bin("*", losses, known)
            return reduced(each, site.inputs[0].rank, "sum")
        counts = known
        if op.class_weight is not None:
            no, yes = op.class_weight
            counts = call("torch.where", Compare("==", classes, lit(1)), yes, no)
            counts = counts if known is None else Bin("*", counts, known)
        return reduced(losses, site.inputs[0].rank, op.reduce, counts)

    return not_yet(op, site) or Function(build, support)


def _dtype(x: Expr) -> Expr:
    return Attr(x, "dtype")


@lower(ops.Focal)
def focal(op: ops.Focal, site: Site) -> Lowered:
    """`focal`, or `binary_focal`."""
    prediction, target = site.inputs
    if prediction.shape != target.shape:
        moved = prediction.rank > 1

        def build(args: list[Expr]) -> Expr:
            logits = method(args[0], "movedim", -1, 1) if moved else args[0]
            return reduced(call("focal", logits, args[1], op.gamma), target.rank, op.reduce)

        return Function(build, (part("focal"),))

    def binary(args: list[Expr]) -> Expr:
        truth = method(args[1], "to", _dtype(args[0]))
        return reduced(call("binary_focal", args[0], truth, op.gamma), target.rank, op.reduce)

    return Function(binary, (part("binary_focal"),))


@lower(ops.Hinge)
def hinge(op: ops.Hinge, site: Site) -> Lowered:
    """`hinge`"""
    return own("hinge", site.inputs[0].rank, op)


def _regions(name: str, op: Any, site: Site) -> Lowered:
    """A comparison of regions, or of those of each class."""
    prediction, target = site.inputs
    if prediction.rank == target.rank:
        return own(name, 0, op, op.smooth)
    place = ops.class_axis(prediction, op.axis)
    last = place == prediction.rank - 1

    def build(args: list[Expr]) -> Expr:
        logits = args[0] if last else method(args[0], "movedim", place + 1, -1)
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
