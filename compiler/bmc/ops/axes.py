"""What the layer declarations share: kinds of settings, axes, windows and raggedness.

Axes are counted without the batch. A ragged value (`int[T, pad=0]`) is padded along its only
free axis; a mask of shape (batch, that axis), true where there is data, travels with it.
"""

from __future__ import annotations

from typing import Any

from bmc.ops.base import per_axis
from bmc.ops.kinds import Int, Kind, ListOf, OneOf, Refusal, Words, show
from bmc.types.symbolic import Dim, Sym, known
from bmc.types.tensor import Shape, TensorType

LARGEST = 2**31 - 1
MOST_AXES = 8

COUNT = Int(min=1, max=LARGEST - 1)
AXIS = Int(min=-MOST_AXES, max=MOST_AXES - 1)


class SizeUpTo(OneOf):
    """One number for every spatial axis, or a list with one for each, within bounds."""

    def __init__(self, min: int = 1, max: int = 65535) -> None:
        element = Int(min=min, max=max)
        super().__init__(element, ListOf(element))
        self.description = f"a whole number from {min} to {max}, or a list of one for each axis"


class PaddingKind(OneOf):
    """Padding: a number, a list of one for each axis (or of [before, after] pairs), or a word."""

    def __init__(self, *choices: str) -> None:
        number = Int(min=0, max=65535)
        self.choices = Words(*choices)
        super().__init__(number, ListOf(OneOf(number, ListOf(number, length=2))), self.choices)
        self.description = (
            "a whole number from 0 to 65535, a list of one for each axis, "
            f"{self.choices.description}"
        )


class Number(Kind):
    """Any number, whole or not, or a free dimension; it stays as it was computed."""

    description = "a number"

    def convert(self, value: Any) -> Any:
        """The number itself."""
        if isinstance(value, Sym):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise Refusal(f"expected {self.description}, found {show(value)}")
        return value


class Optional(Kind):
    """A setting that may be left out; its default is `None`, which nobody can write."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.description = inner.description

    def convert(self, value: Any) -> Any:
        """What the inner kind makes of it."""
        return self.inner.convert(value)

    def words(self) -> tuple[str, ...]:
        """The inner kind's words."""
        return self.inner.words()


def axis_of(x: TensorType, axis: int, setting: str = "axis") -> int:
    """An axis counted from the front. Raises `Refusal` if `x` has no such axis."""
    if not -x.rank <= axis < x.rank:
        raise Refusal(f"has no axis {int(axis)} in {x}", setting=setting)
    return int(axis) % x.rank if axis < 0 else int(axis)


def known_dim(dim: Dim, what: str) -> int:
    """A dimension that a weight's shape needs. Raises `Refusal` if it is free."""
    if isinstance(dim, Sym):
        raise Refusal(f"needs {what} to be known, and it is the free dimension {dim}")
    return dim


def replace_axis(shape: Shape, axis: int, dim: Dim) -> Shape:
    """The shape with one axis of another size."""
    return (*shape[:axis], dim, *shape[axis + 1 :])


def ragged_axis(x: TensorType) -> int:
    """The axis along which a ragged value is padded: its only free one."""
    free = [axis for axis, dim in enumerate(x.shape) if not known(dim)]
    if len(free) != 1:
        raise Refusal(f"got a padded value with {len(free)} free dimensions, {x}, and needs one")
    return free[0]


def retype(x: TensorType, shape: Shape, *, keep: bool = True, kind: str = "") -> TensorType:
    """`x` with another shape; still ragged if it was, `keep` holds and an axis is free."""
    ragged = x.ragged and keep and any(not known(dim) for dim in shape)
    return TensorType(x.dtype, shape, x.batched, ragged, kind)


def window_output(
    size: Dim, kernel: int, stride: int, dilation: int, low: int, high: int, setting: str = "kernel"
) -> Dim:
    """floor((size + low + high - dilation * (kernel - 1) - 1) / stride) + 1."""
    reach = dilation * (kernel - 1) + 1
    if isinstance(size, int) and size + low + high < reach:
        padded = f", {int(size + low + high)} with its padding" if low or high else ""
        raise Refusal(
            f"has a window of {int(reach)} on an axis of {int(size)}{padded}", setting=setting
        )
    return (size + (low + high - reach)) // stride + 1


def same_output(size: Dim, stride: int) -> Dim:
    """ceil(size / stride)."""
    if stride == 1:
        return size
    return (size + (stride - 1)) // stride


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Zeros before and after for `same`: the odd one goes after (as TensorFlow does)."""
    reach = dilation * (kernel - 1) + 1
    total = max((-(-int(size) // int(stride)) - 1) * int(stride) + int(reach) - int(size), 0)
    return total // 2, total - total // 2


def explicit_padding(padding: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """A padding of numbers as (before, after) for every axis."""
    spread = per_axis(padding, axes, "padding")
    return tuple(p if isinstance(p, tuple) else (p, p) for p in spread)


def common_ragged(inputs: tuple[TensorType, ...]) -> bool:
    """Whether a value made of all of these is ragged. Refuses two different free lengths."""
    ragged = [x for x in inputs if x.ragged]
    lengths = {x.shape[ragged_axis(x)] for x in ragged}
    if len(lengths) > 1:
        raise Refusal(f"joins padded values of different lengths: {', '.join(map(str, ragged))}")
    return bool(ragged)
