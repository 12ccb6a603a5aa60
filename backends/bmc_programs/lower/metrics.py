"""Metrics in NumPy and scikit-learn, over all rows of a split."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.lowering import plain
from bmc.emit.pyexpr import Bin, Compare, Expr, call, lit, method, name
from bmc.ops import metrics as ops
from bmc.ops.losses import class_axis
from bmc_programs.lower.table import lower


def _scores(op: Any, site: Site, logits: Expr) -> Expr:
    """Scores of classes, these on the last axis."""
    prediction = site.inputs[0]
    place = class_axis(prediction, getattr(op, "axis", -1))
    return logits if place == prediction.rank - 1 else call("np.moveaxis", logits, place + 1, -1)


def _kind(op: Any, site: Site) -> str:
    prediction, target = site.inputs
    return ops.task(prediction, target, getattr(op, "axis", -1))


def _decisions(op: Any, site: Site, logits: Expr) -> Expr:
    """The class with the highest score, the first of equal ones; or whether a logit says yes."""
    if _kind(op, site) == "classes":
        return method(_scores(op, site, logits), "argmax", axis=-1)
    return Compare(">", logits, lit(0))


def _flat(value: Expr, site: Site) -> Expr:
    """Decisions or targets as one row of places."""
    return method(value, "ravel") if site.inputs[1].rank else value


@lower(ops.Accuracy)
def accuracy(op: ops.Accuracy, site: Site) -> Lowered:
    """`accuracy` of a class for each row; else the share of right decisions."""
    if _kind(op, site) == "classes" and site.inputs[0].rank == 1 and op.ignore is None:
        return plain("accuracy")(op, site)

    def build(args: list[Expr]) -> Expr:
        decisions = _decisions(op, site, args[0])
        if op.ignore is None:
            return call("share_right", decisions, args[1])
        return call("share_right_known", decisions, args[1], op.ignore)

    return Function(build)


@lower(ops.BalancedAccuracy)
def balanced_accuracy(op: ops.BalancedAccuracy, site: Site) -> Lowered:
    """The mean recall of the classes that occur."""

    def build(args: list[Expr]) -> Expr:
        decisions, target = _flat(_decisions(op, site, args[0]), site), _flat(args[1], site)
        named: dict[str, Any] = {"labels": call("np.unique", target), "average": "macro"}
        return call("recall_score", target, decisions, **named, zero_division=0.0)

    return Function(build)


@lower(ops.SubsetAccuracy)
def subset_accuracy(op: ops.SubsetAccuracy, site: Site) -> Lowered:
    """`subset_accuracy`"""
    return Function(lambda args: call("subset_accuracy", _decisions(op, site, args[0]), args[1]))


@lower(ops.Hamming)
def hamming(op: ops.Hamming, site: Site) -> Lowered:
    """What is not right."""

    def build(args: list[Expr]) -> Expr:
        return Bin("-", lit(1), call("share_right", _decisions(op, site, args[0]), args[1]))

    return Function(build)


def _agreement(function: str) -> Any:
    def rule(op: Any, site: Site) -> Function:
        """A function of two rows of decisions."""

        def build(args: list[Expr]) -> Expr:
            decisions = _flat(_decisions(op, site, args[0]), site)
            return call(function, decisions, _flat(args[1], site))

        return Function(build)

    return rule


lower(ops.CohenKappa)(_agreement("cohen_kappa"))
lower(ops.Matthews)(_agreement("matthews_corrcoef"))  # which is the same both ways


@lower(ops.TopK)
def top_k(op: ops.TopK, site: Site) -> Lowered:
    """`top_k`"""
    flat = site.inputs[1].rank > 0
    classes = site.inputs[0].shape[class_axis(site.inputs[0], op.axis)]

    def build(args: list[Expr]) -> Expr:
        logits, target = _scores(op, site, args[0]), args[1]
        if flat:
            logits, target = method(logits, "reshape", -1, classes), method(target, "ravel")
        return call("top_k", logits, target, lit(op.k))

    return Function(build)


def _averaged(function: str) -> Any:
    def rule(op: Any, site: Site) -> Function:
        """A function of scikit-learn, over all classes, those that never occur counting 0."""
        kind, average = _kind(op, site), op.averaged(*site.inputs)
        labels = site.inputs[1].rank > 0 and kind == "labels"

        def build(args: list[Expr]) -> Expr:
            decisions, target = _decisions(op, site, args[0]), args[1]
            named: dict[str, Any] = {}
            if kind == "classes":
                decisions, target = _flat(decisions, site), _flat(target, site)
                place = class_axis(site.inputs[0], getattr(op, "axis", -1))
                named["labels"] = call("range", site.inputs[0].shape[place])
            elif labels and site.inputs[1].rank > 1:
                decisions, target = method(decisions, "ravel"), method(target, "ravel")
            if average != "binary":
                named["average"] = average
            return call(function, target, decisions, **named, zero_division=0.0)

        return Function(build)

    return rule


lower(ops.Precision)(_averaged("precision_score"))
lower(ops.Recall)(_averaged("recall_score"))


@lower(ops.F1)
def f1(op: ops.F1, site: Site) -> Lowered:
    """`f1_macro` of a class for each row, else `f1_score`."""
    one_class = _kind(op, site) == "classes" and site.inputs[0].rank == 1
    if one_class and op.averaged(*site.inputs) == "macro":
        return plain("f1_macro")(op, site)
    found: Lowered = _averaged("f1_score")(op, site)
    return found


def _regions(function: str) -> Any:
    def rule(op: Any, site: Site) -> Function:
        """A function of scikit-learn of all places, the mean over classes."""

        def build(args: list[Expr]) -> Expr:
            decisions = method(_decisions(op, site, args[0]), "ravel")
            named: dict[str, Any] = {}
            if _kind(op, site) == "classes":
                place = class_axis(site.inputs[0], op.axis)
                labels = call("range", site.inputs[0].shape[place])
                named = {"labels": labels, "average": "macro"}
            truth = method(args[1], "ravel")
            return call(function, truth, decisions, **named, zero_division=0.0)

        return Function(build)

    return rule


lower(ops.Iou)(_regions("jaccard_score"))
lower(ops.DiceScore)(_regions("f1_score"))


@lower(ops.LogLoss)
def log_loss(op: ops.LogLoss, site: Site) -> Lowered:
    """The mean of cross-entropies."""
    double = name("np.float64")
    if _kind(op, site) == "classes":
        return Function(lambda args: call("mean_class_loss", *args))
    return Function(lambda args: method(call("binary_losses", *args), "mean", dtype=double))


@lower(ops.Brier)
def brier(op: ops.Brier, site: Site) -> Lowered:
    """`brier`, or `binary_brier`."""
    return plain("brier" if _kind(op, site) == "classes" else "binary_brier")(op, site)


@lower(ops.CalibrationError)
def calibration_error(op: ops.CalibrationError, site: Site) -> Lowered:
    """`calibration_error` of the highest share, or of the share of a yes."""

    def build(args: list[Expr]) -> Expr:
        if _kind(op, site) == "classes":
            shares: Expr = method(call("softmax", args[0]), "max", axis=-1)
            right: Expr = Compare("==", _decisions(op, site, args[0]), args[1])
        else:
            shares, right = call("sigmoid", args[0]), args[1]
        return call("calibration_error", shares, right, lit(op.bins))

    return Function(build)


def _in_nats(op: Any, site: Site, args: list[Expr]) -> Expr:
    ignore = [] if op.ignore is None else [op.ignore]
    return call("mean_class_loss", _scores(op, site, args[0]), args[1], *ignore)


@lower(ops.Perplexity)
def perplexity(op: ops.Perplexity, site: Site) -> Lowered:
    """The exponential of the mean loss."""
    return Function(lambda args: call("math.exp", _in_nats(op, site, args)))


@lower(ops.Bits)
def bits(op: ops.Bits, site: Site) -> Lowered:
    """The mean loss in bits."""
    return Function(lambda args: Bin("/", _in_nats(op, site, args), call("math.log", 2)))


@lower(ops.Mase)
def mase(op: ops.Mase, site: Site) -> Lowered:
    """`mean_absolute_scaled_error`"""
    return Function(lambda args: call("mean_absolute_scaled_error", *args, lit(op.season)))


NUMBERS = {
    ops.RocAuc: "roc_auc",
    ops.AveragePrecision: "average_precision",
    ops.MeanSquaredError: "mean_squared_error",
    ops.MeanAbsoluteError: "mean_absolute_error",
    ops.RootMeanSquaredError: "root_mean_squared_error",
    ops.R2: "r2",
    ops.MeanAbsolutePercentage: "mean_absolute_percentage_error",
    ops.SymmetricPercentage: "symmetric_percentage_error",
    ops.Coverage: "coverage",
}


for _op, _function in NUMBERS.items():
    lower(_op)(plain(_function))
