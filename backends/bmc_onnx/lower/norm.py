"""Normalisation in ONNX."""

from __future__ import annotations

from bmc.emit.backend import Function, Lowered, Site, Support
from bmc.emit.pyexpr import Expr, call
from bmc.emit.values import number
from bmc.ops import norm as ops
from bmc.ops.axes import axis_of, ragged_axis
from bmc.types.symbolic import known
from bmc_onnx.lower.common import axis, below, listed, method, turned
from bmc_onnx.lower.masks import FILL, filled
from bmc_onnx.lower.support import INTEGERS, NUMBER, STANDARDIZE, TAKE
from bmc_onnx.lower.table import lower
from bmc_onnx.lower.weighted import (
    GROUP_NORM,
    GROUP_NORM_WITHOUT_WEIGHTS,
    INSTANCE_NORM,
    INSTANCE_NORM_WITHOUT_WEIGHTS,
    LAYER_NORM,
    LAYER_NORM_WITHOUT_BIAS,
    LAYER_NORM_WITHOUT_WEIGHTS,
    NORM,
    NORM_WITHOUT_WEIGHTS,
    RMS_NORM,
    RMS_NORM_WITHOUT_WEIGHTS,
)


@lower(ops.BatchNorm)
def batch_norm(op: ops.BatchNorm, site: Site) -> Lowered:
    """`BatchNormalization`, which takes channels first."""
    (x,) = site.inputs
    place = op.channel_axis(x)
    channels = x.shape[place]
    order = [place, *(axis for axis in range(x.rank) if axis != place)]
    key = NORM if op.affine else NORM_WITHOUT_WEIGHTS

    def run(args: list[Expr]) -> Expr:
        value, label = args
        return call(f"g.{key.name}", value, channels, name=label, epsilon=op.epsilon)

    norm = turned(order, site, run)
    if not site.masks:
        return Function(norm, (key,))

    def padded(args: list[Expr]) -> Expr:
        value, mask, label = args
        made = norm([value, label])
        return filled([made, mask, below(label, "data")], ragged_axis(x), x.rank, "zero")

    return Function(padded, (key, FILL))


def _over_axes(op: ops.LayerNorm | ops.RMSNorm, site: Site, keys: tuple[Support, ...]) -> Function:
    """A method that normalises the last axes; `keys` are for no weight, one and two."""
    (x,) = site.inputs
    axes = op.axes(x)
    shape = tuple(x.shape[place] for place in axes)
    key = keys[len(site.weights)]

    def run(args: list[Expr]) -> Expr:
        value, label = args
        return call(f"g.{key.name}", value, shape, name=label, epsilon=op.epsilon)

    first = [place for place in range(x.rank) if place not in axes]
    return Function(turned([*first, *axes], site, run), (key,))


@lower(ops.LayerNorm)
def layer_norm(op: ops.LayerNorm, site: Site) -> Lowered:
    """`LayerNormalization`."""
    keys = (LAYER_NORM_WITHOUT_WEIGHTS, LAYER_NORM_WITHOUT_BIAS, LAYER_NORM)
    return _over_axes(op, site, keys)


@lower(ops.RMSNorm)
def rms_norm(op: ops.RMSNorm, site: Site) -> Lowered:
    """`RMSNormalization`."""
    return _over_axes(op, site, (RMS_NORM_WITHOUT_WEIGHTS, RMS_NORM))


@lower(ops.GroupNorm)
def group_norm(op: ops.GroupNorm, site: Site) -> Lowered:
    """`InstanceNormalization` of the groups as rows, then `Mul` and `Add`."""
    (x,) = site.inputs
    sizes = [number(size) if known(size) else -1 for size in x.shape]
    settings = (x.shape[0], op.groups, x.rank - 1) if op.affine else (op.groups,)
    helper = GROUP_NORM if op.affine else GROUP_NORM_WITHOUT_WEIGHTS

    def build(args: list[Expr]) -> Expr:
        value, label = args
        held = {"name": below(label, "shape")}
        shape = call("g.integers", listed([0, *sizes]), **held)
        if sizes.count(-1) > 1:
            shape = call("g.add", "Shape", value, **held)
        return call(f"g.{helper.name}", value, shape, *settings, name=label, epsilon=op.epsilon)

    return Function(build, (INTEGERS, helper))


@lower(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, site: Site) -> Lowered:
    """`InstanceNormalization`."""
    key = INSTANCE_NORM if op.affine else INSTANCE_NORM_WITHOUT_WEIGHTS
    return method(key, site.inputs[0].shape[0], epsilon=op.epsilon)


@lower(ops.L2Normalize)
def l2_normalize(op: ops.L2Normalize, site: Site) -> Lowered:
    """`ReduceL2`, and a division by what is at least epsilon."""
    place = axis(site.inputs[0], op.axis)

    def build(args: list[Expr]) -> Expr:
        x, label = args
        over = call("g.integers", listed([place]), name=below(label, "axes"))
        length = call("g.add", "ReduceL2", x, over, name=below(label, "length"))
        least = call("g.number", op.epsilon, name=below(label, "least"))
        divisor = call("g.add", "Max", length, least, name=below(label, "divisor"))
        return call("g.add", "Div", x, divisor, name=label)

    return Function(build, (INTEGERS, NUMBER))


@lower(ops.InstanceNormWithStats)
def instance_norm_with_stats(op: ops.InstanceNormWithStats, site: Site) -> Lowered:
    """Nodes for mean and deviation, which come out too."""
    (x,) = site.inputs
    return method(STANDARDIZE, axis(x, axis_of(x, op.axis)), epsilon=op.epsilon)


@lower(ops.UndoInstanceNorm)
def undo_instance_norm(op: ops.UndoInstanceNorm, site: Site) -> Lowered:
    """y * deviation + mean"""
    place = axis(site.inputs[0], axis_of(site.inputs[0], op.axis))

    def build(args: list[Expr]) -> Expr:
        y, stats, label = args
        mean, deviation = (
            call("g.take", stats, [n], name=below(label, word), axis=place)
            for n, word in enumerate(("mean", "deviation"))
        )
        scaled = call("g.add", "Mul", y, deviation, name=below(label, "scaled"))
        return call("g.add", "Add", scaled, mean, name=label)

    return Function(build, (TAKE,))
