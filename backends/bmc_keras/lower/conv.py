"""Convolutions in Keras, channels last."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Lowered, Module, Site, Unsupported
from bmc.emit.helpers import keywords
from bmc.emit.pyexpr import Call, Expr, call, lit, name
from bmc.ir.types import TensorType
from bmc.ops.axes import explicit_padding
from bmc.ops.base import per_axis
from bmc.ops.conv import Conv
from bmc_keras.lower.common import bias as kept_bias
from bmc_keras.lower.common import literals, starts
from bmc_keras.lower.table import lower
from bmc_keras.weights import At

KERNELS = {
    1: At("kernel", (2, 1, 0), "TIO -> OIT"),
    2: At("kernel", (3, 2, 0, 1), "HWIO -> OIHW"),
    3: At("kernel", (4, 3, 0, 1, 2), "DHWIO -> OIDHW"),
}
HELPERS = {1: "conv1d", 2: "conv", 3: "conv3d"}


def keeps_size(pads: Any, kernel: Any, stride: Any, dilation: Any, axes: int) -> bool:
    """Whether this padding is what Keras calls `same`: as much before as after, at stride 1."""
    spread = (per_axis(value, axes, "") for value in (kernel, stride, dilation))
    return all(
        step == 1 and low == high and 2 * low == apart * (width - 1)
        for (low, high), width, step, apart in zip(pads, *spread)
    )


@lower(Conv, "last")
def conv(op: Conv, site: Site) -> Lowered:
    """`layers.Conv1D`, `2D` or `3D`; other padding than `same` is put around before."""
    (x,) = site.inputs
    axes = x.rank - 1
    initial = starts(op)
    if initial is None or op.padding_mode != "zeros":
        return Unsupported("this start, or padding with other than zeros, is not lowered yet")
    groups = op.group_count(x)
    if groups != 1:
        return Unsupported("TensorFlow has no gradient of grouped convolutions on a CPU")
    word, pads = _padding(op, x, axes)

    def use(layer: Expr, args: list[Expr]) -> Expr:
        value = args[0]
        if pads is not None:
            value = Call(call(f"layers.ZeroPadding{axes}D", _pads(pads, axes)), (value,))
        return Call(layer, (value,))

    settings = {
        "kernel_size": op.kernel,
        "strides": op.stride,
        "padding": word,
        "dilation_rate": op.dilation,
        "use_bias": op.bias,
        **initial,
    }
    return Module(
        Call(name(f"layers.Conv{axes}D"), (lit(op.filters),), keywords(settings)),
        use,
        helper=HELPERS[axes] if op.bias else f"{HELPERS[axes]}_without_bias",
        positional=("filters",),
        defaults=literals(strides=1, padding="valid", dilation_rate=1, use_bias=True),
        weights={"weight": KERNELS[axes], **kept_bias(op)},
    )


def _padding(op: Conv, x: TensorType, axes: int) -> tuple[str, Any]:
    """Keras' word, and what is put around before, if anything."""
    if op.padding in ("same", "causal"):
        return op.padding, None
    pads = explicit_padding(op.padding, axes)
    if all(low == high == 0 for low, high in pads):
        return "valid", None
    if keeps_size(pads, op.kernel, op.stride, op.dilation, axes):
        return "same", None
    return "valid", pads


def _pads(pads: Any, axes: int) -> Any:
    if axes == 1:
        return pads[0]
    numbers = {int(size) for pair in pads for size in pair}
    return pads[0][0] if len(numbers) == 1 else pads
