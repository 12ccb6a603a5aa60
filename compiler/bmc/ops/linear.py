"""Dense layers."""

from __future__ import annotations

from typing import Any

from bmc.ops.arithmetic import broadcast
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
from bmc.ops.base import Initializer, Layer, Sample, Weight, param, require_float
from bmc.ops.initializers import Constant, GlorotUniform, RowLengths, Zeros
from bmc.ops.kinds import Bool, Made, Refusal, SharedWeight, WeightRef
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType, show_shape

WEIGHT_NORM = "whether the weight's rows have learned lengths"


def check_weight_norm(layer: Any) -> None:
    """Refuses rows that start without a length."""
    start = layer.init
    if (
        layer.weight_norm
        and isinstance(start, Zeros | Constant)
        and not start.values().get("value")
    ):
        raise Refusal("needs rows that start with a length", setting="weight_norm")


class Dense(Layer, name="dense", aliases=("linear", "fc", "fully_connected", "affine", "gemm")):
    """A weighted sum of one axis, the last unless told otherwise: y = x W^T + b.

    Works on inputs of any rank; every other axis is kept. With `weight=embed.weight` the
    matrix is another layer's, as when a language model's head is tied to its embedding. With
    `weight_norm` the rows of W are scale * weight / |weight|, which learns their lengths apart from
    their directions (Salimans & Kingma 2016).
    """

    units: int = param(COUNT, "size of the axis afterwards")
    bias: bool = param(Bool(), "whether to add a learned vector", True)
    weight: SharedWeight | None = param(Optional(WeightRef()), "a matrix of another layer", None)
    axis: int = param(AXIS, "the axis that is summed over", -1)
    init: Initializer = param(Made("initializer"), "how the matrix starts", GlorotUniform(gain=1.0))
    weight_norm: bool = param(Bool(), WEIGHT_NORM, False)

    says_shape = True
    samples = (
        Sample({"units": 4}, ((8,),)),
        Sample({"units": 4, "weight_norm": True}, ((8,),)),
        Sample({"units": 5, "axis": 0, "bias": False, "weight_norm": True}, ((8, 3),)),
        Sample({"units": 4, "bias": False}, ((3, 8),)),
        Sample({"units": 5, "axis": 0}, ((8, 3),)),
        Sample({"units": 5, "axis": -2, "bias": False}, ((2, 8, 3),)),
        Sample({"units": 4}, (("T", 8),)),
        Sample({"units": 4, "init": Zeros()}, ((8,),)),
    )

    def check(self) -> None:
        """Refuses a norm of what is not its own, or has no length."""
        check_weight_norm(self)
        if self.weight_norm and self.weight is not None:
            raise Refusal("is of the layer's own matrix, not of another's", setting="weight_norm")

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., in] -> [..., units]."""
        (x,) = inputs
        require_float(x)
        if x.rank == 0:
            raise Refusal(f"takes an input with an axis to sum over, and got {x}")
        axis = axis_of(x, self.axis)
        if x.ragged and axis == ragged_axis(x):
            raise Refusal("can't sum over a padded axis: its length is not fixed", setting="axis")
        size = known_dim(x.shape[axis], "the size of its axis")
        known_dim(self.units, "`units`")
        if self.weight is not None and self.weight.shape != (self.units, size):
            raise Refusal(
                f"needs a weight of shape {show_shape((self.units, size))}, and "
                f"`{self.weight.name}` is {show_shape(self.weight.shape)}",
                setting="weight",
            )
        kind = "sequence" if x.kind in ("sequence", "bidirectional") else ""
        return retype(x, replace_axis(x.shape, axis, self.units), kind=kind)

    def weights(self, *inputs: TensorType) -> dict[str, Weight]:
        """weight (units, in), bias (units,), scale (units,) of a weight norm."""
        size = inputs[0].shape[axis_of(inputs[0], self.axis)]
        made: dict[str, Weight] = {}
        if self.weight is None:
            made["weight"] = Weight((self.units, size), self.init, fan_in=size, fan_out=self.units)
        if self.bias:
            made["bias"] = Weight((self.units,), Zeros(), decay=False)
        if self.weight_norm:
            made["scale"] = Weight((self.units,), RowLengths(), decay=False)
        return made

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """2 * in for every output."""
        size = inputs[0].shape[axis_of(inputs[0], self.axis)]
        return product(outputs[0].shape) * (2 * size + (1 if self.bias else 0))


class MatMul(
    Layer, name="matmul", aliases=("mat_mul", "matrix_multiply", "bmm", "batch_dot", "batch_matmul")
):
    """The product of two matrices, or of many: y = a b, [..., n, k], [..., k, m] -> [..., n, m].

    The last two axes make up a matrix, which may be transposed first; the axes before them are
    matched as in arithmetic. `(q, k) -> matmul(transpose_b=true)` compares all rows of q with
    all of k.
    """

    transpose_a: bool = param(Bool(), "whether a is [..., k, n]", False)
    transpose_b: bool = param(Bool(), "whether b is [..., m, k]", False)

    inputs = (2, 2)
    says_shape = True
    samples = (
        Sample({}, ((3, 4), (4, 5))),
        Sample({"transpose_b": True}, (("T", 4), (6, 4))),
        Sample({"transpose_a": True}, ((2, 4, 3), (2, 4, 5))),
        Sample({"transpose_a": True, "transpose_b": True}, ((4, 3), (2, 5, 4))),
        Sample({}, ((2, 3, 4), (1, 4, 5))),
        Sample({"transpose_b": True}, (("T", 4), ("T", 4))),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., n, k], [..., k, m] -> [..., n, m]."""
        a, b = inputs
        for x in inputs:
            require_float(x)
            if x.rank < 2:
                raise Refusal(f"takes values with two axes or more, and got {x}")
        rows, left = self._sizes(a, self.transpose_a)
        right, columns = self._sizes(b, self.transpose_b)
        if left != right:
            raise Refusal(
                f"sums over axes of one size, and got {left} of {a} and {right} of {b}",
                help="see `transpose_a` and `transpose_b`",
            )
        stays = a.rank == 2 and not self.transpose_a  # the axis that padding may be on
        if b.ragged or (a.ragged and not stays):
            raise Refusal("would sum over padding, or leave it where it can't be told")
        front = broadcast(
            TensorType("float", a.shape[:-2]), TensorType("float", b.shape[:-2]), "matmul"
        )
        if a.ragged and front:
            raise Refusal("would leave padding where it can't be told")
        kind = "sequence" if a.ragged else ""
        batched = a.batched or b.batched
        return TensorType("float", (*front, rows, columns), batched, a.ragged, kind)

    def _sizes(self, x: TensorType, transposed: bool) -> tuple[Dim, Dim]:
        rows, columns = x.shape[-2:]
        return (columns, rows) if transposed else (rows, columns)

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """2 k for every output."""
        size = self._sizes(inputs[0], self.transpose_a)[1]
        return product(outputs[0].shape) * (2 * size)
