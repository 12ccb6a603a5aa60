"""Pooling over the spatial axes; channels come first."""

from __future__ import annotations

from typing import Any, ClassVar

from bmc.ops.axes import (
    AXIS,
    Optional,
    PaddingKind,
    SizeUpTo,
    axis_of,
    explicit_padding,
    ragged_axis,
    retype,
)
from bmc.ops.base import Layer, Padding, Sample, param, per_axis, require_batch, require_float
from bmc.ops.conv import CHANNELS_FIRST, check_same, check_spatial, conv_shape, window_rule
from bmc.ops.kinds import Bool, Refusal
from bmc.records import replace
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

_AXIS_DOC = "the one axis to pool, when the input is not channels first"
_CEIL_DOC = "whether a last window may reach past the end, so that no element is left over"


class Pool(Layer):
    """Base of max_pool and avg_pool."""

    kernel: Any
    stride: Any
    padding: Any
    axis: int | None
    ceil: bool
    fill: ClassVar[str] = ""  # what stands in padding

    def windows(self, x: TensorType) -> Any:
        """The settings with the stride filled in, and with what `ceil` adds at the end."""
        axes = x.rank - 1 if self.axis is None else 1
        stride = self.kernel if self.stride is None else self.stride
        padding = self._reaching(axes, stride) if self.ceil else self.padding
        return _Windows(self.kernel, stride, padding)

    def _reaching(self, axes: int, stride: Any) -> tuple[tuple[int, int], ...]:
        """Padding that is a step less one longer at the end, so that no element is left over.

        It leaves out no window that begins inside, and adds none that doesn't: those of a step up
        to the kernel less the padding.
        """
        if isinstance(self.padding, str):
            raise Refusal(
                f"has no element left over to reach with padding={self.padding}", setting="ceil"
            )
        pads, kernel = explicit_padding(self.padding, axes), per_axis(self.kernel, axes, "kernel")
        steps = per_axis(stride, axes, "stride")
        for k, s, (_, high) in zip(kernel, steps, pads):
            if s > k - high:
                raise Refusal(
                    f"takes steps up to the kernel less the padding, {int(k - high)}, "
                    f"and not {int(s)}",
                    setting="ceil",
                    help="a last window could lie in the padding alone",
                )
        return tuple((low, high + s - 1) for (low, high), s in zip(pads, steps))

    def infer(self, *inputs: TensorType) -> TensorType:
        """[C, n…] -> [C, n'…], as `conv` does it; with `axis`, that axis only."""
        (x,) = inputs
        require_float(x)
        if x.ragged and self.padding != "replicate" and x.rank > 1:
            self._check_windows(x)
        if self.axis is not None:
            if x.rank != 2:
                raise Refusal(f"pools one axis of an input with two, and got {x}", setting="axis")
            require_batch(x)
            self._check_padding(1)
            axis = axis_of(x, self.axis)
            (size,) = conv_shape(self.windows(x), (x.shape[axis],))
            shape = (size, x.shape[1]) if axis == 0 else (x.shape[0], size)
            return retype(x, shape, kind=x.kind)
        axes = check_spatial(x)
        self._check_padding(axes)
        return retype(
            x, (x.shape[0], *conv_shape(self.windows(x), x.shape[1:])), kind=CHANNELS_FIRST
        )

    def _check_padding(self, axes: int) -> None:
        if isinstance(self.padding, str):
            return
        for pad, kernel in zip(
            per_axis(self.padding, axes, "padding"), per_axis(self.kernel, axes, "kernel")
        ):
            if isinstance(pad, tuple):
                raise Refusal("pads the same at both ends of an axis", setting="padding")
            if 2 * pad > kernel:
                raise Refusal(
                    f"pads at most half its window of {int(kernel)}, and not {int(pad)}",
                    setting="padding",
                    help="a window made of padding alone has no value",
                )

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """`fill` stands in the padding that a window reaches, and zeros where all is padding."""
        (x,) = inputs
        along = self._padded(x)
        if along is None:
            return Padding()
        rule = window_rule(self.windows(x), *along, self.fill)
        return replace(rule, clear=bool(rule.fill))

    def _padded(self, x: TensorType) -> tuple[int, int] | None:
        """How many axes are pooled, and which of them is padded; None where none is."""
        axis = ragged_axis(x)
        if self.axis is None:
            return x.rank - 1, axis - 1
        return (1, 0) if axis_of(x, self.axis) == axis else None

    def _check_windows(self, x: TensorType) -> None:
        """Refuses windows along a padded axis whose result would depend on other samples."""
        along = self._padded(x)
        if along is None:
            return
        check_same(self.windows(x), *along)
        if not self.fill and window_rule(self.windows(x), *along, "zero").fill:
            raise Refusal(
                "can't leave padding out of a mean whose window reaches past the end",
                setting="padding",
                help="leave `padding` out along a padded axis",
            )

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element of every window."""
        axes = 1 if self.axis is not None else inputs[0].rank - 1
        return product(outputs[0].shape) * product(list(per_axis(self.kernel, axes, "kernel")))


class _Windows:
    """Kernel, stride and padding as the shape rule of convolutions takes them."""

    def __init__(self, kernel: Any, stride: Any, padding: Any) -> None:
        self.kernel, self.stride, self.padding = kernel, stride, padding


class MaxPool(
    Pool,
    name="max_pool",
    aliases=("maxpool", "maxpool1d", "maxpool2d", "maxpool3d", "max_pooling2d"),
):
    """The largest element of each window. What is padded never wins (it counts as -inf).

    y[i] = max over k of x[i * stride + k].
    """

    kernel: Any = param(SizeUpTo(1), "size of the window")
    stride: Any = param(Optional(SizeUpTo(1)), "step of the window; the kernel unless given", None)
    padding: Any = param(PaddingKind("same"), "what is added around the input", 0)
    axis: int | None = param(Optional(AXIS), _AXIS_DOC, None)
    ceil: bool = param(Bool(), _CEIL_DOC, False)

    fill = "lowest"
    samples = (
        Sample({"kernel": 2}, ((3, 8, 9),)),
        Sample({"kernel": 3, "stride": 2, "padding": 1}, ((3, 8, 9),)),
        Sample({"kernel": 3, "stride": 2, "padding": "same"}, ((3, 8, 9),)),
        Sample({"kernel": 2, "stride": 1, "padding": "same"}, ((3, 8, 9),)),
        Sample({"kernel": (2, 1)}, ((3, 8, 9),)),
        Sample({"kernel": 2}, ((3, "T"),)),
        Sample({"kernel": 3, "stride": 2, "padding": "same"}, ((3, "T"),)),
        Sample({"kernel": 2, "axis": 0}, ((8, 3),)),
        Sample({"kernel": 3, "stride": 2, "padding": 1, "axis": -1}, ((9, 7),)),
        Sample({"kernel": 2}, ((2, 4, 5, 6),)),
        Sample({"kernel": 3, "stride": 2, "ceil": True}, ((3, 8, 9),)),
        Sample({"kernel": (2, 3), "padding": (0, 1), "stride": 2, "ceil": True}, ((3, 7, 8),)),
        Sample({"kernel": 3, "stride": 2, "ceil": True}, ((3, "T"),)),
        Sample({"kernel": 2, "axis": 0, "ceil": True}, ((9, 3),)),
        Sample({"kernel": 2, "ceil": True}, ((2, 3, 5, 6),)),
        Sample({"kernel": 2, "stride": 4, "padding": "same"}, ((2, 12, 3, 3),)),
    )


class AvgPool(
    Pool,
    name="avg_pool",
    aliases=("avgpool", "avgpool1d", "avgpool2d", "avgpool3d", "average_pool", "averagepooling2d"),
):
    """The mean of each window. Padding is not counted: a window at the border averages less.

    y[i] = mean over k of x[i * stride + k].

    With `count_padding` it counts as zeros, as in PyTorch; what `ceil` reaches beyond never does.
    `padding=replicate` repeats the border elements instead, as a moving average needs it; the size
    is that of `same`.
    """

    kernel: Any = param(SizeUpTo(1), "size of the window")
    stride: Any = param(Optional(SizeUpTo(1)), "step of the window; the kernel unless given", None)
    padding: Any = param(PaddingKind("same", "replicate"), "what is added around the input", 0)
    axis: int | None = param(Optional(AXIS), _AXIS_DOC, None)
    count_padding: bool = param(Bool(), "whether padding counts as zeros", False)
    ceil: bool = param(Bool(), _CEIL_DOC, False)

    samples = (
        Sample({"kernel": 2}, ((3, 8, 9),)),
        Sample({"kernel": 3, "stride": 2, "padding": 1}, ((3, 8, 9),)),
        Sample({"kernel": 3, "stride": 2, "padding": "same"}, ((3, 8, 9),)),
        Sample({"kernel": 4, "stride": 1, "padding": "same"}, ((3, 8, 9),)),
        Sample({"kernel": 5, "stride": 1, "padding": "replicate"}, ((3, 9),)),
        Sample({"kernel": 5, "stride": 1, "padding": "replicate", "axis": 0}, ((9, 3),)),
        Sample({"kernel": 2}, ((3, "T"),)),
        Sample({"kernel": 3, "stride": 2, "padding": "same"}, ((3, "T"),)),
        Sample({"kernel": 2}, ((2, 4, 5, 6),)),
        Sample({"kernel": 3, "stride": 2, "padding": 1, "axis": -1}, ((9, 7),)),
        Sample({"kernel": 3, "stride": 2, "padding": 1, "count_padding": True}, ((3, 8, 9),)),
        Sample({"kernel": 4, "stride": 1, "padding": "same", "count_padding": True}, ((3, 8, 9),)),
        Sample({"kernel": 3, "stride": 1, "padding": 1, "count_padding": True}, ((2, 4, 5, 6),)),
        Sample({"kernel": 3, "padding": "same", "axis": 0, "count_padding": True}, ((8, 3),)),
        Sample({"kernel": 2, "ceil": True}, ((3, 7, 8),)),
        Sample({"kernel": 3, "stride": 2, "padding": 1, "ceil": True}, ((3, 8, 9),)),
        Sample({"kernel": 2, "ceil": True, "axis": -1}, ((3, 7),)),
        Sample({"kernel": 3, "stride": 2, "ceil": True}, ((2, 4, 5, 6),)),
        Sample({"kernel": 2, "stride": 4, "padding": "same"}, ((2, 12, 3, 3),)),
    )

    def check(self) -> None:
        """Repeated elements are no padding to count."""
        if self.count_padding and self.padding == "replicate":
            raise Refusal("counts zeros, and `replicate` adds none", setting="count_padding")
        if self.count_padding and self.ceil:
            raise Refusal("counts what `padding` adds, and not what `ceil` does", setting="ceil")

    def infer(self, *inputs: TensorType) -> TensorType:
        """As the base has it; a padded input has no border to repeat."""
        if self.padding == "replicate" and inputs[0].ragged:
            raise Refusal("can't repeat the border of a padded value", setting="padding")
        return super().infer(*inputs)


class _GlobalPool(Layer):
    fill: ClassVar[str] = "zero"
    counts: ClassVar[bool] = False

    def infer(self, *inputs: TensorType) -> TensorType:
        """[C, n…] -> [C]."""
        (x,) = inputs
        check_spatial(x)
        return TensorType(x.dtype, (x.shape[0],), x.batched)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """Padding is not counted."""
        return Padding(fill=self.fill, reads="length" if self.counts else "")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)


class GlobalAvgPool(
    _GlobalPool,
    name="global_avg_pool",
    aliases=("globalavgpool", "globalaveragepooling2d", "gap", "global_average_pool"),
):
    """The mean over all spatial axes: [C, H, W] -> [C]. Padding is not counted.

    y[c] = mean of x[c].
    """

    counts = True
    samples = (
        Sample({}, ((3, 4, 5),)),
        Sample({}, ((3, "T"),)),
        Sample({}, ((3, 2, 4, 5),)),
    )


class GlobalMaxPool(
    _GlobalPool, name="global_max_pool", aliases=("globalmaxpool", "globalmaxpooling2d")
):
    """The largest element over all spatial axes: [C, H, W] -> [C]. Padding is not counted.

    y[c] = max of x[c].
    """

    fill = "lowest"
    samples = (Sample({}, ((3, 4, 5),)), Sample({}, ((3, "T"),)))


class AdaptiveAvgPool(
    Layer,
    name="adaptive_avg_pool",
    aliases=("adaptiveavgpool", "adaptiveavgpool1d", "adaptiveavgpool2d", "adaptive_average_pool"),
):
    """Means over a grid of `size` cells, whatever the input's size.

    y[i] = mean of x[floor(i * n / size)], …, x[ceil((i + 1) * n / size) - 1] along an axis of n.

    Cell i of an axis of n covers floor(i * n / size) up to ceil((i + 1) * n / size).
    """

    size: Any = param(SizeUpTo(1), "cells along each axis")

    samples = (
        Sample({"size": 7}, ((3, 14, 14),)),
        Sample({"size": (2, 3)}, ((3, 5, 7),)),
        Sample({"size": 4}, ((3, 9),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[C, n…] -> [C, size…]."""
        (x,) = inputs
        axes = check_spatial(x)
        if x.ragged:
            raise Refusal(f"takes values of one length, and got {x}, padded on {ragged_axis(x)}")
        size = per_axis(self.size, axes, "size")
        return retype(x, (x.shape[0], *size), kind=CHANNELS_FIRST)

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every input element."""
        return product(inputs[0].shape)
