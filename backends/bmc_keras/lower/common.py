"""What the lowerings share: the settings of layers with a matrix, and axes."""

from __future__ import annotations

from typing import Any

from bmc.emit.pyexpr import Expr, SliceExpr, call, lit
from bmc.ir.types import TensorType
from bmc_keras.lower.initializers import initializer
from bmc_keras.lower.table import Layout
from bmc_keras.weights import At

ALL = SliceExpr(None, None, None)


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
    del x  # a value that is the same for all samples has a batch here, too
    return int(place) if place < 0 else int(place) + 1


def alike(op: object, types: tuple[TensorType, ...]) -> Layout:
    """The layout of what works element by element on values of one rank."""
    return "any" if len({x.rank for x in types}) == 1 else "own"


def spread(args: list[Expr], types: tuple[TensorType, ...]) -> list[Expr]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last."""
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    for arg, x in zip(args, types):
        missing: Any = tuple(range(1, 1 + widest - x.rank))
        missing = missing[0] if len(missing) == 1 else missing
        ready.append(call("ops.expand_dims", arg, missing) if missing else arg)
    return ready
