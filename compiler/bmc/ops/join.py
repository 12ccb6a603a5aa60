"""Layers that make one value of several, or several of one."""

from __future__ import annotations

from typing import Any

from bmc.ops.arithmetic import broadcast
from bmc.ops.axes import (
    AXIS,
    COUNT,
    axis_of,
    common_ragged,
    known_dim,
    ragged_axis,
    replace_axis,
)
from bmc.ops.base import Layer, Padding, Sample, param
from bmc.ops.kinds import ListOf, OneOf, Refusal
from bmc.types.symbolic import Dim, product
from bmc.types.tensor import TensorType

MOST = 256  # values of one sum, product, maximum or minimum


def _common_dtype(inputs: tuple[TensorType, ...]) -> Any:
    kinds = {x.dtype for x in inputs}
    if len(kinds) > 1:
        shown = " and ".join(sorted(kinds))
        raise Refusal(f"takes values of one kind, and got {shown}", help="use `cast(float)`")
    return kinds.pop()


def _common_kind(inputs: tuple[TensorType, ...]) -> str:
    kinds = {x.kind for x in inputs}
    kind = kinds.pop() if len(kinds) == 1 else ""
    return kind if kind in ("channels_first", "sequence") else ""


class Concat(Layer, name="concat", aliases=("concatenate", "cat", "join")):
    """Puts values one after the other along an axis, the last unless told otherwise.

    y = a, then b, …: [n, …], [m, …] -> [n + m, …].
    """

    axis: int = param(AXIS, "the axis that grows", -1)

    inputs = (1, None)
    samples = (
        Sample({}, ((3,), (4,))),
        Sample({"axis": 0}, ((2, 5, 6), (3, 5, 6), (1, 5, 6))),
        Sample({"axis": 0}, (("T", 4), (2, 4))),
        Sample({"axis": -1}, (("int:9", 3), ("int:9", 2))),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Sizes along the axis add up; all others agree."""
        first = inputs[0]
        if any(x.rank != first.rank for x in inputs):
            shown = ", ".join(map(str, inputs))
            raise Refusal(f"takes values with the same number of axes, and got {shown}")
        if first.rank == 0:
            raise Refusal("takes values with an axis", help="use `stack`")
        axis = axis_of(first, self.axis)
        total: Dim = first.shape[axis]
        others = replace_axis(first.shape, axis, 1)
        for x in inputs[1:]:
            if x.shape != first.shape and replace_axis(x.shape, axis, 1) != others:
                raise Refusal(f"takes values that differ on axis {axis} only: {first} and {x}")
            total = total + x.shape[axis]
        self._check_ragged(inputs, axis)
        return TensorType(
            _common_dtype(inputs),
            replace_axis(first.shape, axis, total),
            any(x.batched for x in inputs),
            any(x.ragged for x in inputs),
            _common_kind(inputs),
        )

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """What comes before a padded value is real."""
        axis, last = axis_of(inputs[0], self.axis), inputs[-1]
        if not last.ragged or ragged_axis(last) != axis:
            return Padding()
        return Padding(before=sum(known_dim(x.shape[axis], "a length") for x in inputs[:-1]))

    def _check_ragged(self, inputs: tuple[TensorType, ...], axis: int) -> None:
        along = [i for i, x in enumerate(inputs) if x.ragged and ragged_axis(x) == axis]
        if not along:
            common_ragged(inputs)
        elif along != [len(inputs) - 1]:
            raise Refusal(
                "would leave padding in the middle", help="put the padded value last, and only one"
            )


class Stack(Layer, name="stack"):
    """Puts values of one shape beside each other along a new axis. [a], [a] -> [2, a]."""

    axis: int = param(AXIS, "the number of the new axis", 0)

    inputs = (1, None)
    samples = (
        Sample({}, ((3,), (3,))),
        Sample({"axis": -1}, ((3, 4), (3, 4), (3, 4))),
        Sample({"axis": 1}, (("T", 4), ("T", 4))),
    )

    def place(self, x: TensorType) -> int:
        """The new axis, from the front."""
        if not -x.rank - 1 <= self.axis <= x.rank:
            raise Refusal(f"can't add axis {int(self.axis)} to {x}", setting="axis")
        return int(self.axis) if self.axis >= 0 else x.rank + 1 + int(self.axis)

    def infer(self, *inputs: TensorType) -> TensorType:
        """n of [a] -> [n, a]."""
        first = inputs[0]
        for x in inputs[1:]:
            if x.shape != first.shape:
                raise Refusal(f"takes values of one shape, and got {first} and {x}")
        axis = self.place(first)
        shape = (*first.shape[:axis], len(inputs), *first.shape[axis:])
        batched = any(x.batched for x in inputs)
        return TensorType(_common_dtype(inputs), shape, batched, common_ragged(inputs))


class Split(Layer, name="split", aliases=("chunk", "unbind")):
    """Cuts an axis into parts: `split(3)` into three alike, `split([1, 8])` into these sizes.

    [n] -> [a], [b], … with a + b + … = n.
    """

    parts: Any = param(OneOf(COUNT, ListOf(COUNT)), "the number of parts, or their sizes")
    axis: int = param(AXIS, "the axis that is cut", -1)

    samples = (
        Sample({"parts": 2}, ((3, 8),)),
        Sample({"parts": (1, 3), "axis": 0}, ((4, 8),)),
        Sample({"parts": 2}, (("T", 8),)),
    )

    def sizes(self, x: TensorType) -> tuple[int, ...]:
        """The size of every part."""
        axis = axis_of(x, self.axis)
        size = x.shape[axis]
        if not isinstance(size, int):
            raise Refusal(f"can't cut the free axis {size}", setting="axis")
        if isinstance(self.parts, tuple):
            if sum(self.parts) != size:
                raise Refusal(
                    f"has parts of {int(sum(self.parts))} for an axis of {int(size)}",
                    setting="parts",
                )
            return self.parts
        if self.parts > 1024:
            raise Refusal("makes at most 1024 parts", setting="parts")
        if size % self.parts:
            raise Refusal(
                f"can't cut an axis of {int(size)} into {int(self.parts)}", setting="parts"
            )
        return (size // self.parts,) * int(self.parts)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """[n] -> [n / parts] each."""
        (x,) = inputs
        axis = axis_of(x, self.axis)
        return tuple(x.with_shape(*replace_axis(x.shape, axis, size)) for size in self.sizes(x))


class Add(Layer, name="add", aliases=("add_n", "plus")):
    """The sum of all values, element by element; sizes are matched as by `+`. y = a + b + …"""

    inputs = (1, None)
    samples = (
        Sample({}, ((3, 4), (3, 4), (3, 4))),
        Sample({}, ((3, 4), (4,))),
        Sample({}, (("T", 4),)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The broadcast shape."""
        shape = spread(inputs, self.name)
        batched = any(x.batched for x in inputs)
        if "bool" in {x.dtype for x in inputs}:
            shown = " and ".join(str(x) for x in inputs)
            raise Refusal(f"takes numbers, and got {shown}", help="use `cast(float)`")
        return TensorType(
            _common_dtype(inputs), shape, batched, common_ragged(inputs), _common_kind(inputs)
        )

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for every addition."""
        return product(outputs[0].shape) * (len(inputs) - 1)


class Multiply(Add, name="multiply", aliases=("mul", "product_of")):
    """The product of all values, element by element; sizes are matched as by `*`.

    y = a * b * …
    """


def spread(inputs: tuple[TensorType, ...], name: str) -> tuple[Dim, ...]:
    """The broadcast shape of all inputs."""
    if len(inputs) > MOST:
        raise Refusal(f"takes at most {MOST} values at once, and got {len(inputs)}")
    total = inputs[0]
    for x in inputs[1:]:
        total = TensorType(total.dtype, broadcast(total, x, name))
    return total.shape


class Gather(Layer, name="gather", aliases=("take", "index_select", "select")):
    """Takes positions by an index: (x, index) gives x[index] along an axis.

    y = x[index].

    An index without axes drops the axis, one of [K] makes it K long. Every sample has its own.
    """

    axis: int = param(AXIS, "the axis that is indexed", 0)

    inputs = (2, 2)
    samples = (
        Sample({}, ((4, 5), ("int:4",))),
        Sample({"axis": -1}, ((3, 5), ("int:5", 2))),
        Sample({}, (("T", 5), ("int:4", 3))),
        Sample({"axis": 1}, ((3, 4, 2), ("int:4",))),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[T, D], int[] -> [D]; [T, D], int[K] -> [K, D]."""
        x, index = inputs
        axis = axis_of(x, self.axis)
        if index.dtype != "int":
            raise Refusal(f"takes whole numbers as an index, and got {index}")
        if index.rank > 1:
            raise Refusal(f"takes an index with no axis or one, and got {index}")
        if not (x.batched and index.batched):
            raise Refusal("takes a value and an index of each sample, and one is the same for all")
        shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
        ragged = index.ragged or (x.ragged and ragged_axis(x) != axis)
        return TensorType(x.dtype, shape, True, ragged)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """A padded index gives a padded result."""
        return Padding(follows=1) if inputs[1].ragged else Padding()
