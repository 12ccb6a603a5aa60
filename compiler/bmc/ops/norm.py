"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from bmc.ops.axes import (
    AXIS,
    COUNT,
    Optional,
    axis_of,
    known_dim,
    ragged_axis,
    replace_axis,
    retype,
)
from bmc.ops.base import (
    Layer,
    Padding,
    Sample,
    Weight,
    param,
    require_batch,
    require_float,
    require_rank,
)
from bmc.ops.initializers import Ones, Zeros
from bmc.ops.kinds import Bool, Float, ListOf, OneOf, Refusal
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import Shape, TensorType

_EPSILON = Float(above=0, max=1)
_EPSILON_DOC = "added to the variance"
_AFFINE_DOC = "whether to scale and shift by learned numbers afterwards"
FEATURES_LAST = ("sequence", "bidirectional")


def _affine(size: Shape, bias: bool = True) -> dict[str, Weight]:
    made = {"weight": Weight(size, Ones(), decay=False)}
    if bias:
        made["bias"] = Weight(size, Zeros(), decay=False)
    return made


class _Norm(Layer):
    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """About eight for every element."""
        return 8 * product(inputs[0].shape)


class BatchNorm(
    _Norm,
    name="batch_norm",
    aliases=("batchnorm", "batchnorm1d", "batchnorm2d", "batchnormalization", "bn"),
):
    """Normalises each channel by its mean and variance over the batch and all other axes.

    y = (x - mean) / sqrt(var + epsilon) * weight + bias. While training these are the batch's
    (the variance divides by n) and running ones are kept: running = decay * running +
    (1 - decay) * batch, for the variance too; otherwise the running ones are used
    (Ioffe & Szegedy 2015). Of a padded value only what is not padding counts.

    Channels come first: [C], [C, T], [C, H, W]. For features last say `axis=-1`.
    """

    decay: float = param(Float(min=0, below=1), "weight of the old running statistics", 0.9)
    epsilon: float = param(_EPSILON, _EPSILON_DOC, 1e-5)
    axis: int | None = param(Optional(AXIS), "the channel axis; the first unless given", None)
    affine: bool = param(Bool(), _AFFINE_DOC, True)

    attribute = "norm"
    samples = (
        Sample({}, ((3, 4, 5),)),
        Sample({"decay": 0.99, "epsilon": 1e-3}, ((3, 4, 5),)),
        Sample({}, ((6,),)),
        Sample({"affine": False}, ((3, "T"),)),
        Sample({"axis": -1}, (("T", 5),)),
        Sample({"axis": -1}, ((3, 4, 5),)),
        Sample({}, ((2, 3, 4, 5),)),
    )

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """Padding is no part of the batch's statistics."""
        return Padding(reads="mask")

    def least_rows(self, *inputs: TensorType) -> int:
        """Two where a row may have one number of each channel: a variance needs another."""
        (x,) = inputs
        apart = {self.channel_axis(x), *((ragged_axis(x),) if x.ragged else ())}
        # A padded sequence may have one step that is data.
        return 2 if all(n == 1 for axis, n in enumerate(x.shape) if axis not in apart) else 1

    def channel_axis(self, x: TensorType) -> int:
        """The channel axis, from the front."""
        return 0 if self.axis is None else axis_of(x, self.axis)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        require_rank(x, (1, 2, 3, 4), "[C], [C, T] or [C, H, W]")
        last = x.kind in FEATURES_LAST or not isinstance(x.shape[0], int)
        if self.axis is None and x.rank > 1 and last:
            raise Refusal(
                f"takes channels first, and got {x} with features last",
                help="write `batch_norm(axis=-1)`, or `layer_norm`",
            )
        axis = self.channel_axis(x)
        known_dim(x.shape[axis], "the number of channels")
        require_batch(x)
        return retype(x, x.shape, kind=x.kind)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight, bias, running_mean, running_var: all (C,)."""
        size = (inputs[0].shape[self.channel_axis(inputs[0])],)
        made = _affine(size) if self.affine else {}
        made["running_mean"] = Weight(size, Zeros(), trainable=False, decay=False)
        made["running_var"] = Weight(size, Ones(), trainable=False, decay=False)
        return made


class _OverAxes(_Norm):
    """Base of norms over given axes of each sample."""

    axis: Any

    def axes(self, x: TensorType) -> tuple[int, ...]:
        """The axes that are normalised over, from the front, in order."""
        given = (
            self.axis if isinstance(self.axis, tuple) else (-1 if self.axis is None else self.axis,)
        )
        axes = sorted(axis_of(x, axis) for axis in given)
        if len(set(axes)) != len(axes) or not axes:
            raise Refusal("names an axis twice or none", setting="axis")
        return tuple(axes)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        if x.rank == 0:
            raise Refusal(f"takes an input with axes, and got {x}")
        if self.axis is None and x.kind == "channels_first" and x.rank > 1:
            raise Refusal(
                f"works on the last axis, and got {x} with channels first",
                help=f"write `{self.name}(axis=0)` to normalise over the channels",
            )
        for axis in self.axes(x):
            known_dim(x.shape[axis], "the size of its axis")
        kind = x.kind if self.axis is not None else _last_kind(x)
        return retype(x, x.shape, kind=kind)


def _last_kind(x: TensorType) -> str:
    return x.kind if x.kind in FEATURES_LAST else ("sequence" if x.rank > 1 else "")


_AXES = Optional(OneOf(AXIS, ListOf(AXIS)))
_AXES_DOC = "the axis or axes to normalise over; the last unless given"


class LayerNorm(
    _OverAxes, name="layer_norm", aliases=("layernorm", "layernormalization", "layer_normalization")
):
    """Normalises each position by the mean and variance of its features.

    y = (x - mean) / sqrt(var + epsilon) * weight + bias, over the last axis unless told
    otherwise; the variance divides by n (Ba et al. 2016).
    """

    epsilon: float = param(_EPSILON, _EPSILON_DOC, 1e-5)
    axis: Any = param(_AXES, _AXES_DOC, None)
    affine: bool = param(Bool(), _AFFINE_DOC, True)
    bias: bool = param(Bool(), "whether there is a shift when there is a scale", True)

    samples = (
        Sample({}, ((3, 8),)),
        Sample({"epsilon": 1e-6}, (("T", 8),)),
        Sample({"bias": False}, ((8,),)),
        Sample({"affine": False}, ((3, 8),)),
        Sample({"axis": 0}, ((3, 4, 5),)),
        Sample({"axis": (0, 1, 2)}, ((3, 4, 5),)),
        Sample({"axis": (1, 2)}, (("T", 4, 5),)),
    )

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight and bias, of the sizes normalised over."""
        if not self.affine:
            return {}
        return _affine(tuple(inputs[0].shape[a] for a in self.axes(inputs[0])), self.bias)


class RMSNorm(_OverAxes, name="rms_norm", aliases=("rmsnorm", "rms_normalization")):
    """Divides each position by the root mean square of its features.

    y = x / sqrt(mean(x ** 2) + epsilon) * weight (Zhang & Sennrich 2019).
    """

    epsilon: float = param(_EPSILON, "added to the mean square", 1e-6)
    axis: Any = param(_AXES, _AXES_DOC, None)
    affine: bool = param(Bool(), "whether to scale by learned numbers afterwards", True)

    samples = (
        Sample({}, ((3, 8),)),
        Sample({"epsilon": 1e-5}, (("T", 8),)),
        Sample({"affine": False}, ((8,),)),
        Sample({"axis": 0}, ((3, 4, 5),)),
        Sample({"axis": (1, 2)}, ((3, 4, 5),)),
        Sample({"axis": (0, 1)}, ((3, 4, 5),)),
        Sample({"axis": (0, 2), "affine": False}, ((3, 4, 5),)),
    )

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight, of the sizes normalised over."""
        if not self.affine:
            return {}
        return _affine(tuple(inputs[0].shape[a] for a in self.axes(inputs[0])), bias=False)


class GroupNorm(_Norm, name="group_norm", aliases=("groupnorm", "groupnormalization")):
    """Normalises each group of channels over itself and all positions (Wu & He 2018).

    y = (x - mean) / sqrt(var + epsilon) * weight + bias, with channels first: [C, H, W].
    """

    groups: int = param(COUNT, "number of groups", 32)
    epsilon: float = param(_EPSILON, _EPSILON_DOC, 1e-5)
    affine: bool = param(Bool(), _AFFINE_DOC, True)

    samples = (
        Sample({"groups": 2}, ((6, 4, 5),)),
        Sample({"groups": 3, "epsilon": 1e-6}, ((6, "T"),)),
        Sample({"groups": 1, "affine": False}, ((6, 4, 5),)),
        Sample({"groups": 2}, ((6,),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        require_batch(x)
        require_rank(x, (1, 2, 3, 4), "[C, T] or [C, H, W]")
        _refuse_ragged(x)
        channels = known_dim(x.shape[0], "the number of channels")
        if channels % self.groups:
            raise Refusal(
                f"can't split {int(channels)} channels into {int(self.groups)} groups",
                setting="groups",
            )
        if channels == self.groups and all(size == 1 for size in x.shape[1:]):
            raise Refusal(
                f"normalises over groups of numbers, and each of {x} has one", setting="groups"
            )
        return retype(x, x.shape, kind=x.kind)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight, bias: (C,)."""
        return _affine((inputs[0].shape[0],)) if self.affine else {}


class InstanceNorm(
    _Norm, name="instance_norm", aliases=("instancenorm", "instancenorm1d", "instancenorm2d")
):
    """Normalises each channel of each sample over its positions (Ulyanov et al. 2016).

    y = (x - mean) / sqrt(var + epsilon) * weight + bias, mean and var over the positions of a channel.
    """

    epsilon: float = param(_EPSILON, _EPSILON_DOC, 1e-5)
    affine: bool = param(Bool(), _AFFINE_DOC, True)

    samples = (
        Sample({}, ((3, 4, 5),)),
        Sample({"epsilon": 1e-3, "affine": False}, ((3, 9),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        require_batch(x)
        require_rank(x, (2, 3, 4), "[C, T] or [C, H, W]")
        _refuse_ragged(x)
        known_dim(x.shape[0], "the number of channels")
        if all(size == 1 for size in x.shape[1:]):
            raise Refusal(
                f"normalises over positions, and {x} has one",
                help="`layer_norm(axis=0)` normalises over the channels",
            )
        return retype(x, x.shape, kind=x.kind)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight, bias: (C,)."""
        return _affine((inputs[0].shape[0],)) if self.affine else {}


def _refuse_ragged(x: TensorType) -> None:
    if x.ragged:
        raise Refusal(
            f"takes values of one length, and got {x}, padded on axis {ragged_axis(x)}",
            help="normalise with `batch_norm` or `layer_norm`, which leave padding out",
        )


class L2Normalize(
    Layer, name="l2_normalize", aliases=("normalize_l2", "l2norm", "l2_norm", "unit_norm")
):
    """Scales vectors to length one: y = x / max(|x|, epsilon)."""

    axis: int = param(AXIS, "the axis of the vectors", -1)
    epsilon: float = param(Float(above=0, max=1), "least length that is divided by", 1e-12)

    samples = (
        Sample({}, ((3, 8),)),
        Sample({"axis": 0, "epsilon": 1e-6}, ((8, 3),)),
        Sample({}, (("T", 8),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        require_float(x)
        axis = axis_of(x, self.axis)
        if x.ragged and axis == ragged_axis(x):
            raise Refusal("can't measure vectors along a padded axis", setting="axis")
        return retype(x, x.shape, kind=x.kind)

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """Three for every element."""
        return 3 * product(inputs[0].shape)


class InstanceNormWithStats(_Norm, name="instance_norm_with_stats", aliases=("revin", "rev_in")):
    """Standardises each series by its own mean and deviation, and hands both on.

    Gives (y, stats): y = (x - mean) / sqrt(var + epsilon) along `axis`, and stats with that
    axis of size 2, the mean and the deviation. `undo_instance_norm` takes them back
    (Kim et al. 2022, without the learned scale).
    """

    axis: int = param(AXIS, "the axis of time", 0)
    epsilon: float = param(_EPSILON, _EPSILON_DOC, 1e-5)

    samples = (
        Sample({}, ((8, 3),)),
        Sample({"axis": -1, "epsilon": 1e-3}, ((3, 8),)),
        Sample({}, ((8, "C"),)),
    )

    def infer(self, *inputs: TensorType) -> tuple[TensorType, TensorType]:
        """[T, C] -> [T, C] and [2, C]."""
        (x,) = inputs
        require_float(x)
        _refuse_ragged(x)
        axis = axis_of(x, self.axis)
        return retype(x, x.shape, kind=x.kind), retype(x, replace_axis(x.shape, axis, 2))


class UndoInstanceNorm(_Norm, name="undo_instance_norm", aliases=("denormalize", "revin_undo")):
    """Takes `instance_norm_with_stats` back: y * deviation + mean.

    y = x * deviation + mean.

    Takes (y, stats); y may be longer or shorter along `axis` than what was standardised.
    """

    axis: int = param(AXIS, "the axis of time", 0)

    inputs = (2, 2)
    samples = (Sample({}, ((5, 3), (2, 3))), Sample({"axis": -1}, ((3, 5), (3, 2))))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type of y."""
        y, stats = inputs
        require_float(y)
        require_float(stats)
        axis = axis_of(y, self.axis)
        if stats.shape != replace_axis(y.shape, axis, 2):
            raise Refusal(f"got {y} and statistics {stats}, which belong to another shape")
        return retype(y, y.shape, kind=y.kind)
