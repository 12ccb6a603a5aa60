"""What the lowerings share: axes with the batch, and what is worth printing."""

from __future__ import annotations

import math
from typing import Any

from bmc.emit.pyexpr import Expr, Index, SliceExpr, call, from_expression, lit
from bmc.ir.symbolic import Num, Real, Sym
from bmc.ir.types import TensorType

ALL = SliceExpr(None, None, None)


def dim(x: TensorType, axis: int) -> int:
    """An axis as PyTorch counts it: from the end as it is, from the front past the batch."""
    axis = int(axis)
    if axis < 0:
        return axis
    return axis + 1 if x.batched else axis


def fixed(value: Any) -> bool:
    """Whether a number is a literal of the spec, not computed from settings."""
    if isinstance(value, tuple):
        return all(fixed(item) for item in value)
    if isinstance(value, Num | Real):
        return not value.expression.names()
    return True


def unless(default: Any, **settings: Any) -> dict[str, Any]:
    """The settings that differ from what every framework takes when nothing is said."""
    return {k: v for k, v in settings.items() if v != default or not fixed(v)}


def number(value: Any) -> Expr:
    """A number as program text; what is not finite has no literal, a free size is a name."""
    if isinstance(value, Sym):
        return from_expression(value.expression())
    if isinstance(value, float) and not math.isfinite(value):
        return call("float", str(float(value)))
    return lit(value)


def rest(decay: Any) -> Any:
    """1 - decay, without the dust of binary fractions where it is a literal."""
    return round(1 - float(decay), 12) if fixed(decay) else 1 - decay


def spread(args: list[Expr], types: tuple[TensorType, ...]) -> list[Expr]:
    """Values of different ranks made ready for broadcasting: axes are matched from the last.

    A batched value with fewer axes than the widest gets axes of size one after its batch.
    """
    widest = max(x.rank for x in types)
    ready: list[Expr] = []
    for arg, x in zip(args, types):
        missing = widest - x.rank
        if x.batched and missing:
            ready.append(Index(arg, (ALL, *[lit(None)] * missing)))
        else:
            ready.append(arg)
    return ready
