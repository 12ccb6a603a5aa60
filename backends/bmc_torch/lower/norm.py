"""Normalisation in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Module, Site
from bmc.emit.pyexpr import Bin, Call, Expr, call, method
from bmc.emit.rows import dim
from bmc.emit.values import rest, unless
from bmc.ops import norm as ops
from bmc.ops.axes import axis_of, ragged_axis
from bmc.types.symbolic import known
from bmc.types.tensor import TensorType
from bmc_torch.lower.table import lower, part

STANDARDIZE = part("standardize_series")


GROUP_NORM = part("GroupNorm")
PADDED_BATCH_NORM = part("PaddedBatchNorm")


def _padded(axis: int, x: TensorType) -> Callable[[Expr, list[Expr]], Expr]:
    """The use on a value whose padded axis goes first, and its channels last."""
    others = [place for place in range(x.rank) if place not in (axis, ragged_axis(x))]
    order = [0, *(place + 1 for place in (ragged_axis(x), *others, axis))]
    back = [order.index(place) for place in range(x.rank + 1)]

    def use(layer: Expr, args: list[Expr]) -> Expr:
        value, mask = args
        if order == sorted(order):
            return Call(layer, (value, mask))
        return method(Call(layer, (method(value, "permute", *order), mask)), "permute", *back)

    return use


@lower(ops.BatchNorm, fresh=lambda op, types: True)
def batch_norm(op: ops.BatchNorm, site: Site) -> Lowered:
    """`nn.BatchNorm1d`, `2d` or `3d`, with the channels first."""
    (x,) = site.inputs
    axis = op.channel_axis(x)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        if axis == 0:
            return Call(layer, tuple(args))
        first = method(args[0], "movedim", axis + 1, 1)
        return method(Call(layer, (first,)), "movedim", 1, axis + 1)

    momentum = rest(op.decay)
    affine = unless(True, affine=op.affine)
    if site.masks:
        made = call("PaddedBatchNorm", x.shape[axis], eps=op.epsilon, momentum=momentum, **affine)
        return Module(made, _padded(axis, x), support=(PADDED_BATCH_NORM,))
    kind = f"nn.BatchNorm{max(x.rank - 1, 1)}d"
    return Module(call(kind, x.shape[axis], eps=op.epsilon, momentum=momentum, **affine), use)


def _moved(axes: tuple[int, ...], x: TensorType) -> Callable[[Expr, Expr], Expr]:
    """The use of a layer that works on the last axes, on a value whose axes these are."""
    count = len(axes)
    if axes == tuple(range(x.rank - count, x.rank)):
        return lambda layer, value: Call(layer, (value,))
    source: Any = tuple(dim(x, axis) for axis in axes)
    target: Any = tuple(range(-count, 0))
    if count == 1:
        source, target = source[0], target[0]
    return lambda layer, value: method(
        Call(layer, (method(value, "movedim", source, target),)), "movedim", target, source
    )


def _over_axes(op: ops.LayerNorm | ops.RMSNorm, site: Site, kind: str, **more: Any) -> Lowered:
    (x,) = site.inputs
    axes = op.axes(x)
    use = _moved(axes, x)
    sizes = tuple(x.shape[axis] for axis in axes)
    size = sizes[0] if len(sizes) == 1 else sizes
    return Module(call(kind, size, eps=op.epsilon, **more), lambda layer, args: use(layer, args[0]))


@lower(ops.LayerNorm)
def layer_norm(op: ops.LayerNorm, site: Site) -> Lowered:
    """`nn.LayerNorm`."""
    if not op.affine:
        return _over_axes(op, site, "nn.LayerNorm", elementwise_affine=False)
    return _over_axes(op, site, "nn.LayerNorm", **unless(True, bias=op.bias))


@lower(ops.RMSNorm)
def rms_norm(op: ops.RMSNorm, site: Site) -> Lowered:
    """`nn.RMSNorm`."""
    return _over_axes(op, site, "nn.RMSNorm", **unless(True, elementwise_affine=op.affine))


@lower(ops.GroupNorm)
def group_norm(op: ops.GroupNorm, site: Site) -> Lowered:
    """`nn.GroupNorm`."""
    channels = site.inputs[0].shape[0]
    return _grouped(op, site, op.groups, alone=op.groups == channels)


def _grouped(op: ops.GroupNorm | ops.InstanceNorm, site: Site, groups: Any, alone: bool) -> Module:
    """`nn.GroupNorm`; where a group may turn out to be one number, a class that takes it."""
    (x,) = site.inputs
    free = alone and not any(isinstance(size, int) and size > 1 for size in x.shape[1:])
    made = call(
        "GroupNorm" if free else "nn.GroupNorm",
        groups,
        x.shape[0],
        eps=op.epsilon,
        **unless(True, affine=op.affine),
    )
    return Module(made, support=(GROUP_NORM,) if free else ())


@lower(ops.InstanceNorm)
def instance_norm(op: ops.InstanceNorm, site: Site) -> Lowered:
    """`nn.InstanceNorm1d`, `2d` or `3d`, without running statistics."""
    (x,) = site.inputs
    if not all(map(known, x.shape)):
        return _grouped(op, site, x.shape[0], alone=True)
    kind = f"nn.InstanceNorm{x.rank - 1}d"
    return Module(call(kind, x.shape[0], eps=op.epsilon, **unless(False, affine=op.affine)))


@lower(ops.L2Normalize)
def l2_normalize(op: ops.L2Normalize, site: Site) -> Lowered:
    """`F.normalize`."""
    axis = dim(site.inputs[0], op.axis)
    return Function(lambda args: call("F.normalize", args[0], dim=axis, eps=op.epsilon))


@lower(ops.InstanceNormWithStats)
def instance_norm_with_stats(op: ops.InstanceNormWithStats, site: Site) -> Lowered:
    """A helper that returns both."""
    (x,) = site.inputs
    axis = dim(x, axis_of(x, op.axis))
    return Function(
        lambda args: call("standardize_series", args[0], dim=axis, eps=op.epsilon),
        (STANDARDIZE,),
    )


@lower(ops.UndoInstanceNorm)
def undo_instance_norm(op: ops.UndoInstanceNorm, site: Site) -> Lowered:
    """y * deviation + mean"""
    axis = dim(site.inputs[0], axis_of(site.inputs[0], op.axis))

    def build(args: list[Expr]) -> Expr:
        y, stats = args
        mean, deviation = (method(stats, "narrow", axis, place, 1) for place in (0, 1))
        return Bin("+", Bin("*", y, deviation), mean)

    return Function(build)
