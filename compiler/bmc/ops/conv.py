"""Convolutions, over one, two or three axes; channels come first."""

from __future__ import annotations

from typing import Any

from bmc.ops.axes import (
    COUNT,
    PaddingKind,
    SizeUpTo,
    explicit_padding,
    known_dim,
    ragged_axis,
    retype,
    same_output,
    same_padding,
    window_output,
)
from bmc.ops.base import (
    Initializer,
    Layer,
    Padding,
    Sample,
    Weight,
    param,
    per_axis,
    require_batch,
    require_float,
    require_rank,
)
from bmc.ops.initializers import GlorotUniform, Normal, RowLengths, Zeros
from bmc.ops.kinds import Bool, Made, OneOf, Refusal, Words
from bmc.ops.linear import WEIGHT_NORM, check_weight_norm
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import Shape, TensorType

EXAMPLE = "[C, T], [C, H, W] or [C, D, H, W]"
CHANNELS_FIRST = "channels_first"


def check_spatial(x: TensorType) -> int:
    """The number of spatial axes of a channels-first input."""
    require_float(x)
    require_batch(x)
    require_rank(x, (2, 3, 4), EXAMPLE)
    if x.ragged and ragged_axis(x) == 0:
        raise Refusal(
            f"takes channels first, and got {x}, padded along its first axis",
            help='move the channels first: `rearrange("t c -> c t")`',
        )
    return x.rank - 1


def _divide(channels: int, groups: int, what: str) -> int:
    if channels % groups:
        raise Refusal(
            f"can't split {int(channels)} {what} into {int(groups)} groups", setting="groups"
        )
    return channels // groups


class Conv(
    Layer,
    name="conv",
    aliases=("conv1d", "conv2d", "conv3d", "convolution", "convolution2d", "depthwise_conv"),
):
    """Slides `filters` learned windows over the input (cross-correlation, as everywhere).

    y[f, i] = b[f] + sum over c, k of w[f, c, k] * x[c, stride * i + dilation * k - before].
    One, two or three spatial axes, by the input: [C, T], [C, H, W] or [C, D, H, W].
    An axis of n gives floor((n + padding - dilation * (kernel - 1) - 1) / stride) + 1.

    `padding=same` gives ceil(n / stride); what is odd goes after. `causal` (one axis) pads
    dilation * (kernel - 1) before, so that nothing later is seen. With `groups`, channels are
    split and convolved apart; `depthwise` is one group for each channel. With `weight_norm` the
    windows are scale * weight / |weight|, as in `dense`.
    """

    filters: int = param(COUNT, "number of output channels")
    kernel: Any = param(SizeUpTo(1), "size of the window")
    stride: Any = param(SizeUpTo(1), "step of the window", 1)
    padding: Any = param(PaddingKind("same", "causal"), "what is added around the input", 0)
    dilation: Any = param(SizeUpTo(1), "distance between the window's elements", 1)
    groups: Any = param(OneOf(COUNT, Words("depthwise")), "number of groups", 1)
    bias: bool = param(Bool(), "whether to add a learned number to each channel", True)
    init: Initializer = param(Made("initializer"), "how the windows start", GlorotUniform(gain=1.0))
    padding_mode: str = param(
        Words("zeros", "reflect", "replicate"), "what the padding is made of", "zeros"
    )
    weight_norm: bool = param(Bool(), WEIGHT_NORM, False)

    samples = (
        Sample({"filters": 4, "kernel": 3, "padding": "causal", "weight_norm": True}, ((3, "T"),)),
        Sample(
            {
                "filters": 4,
                "kernel": 3,
                "bias": False,
                "weight_norm": True,
                "padding": 1,
                "padding_mode": "reflect",
            },
            ((3, 8, 9),),
        ),
        Sample({"filters": 4, "kernel": 2, "weight_norm": True}, ((2, 4, 5, 6),)),
        Sample({"filters": 4, "kernel": 3, "groups": 2, "weight_norm": True}, ((2, 9),)),
        Sample({"filters": 6, "kernel": 3}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 3, "stride": 2, "padding": 1}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": (3, 5), "padding": (1, 2), "bias": False}, ((3, 8, 9),)),
        Sample({"filters": 4, "kernel": 3, "padding": ((0, 1), (2, 1))}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 3, "padding": "same"}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 4, "padding": "same"}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 3, "stride": 2, "padding": "same"}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 5, "stride": 3, "padding": "same"}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 3, "padding": 2, "dilation": 2}, ((3, 8, 9),)),
        Sample({"filters": 6, "kernel": 3, "padding": 1, "groups": 3}, ((3, 8, 9),)),
        Sample({"filters": 4, "kernel": 3, "stride": 2, "dilation": 2, "padding": 2}, ((3, 8, 9),)),
        Sample(
            {"filters": 4, "kernel": 2, "stride": (2, 1), "dilation": (1, 3), "padding": "same"},
            ((3, 8, 9),),
        ),
        Sample(
            {"filters": 3, "kernel": 3, "stride": 2, "dilation": 2, "groups": "depthwise"},
            ((3, 8, 9),),
        ),
        Sample(
            {"filters": 4, "kernel": 2, "stride": 3, "dilation": 2, "padding": "causal"},
            ((3, "T"),),
        ),
        Sample({"filters": 6, "kernel": 3, "padding": 1, "groups": "depthwise"}, ((3, 8, 9),)),
        Sample({"filters": 4, "kernel": 3, "padding": 1, "padding_mode": "reflect"}, ((3, 8, 9),)),
        Sample(
            {"filters": 4, "kernel": 3, "padding": 2, "padding_mode": "replicate"}, ((3, 8, 9),)
        ),
        Sample(
            {
                "filters": 3,
                "kernel": 3,
                "padding": "same",
                "padding_mode": "replicate",
                "groups": 3,
            },
            ((3, 8, 9),),
        ),
        Sample({"filters": 4, "kernel": 3, "padding": "causal"}, ((3, 9),)),
        Sample({"filters": 4, "kernel": 2, "padding": "causal", "dilation": 4}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": 3, "stride": 2, "padding": 1}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": 3, "stride": 2, "padding": "same"}, ((3, "T"),)),
        Sample({"filters": 4, "kernel": 2, "init": Normal(std=0.02, mean=0.0)}, ((2, 4, 5, 6),)),
        Sample({"filters": 4, "kernel": 2, "stride": 4, "padding": "same"}, ((2, 12, 3, 3),)),
    )

    def check(self) -> None:
        """Refuses a padding mode without a padding to fill."""
        if self.padding_mode != "zeros" and self.padding == "causal":
            raise Refusal("pads with zeros when it is causal", setting="padding_mode")
        check_weight_norm(self)

    def group_count(self, x: TensorType) -> int:
        """The number of groups as a number."""
        channels = known_dim(x.shape[0], "the number of channels")
        return channels if self.groups == "depthwise" else self.groups

    def infer(self, *inputs: TensorType) -> TensorType:
        """[C, n…] -> [filters, n'…]."""
        (x,) = inputs
        axes = check_spatial(x)
        groups = self.group_count(x)
        _divide(known_dim(x.shape[0], "the number of channels"), groups, "channels")
        _divide(known_dim(self.filters, "`filters`"), groups, "filters")
        if self.padding == "causal" and axes != 1:
            raise Refusal("is causal along one axis, and the input has more", setting="padding")
        if x.ragged and self.padding_mode != "zeros":
            raise Refusal("pads a padded input with zeros only", setting="padding_mode")
        if x.ragged:
            check_same(self, axes, ragged_axis(x) - 1)
        shape = conv_shape(self, x.shape[1:])
        return retype(x, (self.filters, *shape), kind=CHANNELS_FIRST)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (filters, C / groups, *kernel), bias (filters,), scale (filters,)."""
        (x,) = inputs
        kernel = per_axis(self.kernel, x.rank - 1, "kernel")
        part = _divide(x.shape[0], self.group_count(x), "channels")  # type: ignore[arg-type]
        area = product(list(kernel))
        made = {
            "weight": Weight(
                (self.filters, part, *kernel),
                self.init,
                fan_in=part * area,
                fan_out=self.filters * area,
            )
        }
        if self.bias:
            made["bias"] = Weight((self.filters,), Zeros(), decay=False)
        if self.weight_norm:
            made["scale"] = Weight((self.filters,), RowLengths(), decay=False)
        return made

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """Zeros stand in the padding that a window reaches."""
        (x,) = inputs
        return window_rule(self, x.rank - 1, ragged_axis(x) - 1, "zero")

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """2 * C / groups * kernel for every output."""
        shape = self.weights(*inputs)["weight"].shape
        return product(outputs[0].shape) * (2 * product(shape[1:]) + (1 if self.bias else 0))


def conv_shape(op: Any, sizes: Shape) -> Shape:
    """The spatial sizes after a window with kernel, stride, padding and dilation went over."""
    axes = len(sizes)
    kernel = per_axis(op.kernel, axes, "kernel")
    stride = per_axis(op.stride, axes, "stride")
    dilation = per_axis(getattr(op, "dilation", 1), axes, "dilation")
    mirrored = getattr(op, "padding_mode", "") == "reflect"
    if op.padding in ("same", "replicate"):
        for n, k, s, d in zip(sizes, kernel, stride, dilation):
            if mirrored and isinstance(n, int):
                _check_reflect(n, *same_padding(n, k, s, d))
        return tuple(same_output(n, s) for n, s in zip(sizes, stride))
    if op.padding == "causal":
        pads: tuple[tuple[int, int], ...] = ((dilation[0] * (kernel[0] - 1), 0),)
    else:
        pads = explicit_padding(op.padding, axes)
    shape = []
    for n, k, s, d, (low, high) in zip(sizes, kernel, stride, dilation, pads):
        if mirrored and isinstance(n, int):
            _check_reflect(n, low, high)
        shape.append(window_output(n, k, s, d, low, high))
    return tuple(shape)


def window_rule(op: Any, axes: int, place: int, fill: str) -> Padding:
    """What a window does about padding along spatial axis number `place` of so many.

    Only a window that reaches past the end sees padding: `fill` is what it finds there. A place
    of the result is real if all of its window is, apart from what the layer adds at the borders.
    """
    kernel = per_axis(op.kernel, axes, "kernel")[place]
    stride = per_axis(op.stride, axes, "stride")[place]
    dilation = per_axis(getattr(op, "dilation", 1), axes, "dilation")[place]
    reach = dilation * (kernel - 1) + 1
    low, high = reach - 1, 0
    if op.padding in ("same", "replicate"):
        low, high = same_padding(0, kernel, 1, dilation)
    elif op.padding != "causal":
        low, high = explicit_padding(op.padding, axes)[place]
    offset = reach - 1 - int(low) - int(high)
    return Padding(
        fill=fill if high else "",
        skips=int(max(offset, 0)),
        step=int(stride),
        before=int(max(-offset, 0)),
    )


def check_same(op: Any, axes: int, place: int) -> None:
    """Refuses `same` with a stride along a padded axis: its windows depend on the length."""
    if op.padding == "same" and per_axis(op.stride, axes, "stride")[place] != 1:
        raise Refusal(
            "can't place the windows of `same` with a stride along a padded axis: where they are "
            "would depend on the longest sequence of the batch",
            setting="padding",
            help="write the padding as a number",
        )


def _check_reflect(size: int, low: int, high: int) -> None:
    if max(low, high) >= size:
        raise Refusal(
            f"can't mirror {int(max(low, high))} elements of an axis of {int(size)}",
            setting="padding",
        )


class ConvTranspose(
    Layer,
    name="conv_transpose",
    aliases=(
        "convtranspose",
        "convtranspose1d",
        "convtranspose2d",
        "convtranspose3d",
        "conv2dtranspose",
        "conv_transpose2d",
        "deconv",
        "deconvolution",
    ),
):
    """The transpose of `conv`: every input element stamps its window onto a larger output.

    y[i * stride + k] = sum of w[k] * x[i].

    An axis of n gives (n - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 +
    output_padding. `padding=same` gives n * stride: the full result is cut at
    (kernel - stride) // 2, and filled up with zeros when the kernel is smaller than the stride.
    """

    filters: int = param(COUNT, "number of output channels")
    kernel: Any = param(SizeUpTo(1), "size of the window")
    stride: Any = param(SizeUpTo(1), "step between the stamps", 1)
    padding: Any = param(PaddingKind("same"), "what is cut off at the borders", 0)
    output_padding: Any = param(SizeUpTo(0), "what is added after the end", 0)
    dilation: Any = param(SizeUpTo(1), "distance between the window's elements", 1)
    groups: int = param(COUNT, "number of groups", 1)
    bias: bool = param(Bool(), "whether to add a learned number to each channel", True)
    init: Initializer = param(Made("initializer"), "how the windows start", GlorotUniform(gain=1.0))

    samples = (
        Sample({"filters": 4, "kernel": 2, "stride": 2}, ((3, 5, 6),)),
        Sample({"filters": 4, "kernel": 4, "stride": 2, "padding": 1, "bias": False}, ((3, 5, 6),)),
        Sample(
            {"filters": 4, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1},
            ((3, 5, 6),),
        ),
        Sample({"filters": 4, "kernel": 3, "stride": 2, "padding": "same"}, ((3, 5, 6),)),
        Sample({"filters": 4, "kernel": 4, "stride": 2, "padding": "same"}, ((3, 5, 6),)),
        Sample({"filters": 4, "kernel": 2, "stride": 3, "padding": "same"}, ((3, 5, 6),)),
        Sample({"filters": 4, "kernel": 3, "padding": (1, 0), "groups": 2}, ((2, 5, 6),)),
        Sample({"filters": 4, "kernel": 3, "dilation": 2}, ((2, "T"),)),
        Sample({"filters": 2, "kernel": 2, "stride": 2}, ((2, 2, 3, 4),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[C, n…] -> [filters, n'…]."""
        (x,) = inputs
        axes = check_spatial(x)
        if x.ragged:
            raise Refusal(f"takes values of one length, and got {x}, which is padded")
        channels = known_dim(x.shape[0], "the number of channels")
        _divide(channels, self.groups, "channels")
        _divide(known_dim(self.filters, "`filters`"), self.groups, "filters")
        kernel, stride, dilation, extra = self.spread(axes)
        if self.padding == "same":
            shape: list[Dim] = [n * s for n, s in zip(x.shape[1:], stride)]
            return retype(x, (self.filters, *shape), kind=CHANNELS_FIRST)
        pads = explicit_padding(self.padding, axes)
        shape = []
        for n, k, s, d, (low, high), more in zip(
            x.shape[1:], kernel, stride, dilation, pads, extra
        ):
            if more and more >= max(s, d):
                raise Refusal(
                    "has to stay below the stride or the dilation", setting="output_padding"
                )
            size = (n - 1) * s + (d * (k - 1) + 1 + more - low - high)
            if isinstance(size, int) and size < 1:
                raise Refusal(f"cuts off all of an axis of {n}", setting="padding")
            shape.append(size)
        return retype(x, (self.filters, *shape), kind=CHANNELS_FIRST)

    def spread(self, axes: int) -> tuple[tuple[int, ...], ...]:
        """Kernel, stride, dilation and output padding for each axis."""
        names = ("kernel", "stride", "dilation", "output_padding")
        return tuple(per_axis(getattr(self, name), axes, name) for name in names)

    def check(self) -> None:
        """Refuses `same` with what it does not define, and cuts that differ at both ends."""
        if self.padding == "same" and self.output_padding != 0:
            raise Refusal("goes without `padding=same`", setting="output_padding")
        if isinstance(self.padding, tuple) and any(
            isinstance(p, tuple) and p[0] != p[1] for p in self.padding
        ):
            raise Refusal("cuts the same at both ends of an axis", setting="padding")

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (C, filters / groups, *kernel), bias (filters,)."""
        (x,) = inputs
        kernel = per_axis(self.kernel, x.rank - 1, "kernel")
        part, area = _divide(self.filters, self.groups, "filters"), product(list(kernel))
        made = {
            "weight": Weight(
                (x.shape[0], part, *kernel),
                self.init,
                fan_in=part * area,
                fan_out=x.shape[0] * area,
            )
        }
        if self.bias:
            made["bias"] = Weight((self.filters,), Zeros(), decay=False)
        return made

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """2 * filters / groups * kernel for every input."""
        shape = self.weights(*inputs)["weight"].shape
        extra = product(outputs[0].shape) if self.bias else 0
        return 2 * product(inputs[0].shape) * product(shape[1:]) + extra
