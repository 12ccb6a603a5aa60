"""Pooling in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.emit.values import border_pads, step_size
from bmc.ops.axes import axis_of
from bmc.ops.base import per_axis
from bmc.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from bmc_onnx.lower.common import below, image_pads, listed, method, pads, turned
from bmc_onnx.lower.conv import around, spread
from bmc_onnx.lower.masks import MEANS, mean_of_data
from bmc_onnx.lower.support import GRID_MEAN, PAD, REDUCE
from bmc_onnx.lower.table import lower


def _pooled(op: Pool, site: Site, word: str) -> Lowered:
    """A pooling node; with `axis` on the value with that axis last."""
    (x,) = site.inputs
    one = op.axis is not None
    sizes = (x.shape[axis_of(x, op.axis)],) if op.axis is not None else x.shape[1:]
    axes = len(sizes)
    stride = op.kernel if op.stride is None else op.stride
    window: dict[str, Any] = {"kernel_shape": listed(per_axis(op.kernel, axes, ""))}
    window |= spread(axes, strides=stride)
    repeated = op.padding == "replicate"
    if repeated:
        pads_around = border_pads(sizes, op.kernel, stride)
        if pads_around is None:
            return Unsupported("repeating the border of a free size is not lowered yet")
        edge = image_pads(pads(pads_around))
    else:
        added = around(op.windows(x), sizes, stride, 1)
        if isinstance(added, Unsupported):
            return added
        window |= added
    if getattr(op, "count_padding", False):
        window["count_include_pad"] = 1

    def run(args: list[Expr]) -> Expr:
        value, label = args
        if repeated:
            value = call("g.pad", value, edge, name=below(label, "around"), mode="edge")
        return call("g.add", word, value, name=label, **window)

    order = list(range(x.rank))
    if one and axis_of(x, op.axis or 0) == 0:
        order = [1, 0]
    return Function(turned(order, site, run), (PAD,) if repeated else ())


@lower(MaxPool)
def max_pool(op: MaxPool, site: Site) -> Lowered:
    """`MaxPool`; what is padded never wins."""
    return _pooled(op, site, "MaxPool")


@lower(AvgPool)
def avg_pool(op: AvgPool, site: Site) -> Lowered:
    """`AveragePool`, which does not count what is padded."""
    return _pooled(op, site, "AveragePool")


@lower(AdaptiveAvgPool)
def adaptive_avg_pool(op: AdaptiveAvgPool, site: Site) -> Lowered:
    """Products with matrices of shares, one for each axis."""
    (x,) = site.inputs
    sizes = x.shape[1:]
    if len(sizes) > 2 or not all(isinstance(size, int) for size in sizes):
        return Unsupported("three axes, or a free size, are not lowered yet")
    cells = per_axis(op.size, len(sizes), "size")
    return method(GRID_MEAN, listed(sizes), listed(cells))


def _spatial(site: Site) -> list[int]:
    return list(range(2, site.inputs[0].rank + 1))


@lower(GlobalAvgPool)
def global_avg_pool(op: GlobalAvgPool, site: Site) -> Lowered:
    """`ReduceMean` over the spatial axes."""
    if site.masks:
        (x,) = site.inputs
        size, over = step_size(x, range(1, x.rank)), _spatial(site)
        return Function(lambda args: mean_of_data(args, over, size, 1, False, False), MEANS)

    return _reduced("ReduceMean", site)


@lower(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, site: Site) -> Lowered:
    """`ReduceMax` over the spatial axes."""
    return _reduced("ReduceMax", site)


def _reduced(op: str, site: Site) -> Lowered:
    return method(REDUCE, listed(_spatial(site)), first=op)
