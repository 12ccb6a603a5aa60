"""Normalisation in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site
from bmc.emit.pyexpr import Expr, call
from bmc.ops import norm as ops
from bmc.ops.axes import axis_of
from bmc_onnx.lower.common import axis, below, listed, method
from bmc_onnx.lower.support import (
    FILLED,
    INTEGERS,
    NORM,
    NORM_WITHOUT_WEIGHTS,
    NORMALIZE,
    NORMALIZE_WITHOUT_BIAS,
    NUMBER,
    STANDARDIZE,
    TAKE,
)
from bmc_onnx.lower.table import lower


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

    return Function(_turned(order, site, run), (key,))


def _turned(
    order: list[int], site: Site, run: Callable[[list[Expr]], Expr]
) -> Callable[[list[Expr]], Expr]:
    """Runs nodes on a value with its axes in this order, and puts them back.

    The nodes keep the layer's name where they read weights, which are called by it.
    """
    (x,) = site.inputs
    if order == list(range(x.rank)):
        return run
    shift = 1 if x.batched else 0
    there = [*range(shift), *(place + shift for place in order)]
    back = [there.index(place) for place in range(len(there))]

    def around(args: list[Expr]) -> Expr:
        value, label = args
        inner, outer = label, below(label, "back")
        if not site.weights:
            inner, outer = below(label, "normed"), label
        turned = call("g.add", "Transpose", value, name=below(label, "turned"), perm=listed(there))
        return call("g.add", "Transpose", run([turned, inner]), name=outer, perm=listed(back))

    return around


def _normed(op: str, site: Site, axes: tuple[int, ...], **attributes: Any) -> Function:
    """A node that normalises the last axes, with weights of their sizes."""
    (x,) = site.inputs
    shape = tuple(x.shape[place] for place in axes)
    needed = 1 if op == "RMSNormalization" else 2
    helper = {0: FILLED, 1: NORMALIZE_WITHOUT_BIAS, 2: NORMALIZE}[len(site.weights)]

    def run(args: list[Expr]) -> Expr:
        value, label = args
        if site.weights:
            return call(f"g.{helper.name}", op, value, shape, name=label, **attributes)
        plain = [
            call("g.filled", number, shape, name=below(label, word))
            for number, word in ((1.0, "ones"), (0.0, "zeros"))
        ]
        return call("g.add", op, value, *plain[:needed], name=label, **attributes)

    first = [place for place in range(x.rank) if place not in axes]
    return Function(_turned([*first, *axes], site, run), (helper,))


@lower(ops.LayerNorm)
def layer_norm(op: ops.LayerNorm, site: Site) -> Lowered:
    """`LayerNormalization`."""
    axes = op.axes(site.inputs[0])
    return _normed("LayerNormalization", site, axes, axis=-len(axes), epsilon=op.epsilon)


@lower(ops.RMSNorm)
def rms_norm(op: ops.RMSNorm, site: Site) -> Lowered:
    """`RMSNormalization`."""
    axes = op.axes(site.inputs[0])
    return _normed("RMSNormalization", site, axes, axis=-len(axes), epsilon=op.epsilon)


def _groups(op: ops.GroupNorm | ops.InstanceNorm, site: Site, groups: Any) -> Lowered:
    channels = (site.inputs[0].shape[0],)

    def build(args: list[Expr]) -> Expr:
        value, label = args
        word = "GroupNormalization"
        named = {"num_groups": groups, "epsilon": op.epsilon}
        if op.affine:
            return call("g.normalize", word, value, channels, name=label, **named)
        ones = call("g.filled", 1.0, channels, name=below(label, "ones"))
        zeros = call("g.filled", 0.0, channels, name=below(label, "zeros"))
        return call("g.add", word, value, ones, zeros, name=label, **named)

    return Function(build, (NORMALIZE if op.affine else FILLED,))


@lower(ops.GroupNorm)
def group_norm(op: ops.GroupNorm, site: Site) -> Lowered:
    """`GroupNormalization`."""
    return _groups(op, site, op.groups)


@lower(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, site: Site) -> Lowered:
    """`GroupNormalization` with a group for each channel."""
    return _groups(op, site, site.inputs[0].shape[0])


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
