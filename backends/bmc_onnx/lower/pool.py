"""Pooling in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Site, Unsupported
from bmc.ops.base import per_axis
from bmc.ops.pool import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from bmc_onnx.lower.common import listed, method, node
from bmc_onnx.lower.conv import around, spread
from bmc_onnx.lower.support import REDUCE
from bmc_onnx.lower.table import lower


def _window(op: Pool, site: Site) -> dict[str, Any]:
    (x,) = site.inputs
    axes = x.rank - 1
    stride = op.kernel if op.stride is None else op.stride
    window: dict[str, Any] = {"kernel_shape": listed(per_axis(op.kernel, axes, ""))}
    window |= spread(axes, strides=stride)
    return window | around(op, x.shape[1:], stride, 1)


OTHER_AXIS = Unsupported("pooling of one axis of other values is not lowered yet")


@lower(MaxPool)
def max_pool(op: MaxPool, site: Site) -> Lowered:
    """`MaxPool`; what is padded never wins."""
    return OTHER_AXIS if op.axis is not None else node("MaxPool", **_window(op, site))


@lower(AvgPool)
def avg_pool(op: AvgPool, site: Site) -> Lowered:
    """`AveragePool`, which does not count what is padded."""
    if op.padding == "replicate":
        return Unsupported("a mean over a repeated border is not lowered yet")
    return OTHER_AXIS if op.axis is not None else node("AveragePool", **_window(op, site))


def _spatial(site: Site) -> list[int]:
    return list(range(2, site.inputs[0].rank + 1))


@lower(GlobalAvgPool)
def global_avg_pool(op: GlobalAvgPool, site: Site) -> Lowered:
    """`ReduceMean` over the spatial axes."""

    return _reduced("ReduceMean", site)


@lower(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, site: Site) -> Lowered:
    """`ReduceMax` over the spatial axes."""
    return _reduced("ReduceMax", site)


def _reduced(op: str, site: Site) -> Lowered:
    from bmc.emit.backend import Function
    from bmc.emit.pyexpr import Expr, call

    def build(args: list[Expr]) -> Expr:
        x, label = args
        return call("g.reduce", op, x, _spatial(site), name=label)

    return Function(build, method(REDUCE).support)
