"""Types of values: element kind, shape without the batch, and what travels with the value."""

from __future__ import annotations

from typing import Literal

from bmc.records import record, replace
from bmc.types.symbolic import Dim

DType = Literal["float", "int", "bool"]
Shape = tuple[Dim, ...]


@record
class TensorType:
    """A tensor. The batch axis is implicit: `batched` says whether there is one.

    `padded` is the padding value of a ragged input; its mask travels with the value.
    `kind` records what a value means where checks need it: "" | "probabilities" |
    "log_probabilities" (a loss takes logits and refuses these).
    """

    dtype: DType
    shape: Shape
    batched: bool = True
    ragged: bool = False
    kind: str = ""

    @property
    def rank(self) -> int:
        """Number of axes, without the batch."""
        return len(self.shape)

    def with_shape(self, *shape: Dim) -> TensorType:
        """The same with another shape; what the elements meant is forgotten."""
        return replace(self, shape=shape, kind="")

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def show_shape(shape: Shape) -> str:
    """`[64, 56, 56]`"""
    return f"[{', '.join(map(str, shape))}]"
