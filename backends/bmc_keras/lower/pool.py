"""Pooling in Keras, channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Call, Expr, call
from bmc.emit.values import border_pads, same_pads, step_size
from bmc.ops.axes import axis_of, explicit_padding
from bmc.ops.pool import AdaptiveAvgPool, AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from bmc.types.tensor import TensorType
from bmc_keras.lower.conv import REPEAT_BORDER, beyond_steps, keeps_size, repeat_borders
from bmc_keras.lower.masks import mean_of_data
from bmc_keras.lower.table import Layout, lower, part


def _layout(op: Pool, types: tuple[TensorType, ...]) -> Layout:
    return "last" if op.axis is None else "own"


AVERAGE_INSIDE = part("average_inside")
FREE = Unsupported("padding of a free size is not lowered yet")


class _Plan:
    """The window of a pooling as Keras takes it; `pads` are put around before."""

    def __init__(self, op: Pool, x: TensorType) -> None:
        self.axes = 1 if op.axis is not None else x.rank - 1
        # With `axis` the value stays as it is: pooling its last axis needs a turn.
        self.turned = op.axis is not None and op.axis % 2 == 1
        stride = op.kernel if op.stride is None else op.stride
        self.window: dict[str, Any] = {"pool_size": op.kernel}
        if stride != op.kernel:
            self.window["strides"] = stride
        self.pads: Any = None
        self.unknown = False  # whether padding that has to be put around depends on a free size
        counted = getattr(op, "count_padding", False)  # which Keras' own padding never is
        if op.padding == "same" and (counted or beyond_steps(op.kernel, stride, self.axes)):
            sizes = x.shape[1:] if op.axis is None else (x.shape[op.axis],)
            pads = same_pads(sizes, op.kernel, stride)
            self.unknown = pads is None
            self.pads = pads if any(low or high for low, high in pads or ()) else None
        elif op.padding == "same":
            self.window["padding"] = "same"
        elif not isinstance(op.padding, str):
            pads = explicit_padding(op.windows(x).padding, self.axes)
            if not counted and keeps_size(pads, op.kernel, stride, 1, self.axes):
                if any(low for low, _ in pads):
                    self.window["padding"] = "same"
            elif any(low or high for low, high in pads):
                self.pads = pads

    def layer(self, kind: str) -> Expr:
        """The layer that pools."""
        return call(f"layers.{kind}Pooling{self.axes}D", **self.window)

    def run(self, kind: str, value: Expr) -> Expr:
        """The pooling on a value."""
        return self.on(value, lambda turned: Call(self.layer(kind), (turned,)))

    def on(self, value: Expr, run: Callable[[Expr], Expr]) -> Expr:
        """`run` on the value with the pooled axes before the last."""
        if not self.turned:
            return run(value)
        return call("ops.swapaxes", run(call("ops.swapaxes", value, 1, 2)), 1, 2)

    def padded(self, kind: str, value: Expr, **more: Any) -> Expr:
        """The pooling on a value with something put around."""
        layer = self.layer(kind)
        return self.on(
            value, lambda turned: Call(layer, (call("ops.pad", turned, self.around, **more),))
        )

    @property
    def around(self) -> Any:
        """What is put around each axis of a value as `on` gives it."""
        return ((0, 0), *self.pads, (0, 0))


@lower(MaxPool, _layout)
def max_pool(op: MaxPool, site: Site) -> Lowered:
    """`layers.MaxPooling…`; other padding than `same` is filled with -inf before."""
    plan = _Plan(op, site.inputs[0])

    if plan.unknown:
        return FREE
    if plan.pads is None:
        return Function(lambda args: plan.run("Max", args[0]))
    lowest = call("float", "-inf")
    return Function(lambda args: plan.padded("Max", args[0], constant_values=lowest))


@lower(AvgPool, _layout)
def avg_pool(op: AvgPool, site: Site) -> Lowered:
    """`layers.AveragePooling…`, which does not count what it pads itself."""
    plan = _Plan(op, site.inputs[0])
    x = site.inputs[0]
    if op.padding == "replicate":
        return _repeated(op, x, plan)
    if plan.unknown:
        return FREE
    if plan.pads is None:
        return Function(lambda args: plan.run("Average", args[0]))
    if op.count_padding:
        return Function(lambda args: plan.padded("Average", args[0]))

    def inside(value: Expr) -> Expr:
        return call("average_inside", value, plan.layer("Average"), plan.around)

    return Function(lambda args: plan.on(args[0], inside), (AVERAGE_INSIDE,))


def _repeated(op: AvgPool, x: TensorType, plan: _Plan) -> Lowered:
    """The outermost elements taken several times, then pooled."""
    sizes = x.shape[1:] if op.axis is None else (x.shape[op.axis],)
    stride = op.kernel if op.stride is None else op.stride
    pads = border_pads(sizes, op.kernel, stride)
    if pads is None:
        return Unsupported("repeating the border of a free size is not lowered yet")
    first = 1 if op.axis is None else axis_of(x, op.axis) + 1  # channels are last

    def build(args: list[Expr]) -> Expr:
        return plan.run("Average", repeat_borders(args[0], pads, first))

    return Function(build, (REPEAT_BORDER,))


@lower(GlobalAvgPool, "last")
def global_avg_pool(op: GlobalAvgPool, site: Site) -> Lowered:
    """`layers.GlobalAveragePooling…`"""
    (x,) = site.inputs
    kind = f"layers.GlobalAveragePooling{x.rank - 1}D"
    if not site.masks:
        return Function(lambda args: Call(call(kind), tuple(args)))
    axes: Any = tuple(range(1, x.rank))
    axes = axes[0] if len(axes) == 1 else axes
    size = step_size(x, range(1, x.rank))

    def build(args: list[Expr]) -> Expr:
        return mean_of_data(call("ops.sum", args[0], axis=axes), args[1], size, 1)

    return Function(build)


@lower(GlobalMaxPool, "last")
def global_max_pool(op: GlobalMaxPool, site: Site) -> Lowered:
    """`layers.GlobalMaxPooling…`"""
    kind = f"layers.GlobalMaxPooling{site.inputs[0].rank - 1}D"
    return Function(lambda args: Call(call(kind), tuple(args)))


@lower(AdaptiveAvgPool, "last")
def adaptive_avg_pool(op: AdaptiveAvgPool, site: Site) -> Lowered:
    """`layers.AdaptiveAveragePooling…`"""
    kind = f"layers.AdaptiveAveragePooling{site.inputs[0].rank - 1}D"
    return Function(lambda args: Call(call(kind, op.size), tuple(args)))
