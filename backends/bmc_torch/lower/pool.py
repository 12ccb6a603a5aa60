"""Pooling in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call, method
from bmc.emit.values import Pads, number, one_number, same_pads, unless
from bmc.ir.types import TensorType
from bmc.ops.axes import explicit_padding
from bmc.ops.pool import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from bmc_torch.lower.conv import torch_pads
from bmc_torch.lower.table import lower


class _Plan:
    """Kernel, stride and padding of a pooling, and the axes that it runs over."""

    def __init__(self, op: Pool, x: TensorType) -> None:
        self.turned = op.axis is not None and op.axis % 2 == 0
        sizes = (x.shape[op.axis],) if op.axis is not None else x.shape[1:]
        self.axes = len(sizes)
        stride = op.kernel if op.stride is None else op.stride
        self.window: dict[str, Any] = {"kernel_size": op.kernel}
        if stride != op.kernel:
            self.window["stride"] = stride
        self.pads: Pads | None
        if isinstance(op.padding, str):
            self.pads = same_pads(sizes, op.kernel, stride)
        else:
            self.pads = explicit_padding(op.padding, self.axes)

    @property
    def even(self) -> Any:
        """The padding as a pooling function takes it; None if it differs before and after."""
        if self.pads is None or any(low != high for low, high in self.pads):
            return None
        return one_number(tuple(low for low, _ in self.pads))

    def around(self, value: Expr, run: Any) -> Expr:
        """`run` on the value with the pooled axis last."""
        if not self.turned:
            return run(value)  # type: ignore[no-any-return]
        return method(run(method(value, "transpose", 1, 2)), "transpose", 1, 2)


FREE = "padding of a size that is known only at run time is not lowered yet"


@lower(MaxPool)
def max_pool(op: MaxPool, site: Site) -> Lowered:
    """`F.max_pool…`; uneven padding is filled with -inf before."""
    plan = _Plan(op, site.inputs[0])
    pads, even = plan.pads, plan.even
    if pads is None:
        return Unsupported(FREE)
    function = f"F.max_pool{plan.axes}d"

    def run(value: Expr) -> Expr:
        if even is not None:
            return call(function, value, **plan.window, **unless(0, padding=even))
        lowest = number(float("-inf"))
        return call(function, call("F.pad", value, torch_pads(pads), value=lowest), **plan.window)

    return Function(lambda args: plan.around(args[0], run))


@lower(AvgPool)
def avg_pool(op: AvgPool, site: Site) -> Lowered:
    """`F.avg_pool…` without the border."""
    plan = _Plan(op, site.inputs[0])
    function = f"F.avg_pool{plan.axes}d"
    even = plan.even
    if op.padding == "replicate" or even is None:
        return Unsupported("a mean over an uneven or a repeated border is not lowered yet")
    window = {**plan.window, **unless(0, padding=even)}
    if "padding" in window:
        window["count_include_pad"] = False
    return Function(lambda args: plan.around(args[0], lambda v: call(function, v, **window)))


def _spatial(x: TensorType) -> Any:
    """The axes after the channels, as PyTorch counts them."""
    axes = tuple(range(2, x.rank + 1))
    return axes[0] if len(axes) == 1 else axes


@lower(GlobalAvgPool)
def global_avg_pool(op: GlobalAvgPool, site: Site) -> Lowered:
    """`x.mean` over the spatial axes."""
    axes = _spatial(site.inputs[0])
    return Function(lambda args: method(args[0], "mean", dim=axes))


@lower(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, site: Site) -> Lowered:
    """`x.amax` over the spatial axes."""
    axes = _spatial(site.inputs[0])
    return Function(lambda args: method(args[0], "amax", dim=axes))
