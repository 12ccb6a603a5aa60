"""The masks of padded values: what the compiler puts into a model, and no file can name.

A padded value (`int[T, pad=0]`) is filled up at its end. A mask of shape (batch, T), true where
there is data, says where. Ids show it themselves; of numbers the lengths are an input of their
own. What a layer does about padding is its declaration's `padding`.
"""

from __future__ import annotations

from typing import Any

from bmc.ops.axes import AXIS, COUNT, Number
from bmc.ops.base import Layer, param
from bmc.ops.kinds import Int, Words
from bmc.types.tensor import TensorType


class Mask(Layer, family="mask"):
    """Base of these."""


class NotPadding(Mask, name="not_padding"):
    """Which ids are not the padding: int[T] -> bool[T]."""

    pad: Any = param(Number(), "the id that fills up")

    def infer(self, *inputs: TensorType) -> TensorType:
        """A truth value for each id."""
        return TensorType("bool", inputs[0].shape)


class UpTo(Mask, name="up_to"):
    """Which places of an axis lie below a length: (float[..., T, ...], int[]) -> bool[T]."""

    axis: int = param(AXIS, "the padded axis, from the front")

    inputs = (2, 2)

    def infer(self, *inputs: TensorType) -> TensorType:
        """A truth value for each place."""
        return TensorType("bool", (inputs[0].shape[self.axis],))


class Thin(Mask, name="thin"):
    """The mask after a layer that leaves out places: `mask[start::step]`."""

    start: int = param(Int(min=0), "the first place that stays")
    step: int = param(COUNT, "every which one stays")

    def infer(self, *inputs: TensorType) -> TensorType:
        """What is left."""
        return TensorType("bool", ((inputs[0].shape[0] - self.start + self.step - 1) // self.step,))


class Before(Mask, name="before"):
    """The mask after a layer that puts real places in front."""

    count: int = param(COUNT, "how many")

    def infer(self, *inputs: TensorType) -> TensorType:
        """So many more."""
        return TensorType("bool", (inputs[0].shape[0] + self.count,))


class Lengths(Mask, name="lengths"):
    """How many places of a mask are real, at least one: bool[T] -> int[]; or of a number of them."""

    def infer(self, *inputs: TensorType) -> TensorType:
        """A number."""
        return TensorType("int", ())


class ZeroIfEmpty(Mask, name="zero_if_empty"):
    """Zeros for samples without a real place: (float[...], bool[T]) -> the same.

    The extreme of nothing would be the lowest number, which spoils a whole batch.
    """

    inputs = (2, 2)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        return inputs[0]


class Fill(Mask, name="fill"):
    """Puts a value into the padding: (float[..., T, ...], bool[T]) -> the same."""

    value: str = param(Words("zero", "lowest", "highest"), "what: 0, or the last finite numbers")
    axis: int = param(AXIS, "the padded axis, from the front")

    inputs = (2, 2)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        return inputs[0]
