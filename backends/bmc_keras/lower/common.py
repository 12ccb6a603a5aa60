"""What the lowerings share: the settings of layers with a matrix, and axes."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Expr, lit
from bmc.ir.types import TensorType
from bmc_keras.lower.initializers import initializer
from bmc_keras.weights import At


def starts(op: Any) -> dict[str, Expr] | None:
    """The initialisers of a layer with a kernel and perhaps a bias; None if one is missing."""
    kernel = initializer(op.init)
    if kernel is None:
        return None
    found = {"kernel_initializer": kernel}
    if op.bias:
        found["bias_initializer"] = lit("zeros")
    return found


def bias(op: Any) -> dict[str, At]:
    """Where a bias is, if there is one."""
    return {"bias": At("bias", (0,), test="layer.use_bias")} if op.bias else {}


def literals(**settings: Any) -> dict[str, Expr]:
    """Settings as expressions."""
    return {key: lit(value) for key, value in settings.items()}


def axis(x: TensorType, place: int) -> int:
    """An axis of the language's layout as Keras counts it, the batch included."""
    place = int(place)
    return place if place < 0 or not x.batched else place + 1
