"""Pooling in Keras, channels last."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Call, Expr, call
from bmc.ir.types import TensorType
from bmc.ops.axes import explicit_padding
from bmc.ops.pool import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool, Pool
from bmc_keras.lower.conv import keeps_size
from bmc_keras.lower.table import Layout, lower

SINGLE = "TensorFlow pools three axes in single precision only"


def _layout(op: Pool, types: tuple[TensorType, ...]) -> Layout:
    return "last" if op.axis is None else "own"


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
        if op.padding == "same":
            self.window["padding"] = "same"
        elif not isinstance(op.padding, str):
            pads = explicit_padding(op.padding, self.axes)
            if keeps_size(pads, op.kernel, stride, 1, self.axes):
                if any(low for low, _ in pads):
                    self.window["padding"] = "same"
            elif any(low or high for low, high in pads):
                self.pads = pads

    def run(self, kind: str, value: Expr) -> Expr:
        """The pooling on a value."""
        layer = call(f"layers.{kind}Pooling{self.axes}D", **self.window)
        if not self.turned:
            return Call(layer, (value,))
        return call("ops.swapaxes", Call(layer, (call("ops.swapaxes", value, 1, 2),)), 1, 2)


@lower(MaxPool, _layout)
def max_pool(op: MaxPool, site: Site) -> Lowered:
    """`layers.MaxPooling…`; other padding than `same` is filled with -inf before."""
    plan = _Plan(op, site.inputs[0])
    if plan.axes == 3:
        return Unsupported(SINGLE)

    def build(args: list[Expr]) -> Expr:
        value = args[0]
        if plan.pads is not None:
            around = ((0, 0), *plan.pads, (0, 0))
            lowest = call("float", "-inf")
            value = call("ops.pad", value, around, constant_values=lowest)
        return plan.run("Max", value)

    return Function(build)


@lower(AvgPool, _layout)
def avg_pool(op: AvgPool, site: Site) -> Lowered:
    """`layers.AveragePooling…`, which does not count what is padded."""
    plan = _Plan(op, site.inputs[0])
    if plan.axes == 3:
        return Unsupported(SINGLE)
    if plan.pads is not None or op.padding == "replicate":
        return Unsupported("a mean over an uneven or a repeated border is not lowered yet")
    return Function(lambda args: plan.run("Average", args[0]))


@lower(GlobalAvgPool, "last")
def global_avg_pool(op: GlobalAvgPool, site: Site) -> Lowered:
    """`layers.GlobalAveragePooling…`"""
    kind = f"layers.GlobalAveragePooling{site.inputs[0].rank - 1}D"
    return Function(lambda args: Call(call(kind), tuple(args)))


@lower(GlobalMaxPool, "last")
def global_max_pool(op: GlobalMaxPool, site: Site) -> Lowered:
    """`layers.GlobalMaxPooling…`"""
    kind = f"layers.GlobalMaxPooling{site.inputs[0].rank - 1}D"
    return Function(lambda args: Call(call(kind), tuple(args)))
