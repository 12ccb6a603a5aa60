"""Layers that take an axis away."""

from __future__ import annotations

from typing import Any, ClassVar

from bmc.ops.axes import (
    AXIS,
    Optional,
    axis_of,
    common_ragged,
    ragged_axis,
    retype,
)
from bmc.ops.base import Layer, Padding, Sample, param, require_float
from bmc.ops.join import spread
from bmc.ops.kinds import Bool, ListOf, OneOf, Refusal, Words
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

_AXIS_OR_BATCH = OneOf(AXIS, Words("batch"))
_AXES = Optional(OneOf(_AXIS_OR_BATCH, ListOf(_AXIS_OR_BATCH)))
_AXES_DOC = "the axis or axes that go, `batch` among them if wanted; all but the batch unless given"
_KEEP_DOC = "whether the axes stay, of size one"


class Reduction(Layer):
    """Base of sums, means and extremes: of one value along axes, of several element by element."""

    axis: Any
    keep: bool
    inputs: ClassVar[tuple[int, int | None]] = (1, None)
    fill: ClassVar[str] = ""  # what stands in padding
    counts: ClassVar[bool] = False  # whether it divides by how many there are
    spreads: ClassVar[bool] = False  # whether one number by itself has none
    whole: ClassVar[bool] = False  # whether whole numbers have one, too
    padding_counts: ClassVar[bool] = False  # whether there is no rule that leaves padding out

    def axes(self, x: TensorType) -> tuple[tuple[int, ...], bool]:
        """The axes that go, from the front, and whether the batch goes too."""
        if self.axis is None:
            return tuple(range(x.rank)), False
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        numbers = tuple(sorted(axis_of(x, axis) for axis in given if axis != "batch"))
        batch = any(axis == "batch" for axis in given)
        if len(numbers) + batch != len(given) or len(set(numbers)) != len(numbers) or not given:
            raise Refusal("names an axis twice or none", setting="axis")
        if batch and not x.batched:
            raise Refusal(
                "has no batch here: the value is the same for all samples", setting="axis"
            )
        return numbers, batch

    def infer(self, *inputs: TensorType) -> TensorType:
        """[a, b] -> [b] for axis 0; several values give their common shape."""
        if len(inputs) > 1:
            return self._several(inputs)
        (x,) = inputs
        if not (self.whole and x.dtype == "int" and not x.ragged):
            require_float(x)
        axes, batch = self.axes(x)
        if self.spreads and not axes and not batch:
            raise Refusal(f"needs an axis to go along, and got {x}")
        if batch and self.keep:
            raise Refusal(
                "can't keep the batch: what is the same for all samples has none",
                setting="keep",
                help="leave `keep` out, or keep the other axes in a step before",
            )
        over = x.ragged and ragged_axis(x) in axes
        if x.ragged and ((self.padding_counts and over) or (batch and not over)):
            raise Refusal(f"can't leave out the padding of {x}", setting="axis")
        if self.keep:
            shape = tuple(1 if axis in axes else dim for axis, dim in enumerate(x.shape))
        else:
            shape = tuple(dim for axis, dim in enumerate(x.shape) if axis not in axes)
        return TensorType(x.dtype, shape, x.batched and not batch, x.ragged and not over)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """Padding along an axis that goes is not counted."""
        (x, *others) = inputs
        if others or ragged_axis(x) not in self.axes(x)[0]:
            return Padding()
        return Padding(fill=self.fill, reads="length" if self.counts else "")

    def _several(self, inputs: tuple[TensorType, ...]) -> TensorType:
        if self.axis is not None or self.keep:
            raise Refusal(
                f"takes {len(inputs)} values element by element, without `axis`",
                setting="axis",
                help="join them first: `concat` or `stack`",
            )
        for x in inputs:
            require_float(x)
        return TensorType(
            "float",
            spread(inputs, self.name),
            any(x.batched for x in inputs),
            common_ragged(inputs),
        )

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return sum(product(x.shape) for x in inputs)


_SAMPLES = (
    Sample({}, ((3, 4),)),
    Sample({"axis": 0}, (("T", 4),)),
    Sample({"axis": (0, -1), "keep": True}, ((3, 4, 5),)),
)


class Mean(Reduction, name="mean", aliases=("average", "reduce_mean", "avg")):
    """The mean along axes, or of several values. Padding is not counted.

    y = (1 / n) * sum over i of x[i].
    """

    axis: Any = param(_AXES, _AXES_DOC, None)
    keep: bool = param(Bool(), _KEEP_DOC, False)
    fill = "zero"
    counts = True
    samples = (*_SAMPLES, Sample({}, ((3, 4), (3, 4))), Sample({"axis": ("batch", 0)}, ((3, 4),)))


class Sum(Reduction, name="sum", aliases=("reduce_sum", "total")):
    """The sum along axes, or of several values. Padding is not counted.

    y = sum over i of x[i]. Whole numbers have one, too, where nothing is padded.
    """

    axis: Any = param(_AXES, _AXES_DOC, None)
    keep: bool = param(Bool(), _KEEP_DOC, False)
    fill = "zero"
    whole = True
    samples = (
        *_SAMPLES,
        Sample({}, ((3, 4), (3, 4))),
        Sample({"axis": 0}, (("int:9", 5, 2),)),
        Sample({"axis": -1, "keep": True}, (("int:9", 5, 2),)),
    )


class Max(Reduction, name="max", aliases=("maximum", "reduce_max", "amax")):
    """The largest element along axes, or of several values. Padding is not counted.

    y = max over i of x[i].
    """

    axis: Any = param(_AXES, _AXES_DOC, None)
    keep: bool = param(Bool(), _KEEP_DOC, False)
    fill = "lowest"
    samples = (*_SAMPLES, Sample({}, ((3, 4), (3, 4))), Sample({"axis": "batch"}, ((3, 4),)))


class Min(Reduction, name="min", aliases=("minimum", "reduce_min", "amin")):
    """The least element along axes, or of several values. Padding is not counted.

    y = min over i of x[i].
    """

    axis: Any = param(_AXES, _AXES_DOC, None)
    keep: bool = param(Bool(), _KEEP_DOC, False)
    fill = "highest"
    samples = (*_SAMPLES, Sample({}, ((3, 4), (3, 4))))


class Variance(Reduction, name="variance", aliases=("var",)):
    """The mean squared distance from the mean along axes; divides by n.

    y = mean((x - mean(x)) ** 2).
    """

    axis: Any = param(_AXES, _AXES_DOC, None)
    keep: bool = param(Bool(), _KEEP_DOC, False)

    inputs = (1, 1)
    spreads = True
    padding_counts = True
    samples = _SAMPLES


class Deviation(Reduction, name="deviation", aliases=("std", "stddev", "standard_deviation")):
    """The square root of `variance`. y = sqrt(mean((x - mean(x)) ** 2))."""

    axis: Any = param(_AXES, _AXES_DOC, None)
    keep: bool = param(Bool(), _KEEP_DOC, False)

    inputs = (1, 1)
    spreads = True
    padding_counts = True
    samples = _SAMPLES


class Last(Layer, name="last", aliases=("final", "last_step")):
    """The final state of a sequence: [T, D] -> [D].

    y = x[T - 1].

    Of a padded sequence it is the last step that is not padding. After a bidirectional layer it
    joins the forward half at that step with the backward half at the first step, where the
    backward direction ends; `dropout` between does not matter, other layers make it a plain last
    step.
    """

    axis: int = param(AXIS, "the axis of the steps", 0)

    samples = (
        Sample({}, ((5, 3),)),
        Sample({}, (("T", 3),)),
        Sample({"axis": -1}, ((3, 5),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The shape without the axis."""
        (x,) = inputs
        axis = axis_of(x, self.axis)
        return retype(x, (*x.shape[:axis], *x.shape[axis + 1 :]), keep=axis != _padded(x))

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """The last step is where the length says."""
        over = axis_of(inputs[0], self.axis) == ragged_axis(inputs[0])
        return Padding(reads="length" if over else "")


class First(Layer, name="first", aliases=("first_step",)):
    """The first step of a sequence: [T, D] -> [D]."""

    axis: int = param(AXIS, "the axis of the steps", 0)

    samples = (Sample({}, ((5, 3),)), Sample({"axis": 1}, ((3, "T"),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The shape without the axis."""
        (x,) = inputs
        axis = axis_of(x, self.axis)
        return retype(x, (*x.shape[:axis], *x.shape[axis + 1 :]), keep=axis != _padded(x))


def _padded(x: TensorType) -> int | None:
    return ragged_axis(x) if x.ragged else None


class Argmax(Layer, name="argmax", aliases=("arg_max",)):
    """Where the largest element of an axis is; the first of several alike.

    y = the least i for which x[i] = max(x).
    """

    axis: int = param(AXIS, "the axis that goes", -1)

    samples = (Sample({}, ((3, 5),)), Sample({"axis": 0}, ((5, 3),)), Sample({}, (("T", 4),)))

    def infer(self, *inputs: TensorType) -> TensorType:
        """float[..., n] -> int[...]."""
        (x,) = inputs
        if x.dtype == "bool":
            raise Refusal(f"takes numbers, and got {x}")
        axis = axis_of(x, self.axis)
        over = x.ragged and ragged_axis(x) == axis
        if over:
            raise Refusal("can't search a padded axis", setting="axis")
        return TensorType(
            "int", (*x.shape[:axis], *x.shape[axis + 1 :]), x.batched, x.ragged and not over
        )


class CumulativeSum(Layer, name="cumulative_sum", aliases=("cumsum",)):
    """The sum of each element and those before it along an axis. y[i] = x[0] + … + x[i]."""

    axis: int = param(AXIS, "the axis", 0)

    samples = (
        Sample({}, ((5, 3),)),
        Sample({"axis": -1}, (("T", 4),)),
        Sample({}, (("int:9", 5),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same shape."""
        (x,) = inputs
        if x.dtype != "int" or x.ragged:
            require_float(x)
        axis_of(x, self.axis)
        return retype(x, x.shape)

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every element."""
        return product(inputs[0].shape)
