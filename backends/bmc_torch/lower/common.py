"""What the lowerings share: axes with the batch, and broadcasting."""

from __future__ import annotations

from bmc.emit.pyexpr import Expr, Index, SliceExpr, lit
from bmc.ir.types import TensorType

ALL = SliceExpr(None, None, None)


def dim(x: TensorType, axis: int) -> int:
    """An axis as PyTorch counts it: from the end as it is, from the front past the batch."""
    axis = int(axis)
    if axis < 0:
        return axis
    return axis + 1 if x.batched else axis


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
