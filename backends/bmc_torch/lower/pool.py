"""Pooling in PyTorch."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support, Unsupported
from bmc.emit.pyexpr import Expr, call, method
from bmc.emit.values import Pads, border_pads, number, one_number, same_pads, step_size, unless
from bmc.ops.axes import explicit_padding
from bmc.ops.base import per_axis
from bmc.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from bmc.types.tensor import TensorType
from bmc_torch.lower.conv import SAME_PADDING, torch_pads
from bmc_torch.lower.masks import mean_of_data
from bmc_torch.lower.table import lower, part


class _Plan:
    """Kernel, stride and padding of a pooling, and the axes that it runs over."""

    def __init__(self, op: Pool, x: TensorType) -> None:
        self.turned = op.axis is not None and op.axis % 2 == 0
        sizes = (x.shape[op.axis],) if op.axis is not None else x.shape[1:]
        self.sizes = sizes
        self.axes = len(sizes)
        stride = op.kernel if op.stride is None else op.stride
        self.window: dict[str, Any] = {"kernel_size": op.kernel}
        if stride != op.kernel:
            self.window["stride"] = stride
        self.spread = (per_axis(op.kernel, self.axes, ""), per_axis(stride, self.axes, ""))
        self.pads: Pads | None
        if isinstance(op.padding, str):
            around = border_pads if op.padding == "replicate" else same_pads
            self.pads = around(sizes, op.kernel, stride)
        else:
            self.pads = explicit_padding(op.windows(x).padding, self.axes)
        self.own = explicit_padding(op.padding, self.axes) if op.ceil else self.pads
        self.ceiling: dict[str, Any] = {"ceil_mode": True} if op.ceil else {}

    @property
    def even(self) -> Any:
        """The padding as a pooling function takes it; None if it differs before and after."""
        if self.own is None or any(low != high for low, high in self.own):
            return None
        return one_number(tuple(low for low, _ in self.own))

    @property
    def beyond(self) -> bool:
        """Whether windows may be larger than what they run over: `F.avg_pool3d` takes none such."""
        kernel = per_axis(self.window["kernel_size"], self.axes, "")
        inside = all(isinstance(n, int) and k <= n for n, k in zip(self.sizes, kernel))
        return self.axes == 3 and not inside and self.pads is not None and any(map(any, self.pads))

    def around(self, value: Expr, run: Any) -> Expr:
        """`run` on the value with the pooled axis last."""
        if not self.turned:
            return run(value)  # type: ignore[no-any-return]
        return method(run(method(value, "transpose", 1, 2)), "transpose", 1, 2)


AVERAGE_INSIDE = part("average_inside")
AVERAGE_SAME = part("average_same")


@lower(MaxPool)
def max_pool(op: MaxPool, site: Site) -> Lowered:
    """`F.max_pool…`; uneven padding is filled with -inf before."""
    plan = _Plan(op, site.inputs[0])
    pads, even = plan.pads, plan.even
    function = f"F.max_pool{plan.axes}d"
    lowest = number(float("-inf"))

    def run(value: Expr) -> Expr:
        if even is not None:
            around = unless(0, padding=even)
            return call(function, value, **plan.window, **around, **plan.ceiling)
        if pads is None:
            value = call("pad_same", value, *plan.spread, (1,) * plan.axes, lowest)
        else:
            value = call("F.pad", value, torch_pads(pads), value=lowest)
        return call(function, value, **plan.window)

    helper = (SAME_PADDING,) if pads is None else ()
    return Function(lambda args: plan.around(args[0], run), helper)


@lower(AvgPool)
def avg_pool(op: AvgPool, site: Site) -> Lowered:
    """`F.avg_pool…` without the border, or over a border of repeated elements."""
    plan = _Plan(op, site.inputs[0])
    function = f"F.avg_pool{plan.axes}d"
    pads = plan.pads
    even = None if plan.beyond else plan.even
    if pads is None and op.padding == "replicate":
        return Unsupported("repeating the border of a free size is not lowered yet")
    window = plan.window
    if even is not None:
        window = {**plan.window, **unless(0, padding=even), **plan.ceiling}
        if "padding" in window and not op.count_padding:
            window["count_include_pad"] = False

    def run(value: Expr) -> Expr:
        if op.padding == "replicate":
            value = call("F.pad", value, torch_pads(pads or ()), mode="replicate")
            return call(function, value, **plan.window)
        if even is not None:
            return call(function, value, **window)
        if op.count_padding:
            if pads is None:
                value = call("pad_same", value, *plan.spread, (1,) * plan.axes, 0.0)
            else:
                value = call("F.pad", value, torch_pads(pads))
            return call(function, value, **plan.window)
        if pads is None:
            return call("average_same", value, *plan.spread)
        return call("average_inside", value, *plan.spread, torch_pads(pads))

    helpers: tuple[Support, ...] = ()
    if op.padding != "replicate" and even is None:
        helpers = (SAME_PADDING, AVERAGE_SAME) if pads is None else (AVERAGE_INSIDE,)
        if op.count_padding:
            helpers = helpers[:1] if pads is None else ()
    return Function(lambda args: plan.around(args[0], run), helpers)


def _spatial(x: TensorType) -> Any:
    """The axes after the channels, as PyTorch counts them."""
    axes = tuple(range(2, x.rank + 1))
    return axes[0] if len(axes) == 1 else axes


@lower(GlobalAvgPool)
def global_avg_pool(op: GlobalAvgPool, site: Site) -> Lowered:
    """`x.mean` over the spatial axes."""
    (x,) = site.inputs
    axes = _spatial(x)
    if not site.masks:
        return Function(lambda args: method(args[0], "mean", dim=axes))
    size = step_size(x, range(1, x.rank))

    def build(args: list[Expr]) -> Expr:
        return mean_of_data(method(args[0], "sum", dim=axes), args[1], size, 1)

    return Function(build)


@lower(GlobalMaxPool)
def global_max_pool(op: GlobalMaxPool, site: Site) -> Lowered:
    """`x.amax` over the spatial axes."""
    axes = _spatial(site.inputs[0])
    return Function(lambda args: method(args[0], "amax", dim=axes))


@lower(AdaptiveAvgPool)
def adaptive_avg_pool(op: AdaptiveAvgPool, site: Site) -> Lowered:
    """`F.adaptive_avg_pool…`."""
    function = f"F.adaptive_avg_pool{site.inputs[0].rank - 1}d"
    return Function(lambda args: call(function, args[0], op.size))
