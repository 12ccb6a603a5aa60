"""Normalisation in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Module, Site
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Bin, Call, Expr, call, name
from bmc.ops import norm as ops
from bmc.ops.axes import axis_of, ragged_axis
from bmc.types.tensor import TensorType
from bmc_keras.lower.common import axis, literals
from bmc_keras.lower.masks import widened
from bmc_keras.lower.table import Layout, lower, part
from bmc_keras.weights import At

AFFINE = {
    "weight": At("gamma", (0,), test="layer.scale"),
    "bias": At("beta", (0,), test="layer.center"),
}
STANDARDIZE = part("standardize_series")
BATCH_NORM = part("BatchNorm")


PADDED_BATCH_NORM = part("PaddedBatchNorm")


def _around(place: int, x: TensorType) -> Callable[[Expr, list[Expr]], Expr]:
    """The use on a value whose channels are last, or moved there.

    A mask, if there is one, gets as many axes as the value has beside the channels.
    """

    def use(layer: Expr, args: list[Expr]) -> Expr:
        value, *masks = args
        others = [other for other in range(x.rank) if other != place]
        given = tuple(
            ("mask", widened(mask, others.index(ragged_axis(x)), x.rank - 1)) for mask in masks
        )
        if place in (0, x.rank - 1):
            return Call(layer, (value,), given)
        last = call("ops.moveaxis", value, axis(x, place), -1)
        return call("ops.moveaxis", Call(layer, (last,), given), -1, axis(x, place))

    return use


def _layout(op: ops.BatchNorm, types: tuple[TensorType, ...]) -> Layout:
    return "last" if op.channel_axis(types[0]) == 0 else "own"


@lower(ops.BatchNorm, _layout)
def batch_norm(op: ops.BatchNorm, site: Site) -> Lowered:
    """A small subclass of `layers.BatchNormalization`, with the channels last."""
    (x,) = site.inputs
    place = op.channel_axis(x)
    settings = {
        "momentum": op.decay,
        "epsilon": op.epsilon,
        "center": op.affine,
        "scale": op.affine,
    }
    kind = PADDED_BATCH_NORM if site.masks else BATCH_NORM
    helper = "padded_norm" if site.masks else "norm"
    return Module(
        Call(name(kind.name), (), keywords(settings)),
        _around(place, x),
        helper=helper if op.affine else f"{helper}_without_weights",
        defaults=literals(center=True, scale=True),
        support=(kind,),
        made_for="axes",
        weights={
            **(AFFINE if op.affine else {}),
            "running_mean": At("moving_mean", (0,)),
            "running_var": At("moving_variance", (0,)),
        },
    )


def _affine(op: Any, count: int = 1) -> dict[str, At]:
    """Where scale and shift are, of so many axes."""
    order = tuple(range(count))
    found = {"weight": At("gamma", order, test="layer.scale")} if op.affine else {}
    if op.affine and getattr(op, "bias", True):
        found["bias"] = At("beta", order, test="layer.center")
    return found


@lower(ops.LayerNorm)
def layer_norm(op: ops.LayerNorm, site: Site) -> Lowered:
    """`layers.LayerNormalization`."""
    (x,) = site.inputs
    places = op.axes(x)
    over: Any = tuple(axis(x, place) for place in places)
    settings = {
        "axis": -1 if places == (x.rank - 1,) else over[0] if len(over) == 1 else list(over),
        "epsilon": op.epsilon,
        "center": op.affine and op.bias,
        "scale": op.affine,
    }
    return Module(
        Call(name("layers.LayerNormalization"), (), keywords(settings)),
        helper="layer_norm",
        defaults=literals(axis=-1, center=True, scale=True),
        weights=_affine(op, len(places)),
    )


@lower(ops.RMSNorm)
def rms_norm(op: ops.RMSNorm, site: Site) -> Lowered:
    """`layers.RMSNormalization`, with the axes last; without weights `ops.rms_normalization`."""
    (x,) = site.inputs
    places = op.axes(x)
    count = len(places)
    last = places == tuple(range(x.rank - count, x.rank))
    over: Any = -1 if count == 1 else tuple(range(-count, 0))
    given: Any = axis(x, places[0]) if count == 1 else tuple(axis(x, place) for place in places)

    def around(run: Callable[[Expr], Expr], value: Expr) -> Expr:
        if last:
            return run(value)
        return call("ops.moveaxis", run(call("ops.moveaxis", value, given, over)), over, given)

    if not op.affine:

        def plain(value: Expr) -> Expr:
            return call("ops.rms_normalization", value, axis=over, epsilon=op.epsilon)

        return Function(lambda args: around(plain, args[0]))
    settings = {"axis": -1 if count == 1 else list(over), "epsilon": op.epsilon}
    return Module(
        Call(name("layers.RMSNormalization"), (), keywords(settings)),
        lambda layer, args: around(lambda value: Call(layer, (value,)), args[0]),
        helper="rms_norm",
        defaults=literals(axis=-1),
        weights={"weight": At("scale", tuple(range(count)))},
    )


@lower(ops.GroupNorm, "last")
def group_norm(op: ops.GroupNorm, site: Site) -> Lowered:
    """`layers.GroupNormalization`, with the channels last."""
    return _groups(op, op.groups, "group_norm")


@lower(ops.InstanceNorm, "last")
def instance_norm(op: ops.InstanceNorm, site: Site) -> Lowered:
    """`layers.GroupNormalization` with a group for each channel."""
    return _groups(op, -1, "instance_norm")


def _groups(op: ops.GroupNorm | ops.InstanceNorm, groups: Any, helper: str) -> Module:
    settings = {
        "groups": groups,
        "epsilon": op.epsilon,
        "center": op.affine,
        "scale": op.affine,
    }
    return Module(
        Call(name("layers.GroupNormalization"), (), keywords(settings)),
        helper=helper,
        defaults=literals(center=True, scale=True),
        weights=_affine(op),
        made_for="channels",
    )


@lower(ops.L2Normalize)
def l2_normalize(op: ops.L2Normalize, site: Site) -> Lowered:
    """`ops.normalize`."""
    place = axis(site.inputs[0], op.axis)
    return Function(
        lambda args: call("ops.normalize", args[0], axis=place, order=2, epsilon=op.epsilon)
    )


@lower(ops.InstanceNormWithStats)
def instance_norm_with_stats(op: ops.InstanceNormWithStats, site: Site) -> Lowered:
    """A helper that returns both."""
    (x,) = site.inputs
    place = axis(x, axis_of(x, op.axis))
    return Function(
        lambda args: call("standardize_series", args[0], axis=place, epsilon=op.epsilon),
        (STANDARDIZE,),
    )


@lower(ops.UndoInstanceNorm)
def undo_instance_norm(op: ops.UndoInstanceNorm, site: Site) -> Lowered:
    """y * deviation + mean"""
    place = axis(site.inputs[0], axis_of(site.inputs[0], op.axis))

    def build(args: list[Expr]) -> Expr:
        y, stats = args
        mean, deviation = (call("ops.take", stats, [n], axis=place) for n in (0, 1))
        return Bin("+", mean, Bin("*", y, deviation))  # what has all axes second

    return Function(build)
