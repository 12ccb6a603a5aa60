"""Layers that move elements or change how they are counted; no arithmetic."""

from __future__ import annotations

from typing import Any, ClassVar

from bmc.ops.axes import (
    AXIS,
    COUNT,
    MOST_AXES,
    Number,
    SizeUpTo,
    axis_of,
    ragged_axis,
    replace_axis,
    retype,
    window_output,
)
from bmc.ops.base import Layer, Sample, param, per_axis, require_batch, require_float
from bmc.ops.kinds import Int, Kind, ListOf, OneOf, Refusal, Str, Words
from bmc.ops.pattern import Pattern, parse
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import Shape, TensorType, show_shape


def _refuse_ragged(x: TensorType) -> None:
    if x.ragged:
        raise Refusal(
            f"takes values of one length, and got {x}, padded on axis {ragged_axis(x)}",
            help="reduce it first: `last`, `mean(axis=…)`",
        )


class Flatten(Layer, name="flatten"):
    """Joins the axes from `start` on, the last moving fastest: [C, H, W] -> [C * H * W]."""

    start: int = param(AXIS, "the first axis that is joined", 0)

    samples = (
        Sample({}, ((3, 4, 5),)),
        Sample({"start": 1}, ((3, 4, 5),)),
        Sample({"start": -2}, (("T", 4, 5),)),
        Sample({}, ((3,),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[a, b, c] -> [a * b * c]."""
        (x,) = inputs
        if x.rank == 0:
            return retype(x, (1,))
        start = axis_of(x, self.start, "start")
        if x.ragged and ragged_axis(x) >= start:
            _refuse_ragged(x)
        return retype(x, (*x.shape[:start], product(x.shape[start:])))


class Reshape(Layer, name="reshape", aliases=("view",)):
    """Counts the same elements by other axes, the last moving fastest: `reshape(8, 4, 4)`.

    [a, b] -> [c, d] with a * b = c * d.
    """

    shape: tuple[Dim, ...] = param(ListOf(COUNT, single=True), "the sizes")

    variadic: ClassVar[str] = "shape"
    samples = (
        Sample({"shape": (3, 2, 4)}, ((24,),)),
        Sample({"shape": (24,)}, ((3, 2, 4),)),
        Sample({"shape": (1, 8)}, ((8,),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[...] -> the sizes given."""
        (x,) = inputs
        _refuse_ragged(x)
        if len(self.shape) > MOST_AXES:
            raise Refusal(f"has more than {MOST_AXES} axes", setting="shape")
        if product(self.shape) != product(x.shape):
            raise Refusal(
                f"can't count {x}, {product(x.shape)} elements, as {show_shape(self.shape)}, "
                f"{product(self.shape)} elements",
                setting="shape",
            )
        return retype(x, self.shape)


class Transpose(Layer, name="transpose", aliases=("permute", "swapaxes")):
    """Puts the axes in another order: `transpose(2, 0, 1)`; without an order the last two swap.

    y[i, j] = x[j, i].
    """

    order: tuple[int, ...] = param(ListOf(AXIS, single=True), "the old axes, in the new order", ())

    variadic: ClassVar[str] = "order"
    samples = (
        Sample({}, ((3, 4),)),
        Sample({"order": (2, 0, 1)}, ((3, 4, 5),)),
        Sample({"order": (1, 0)}, (("T", 5),)),
    )

    def axes(self, x: TensorType) -> tuple[int, ...]:
        """The order with every axis counted from the front."""
        if not self.order:
            if x.rank < 2:
                raise Refusal(f"swaps the last two axes, and got {x}")
            return (*range(x.rank - 2), x.rank - 1, x.rank - 2)
        axes = tuple(axis_of(x, axis, "order") for axis in self.order)
        if sorted(axes) != list(range(x.rank)):
            raise Refusal(f"names each of the {x.rank} axes once", setting="order")
        return axes

    def infer(self, *inputs: TensorType) -> TensorType:
        """[a, b, c] -> the same in another order."""
        (x,) = inputs
        return retype(x, tuple(x.shape[axis] for axis in self.axes(x)))


class Rearrange(Layer, name="rearrange", aliases=("einops", "rearange")):
    """Splits, moves and joins axes by name: `rearrange("c h w -> (h w) c")`.

    Parentheses join axes, on the left they take one apart: "(h p) c -> h p c" with `p=2`.
    `1` is an axis of size one (Rogozhnikov 2022).
    """

    pattern: str = param(Str(), "the axes before and after")

    rest: ClassVar[Kind | None] = COUNT
    samples = (
        Sample({"pattern": "c h w -> (h w) c"}, ((3, 4, 5),)),
        Sample({"pattern": "f t -> 1 f t"}, ((3, "T"),)),
        Sample({"pattern": "(h p) (w q) c -> h w (q p c)", "p": 2, "q": 2}, ((4, 6, 3),)),
        Sample({"pattern": "(h w) c -> c h w", "h": 2}, ((6, 3),)),
        Sample({"pattern": "1 c t -> t c"}, ((1, 3, "T"),)),
        Sample({"pattern": "c n d -> c (n d)"}, (("C", 3, 4),)),
        Sample({"pattern": "a b -> a b"}, ((3, 4),)),
    )

    def check(self) -> None:
        """Refuses a pattern that can't be read."""
        self.parsed()

    def parsed(self) -> Pattern:
        """The pattern's two sides."""
        return parse(self.pattern)

    def sizes(self, x: TensorType) -> dict[str, Dim]:
        """The size of every axis."""
        return self.parsed().sizes(x.shape, dict(self.extra))

    def moves(self, x: TensorType) -> tuple[Shape | None, tuple[int, ...] | None, Shape | None]:
        """Joined axes taken apart, their new order, axes joined; None where nothing is done."""
        return self.parsed().moves(self.sizes(x))

    def infer(self, *inputs: TensorType) -> TensorType:
        """As the pattern says."""
        (x,) = inputs
        pattern = self.parsed()
        sizes = pattern.sizes(x.shape, dict(self.extra))
        if x.ragged:
            group = pattern.left[ragged_axis(x)]
            if len(group) != 1 or group not in pattern.right:
                _refuse_ragged(x)
        return retype(x, pattern.result(sizes))


class Squeeze(Layer, name="squeeze"):
    """Drops an axis of size one. [a, 1, b] -> [a, b]."""

    axis: int = param(AXIS, "the axis", -1)

    samples = (Sample({"axis": 0}, ((1, 4),)), Sample({}, (("T", 1),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """[1, n] -> [n]."""
        (x,) = inputs
        axis = axis_of(x, self.axis)
        if x.shape[axis] != 1:
            raise Refusal(f"drops an axis of size 1, and axis {axis} of {x} is not", setting="axis")
        return retype(x, (*x.shape[:axis], *x.shape[axis + 1 :]))


class Expand(Layer, name="expand", aliases=("unsqueeze", "expand_dims", "newaxis")):
    """Adds an axis of size one, before the one that has this number now; -1 adds it at the end.

    [a, b] -> [a, 1, b] for axis 1.
    """

    axis: int = param(AXIS, "the number of the new axis", 0)

    samples = (
        Sample({}, ((3, 4),)),
        Sample({"axis": -1}, (("T",),)),
        Sample({"axis": 1}, ((3, 4),)),
        Sample({}, ((),)),
    )

    def place(self, x: TensorType) -> int:
        """The new axis, from the front."""
        if not -x.rank - 1 <= self.axis <= x.rank:
            raise Refusal(f"can't add axis {int(self.axis)} to {x}", setting="axis")
        return int(self.axis) if self.axis >= 0 else x.rank + 1 + int(self.axis)

    def infer(self, *inputs: TensorType) -> TensorType:
        """[n] -> [1, n]."""
        (x,) = inputs
        axis = self.place(x)
        return retype(x, (*x.shape[:axis], 1, *x.shape[axis:]))


class Pad(Layer, name="pad", aliases=("zero_pad", "zeropadding2d")):
    """Adds elements before and after along one axis. [n] -> [before + n + after]."""

    before: int = param(Int(min=0, max=65535), "how many before", 0)
    after: int = param(Int(min=0, max=65535), "how many after", 0)
    axis: int = param(AXIS, "the axis", -1)
    mode: str = param(
        Words("constant", "reflect", "replicate"), "what is added: `value`, or mirrored", "constant"
    )
    value: float = param(Number(), "what is added when it is constant", 0.0)

    samples = (
        Sample({"before": 1, "after": 2}, ((3, 4),)),
        Sample({"after": 2, "axis": 0, "value": -1.0}, ((3, 4),)),
        Sample({"before": 2, "mode": "reflect"}, ((3, 4),)),
        Sample({"after": 3, "axis": 1, "mode": "replicate"}, (("C", 4),)),
        Sample({"before": 2, "axis": 0, "mode": "replicate"}, ((4, 3, 2),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[n] -> [before + n + after]."""
        (x,) = inputs
        axis = axis_of(x, self.axis)
        if x.ragged and axis == ragged_axis(x):
            _refuse_ragged(x)
        size = x.shape[axis]
        if self.mode != "constant" or x.dtype == "bool":
            require_float(x)
        if x.dtype == "int" and self.value != int(self.value):
            raise Refusal(f"can't add {self.value:g} to whole numbers", setting="value")
        if (
            self.mode == "reflect"
            and isinstance(size, int)
            and max(self.before, self.after) >= size
        ):
            raise Refusal(
                f"can't mirror {int(max(self.before, self.after))} elements of {int(size)}"
            )
        return retype(x, replace_axis(x.shape, axis, size + (self.before + self.after)))


class Upsample(Layer, name="upsample", aliases=("upsampling2d", "interpolate", "resize_nearest")):
    """Makes the spatial axes `factor` times as long; channels first.

    y[i] = x[floor(i / factor)], or between neighbours as `mode` says.

    `nearest` repeats each element; `linear` interpolates between half-pixel centres, along two
    axes at once that is bilinear (`align_corners` is false).
    """

    factor: Any = param(SizeUpTo(1, 1024), "how many times as long")
    mode: str = param(Words("nearest", "linear"), "how", "nearest")

    samples = (
        Sample({"factor": 2}, ((3, 4, 5),)),
        Sample({"factor": (2, 3)}, ((3, 4, 5),)),
        Sample({"factor": 2, "mode": "linear"}, ((3, 4, 5),)),
        Sample({"factor": 3, "mode": "linear"}, ((3, 4),)),
        Sample({"factor": 2}, ((3, "T"),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[C, n…] -> [C, factor * n…]."""
        (x,) = inputs
        require_float(x)
        require_batch(x)
        _refuse_ragged(x)
        if x.rank not in (2, 3, 4):
            raise Refusal(f"takes an input with 2 to 4 axes, like [C, H, W], and got {x}")
        factors = per_axis(self.factor, x.rank - 1, "factor")
        sizes = (n * factor for n, factor in zip(x.shape[1:], factors))
        return retype(x, (x.shape[0], *sizes), kind="channels_first")


class Roll(Layer, name="roll", aliases=("shift",)):
    """Moves the elements along axes by `shift`; what leaves at one end enters at the other.

    y[(i + shift) % n] = x[i].
    """

    shift: Any = param(
        OneOf(Int(min=-65535, max=65535), ListOf(Int(min=-65535, max=65535))), "how far"
    )
    axes: Any = param(ListOf(AXIS, single=True), "along which axes", (-1,))

    samples = (
        Sample({"shift": 2}, ((3, 4),)),
        Sample({"shift": -1, "axes": (0, 1)}, ((3, 4, 2),)),
        Sample({"shift": (1, -1), "axes": (0, 1)}, ((3, 4),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        (x,) = inputs
        axes = [axis_of(x, axis, "axes") for axis in self.axes]
        if len(set(axes)) < len(axes):
            raise Refusal("names an axis twice", setting="axes")
        per_axis(self.shift, len(axes), "shift")
        if x.ragged and ragged_axis(x) in axes:
            _refuse_ragged(x)
        return retype(x, x.shape, kind=x.kind)


class Patches(Layer, name="patches_1d", aliases=("unfold", "unfold_1d", "frames")):
    """Cuts the last axis into windows of `size`, `stride` apart: [..., T] -> [..., N, size]."""

    size: int = param(Int(min=1, max=65535), "size of a window")
    stride: int = param(Int(min=1, max=65535), "step from one to the next", 1)

    samples = (
        Sample({"size": 3, "stride": 2}, ((4, 9),)),
        Sample({"size": 4}, (("C", 9),)),
        Sample({"size": 4, "stride": 4}, ((2, "T"),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., T] -> [..., floor((T - size) / stride) + 1, size]."""
        (x,) = inputs
        _refuse_ragged(x)
        if x.rank == 0:
            raise Refusal(f"takes an input with an axis, and got {x}")
        count = window_output(x.shape[-1], self.size, self.stride, 1, 0, 0, setting="size")
        return retype(x, (*x.shape[:-1], count, self.size), kind="sequence")


class Cast(Layer, name="cast", aliases=("astype", "to_float", "to")):
    """The same values as another kind of number; to `int` cuts towards zero.

    y = x; to `int` y = trunc(x), to `bool` y = (x != 0).
    """

    dtype: str = param(Words("float", "int", "bool"), "the kind of number")

    samples = (
        Sample({"dtype": "float"}, (("int:9", 4),)),
        Sample({"dtype": "int"}, ((3, 4),)),
        Sample({"dtype": "bool"}, (("int:2", 4),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        return TensorType(self.dtype, x.shape, x.batched, x.ragged)  # type: ignore[arg-type]
