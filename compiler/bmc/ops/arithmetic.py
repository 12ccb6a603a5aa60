"""The operators of the language: arithmetic, comparison and indexing on tensors.

The elaborator makes these; they have no name that a spec can call.
"""

from __future__ import annotations

from typing import Any

from bmc.ops.axes import Number, Optional, common_ragged, ragged_axis, retype
from bmc.ops.base import Layer, Padding, Sample, param
from bmc.ops.kinds import Kind, Refusal, Words
from bmc.types.symbolic import Dim, Sym, plainer, product
from bmc.types.tensor import TensorType, show_shape

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class _Anything(Kind):
    description = "an index"

    def convert(self, value: Any) -> Any:
        """The value as it is; the elaborator has checked it."""
        return value


class _Operator(Words):
    def convert(self, value: Any) -> Any:
        """The operator's sign."""
        if value in self.choices:
            return value
        raise Refusal(f"expected an operator, found {value!r}")


def broadcast(left: TensorType, right: TensorType, operation: str) -> tuple[Dim, ...]:
    """The shape of an element-by-element operation: axes are matched from the last backwards.

    An axis of size 1 stretches. Raises `Refusal` where two sizes differ.
    """
    short, long = sorted((left.shape, right.shape), key=len)
    shape = list(long[: len(long) - len(short)])
    for a, b in zip(long[len(long) - len(short) :], short):
        if a != b and a != 1 and b != 1:
            raise Refusal(
                f"shapes {show_shape(left.shape)} and {show_shape(right.shape)} "
                f"do not match in `{operation}`"
            )
        shape.append(b if a == 1 else a if b == 1 else plainer(a, b))
    return tuple(shape)


class Arithmetic(Layer, name="arithmetic"):
    """Element by element arithmetic or comparison of two tensors, or of a tensor and a number.

    Sizes are matched from the last axis backwards; an axis of size 1 stretches.
    """

    sign = "x + y"
    words = {"+": "sum", "-": "difference", "*": "product", "/": "quotient", "**": "power"}

    operator: str = param(_Operator("+", "-", "*", "/", "//", "%", "**", *COMPARISONS), "the sign")
    left: Any = param(Optional(Number()), "the number on the left, if it is one", default=None)
    right: Any = param(Optional(Number()), "the number on the right, if it is one", default=None)

    inputs = (1, 2)
    samples = (
        Sample({"operator": "+"}, ((3, 4), (3, 4))),
        Sample({"operator": "*"}, ((3, 4), (1, 4))),
        Sample({"operator": "-"}, ((3, 4), (4,))),
        Sample({"operator": "/"}, ((3, 4), (3, 4))),
        Sample({"operator": "*", "left": 2.0}, ((3, 4),)),
        Sample({"operator": "**", "right": 2.0}, ((3, 4),)),
        Sample({"operator": "-", "left": 1.0}, ((3, 4),)),
        Sample({"operator": ">", "right": 0.0}, ((3, 4),)),
    )

    @property
    def attribute(self) -> str:  # type: ignore[override]
        """`sum` for `+`, and so on."""
        return self.words.get(self.operator, "comparison")

    def infer(self, *inputs: TensorType) -> TensorType:
        """The broadcast shape; comparisons give bools, `/` and floats give floats."""
        first, last = inputs[0], inputs[-1]
        shape = broadcast(first, last, self.operator) if len(inputs) == 2 else first.shape
        number = self.left if self.left is not None else self.right
        kinds = {x.dtype for x in inputs}
        if "bool" in kinds and (self.operator not in ("==", "!=") or number is not None):
            raise Refusal(
                f"`{self.operator}` takes numbers, and got {first} and {last}",
                help="use `cast(float)`",
            )
        if self.operator in COMPARISONS:
            dtype = "bool"
        elif "float" in kinds or self.operator == "/" or isinstance(number, float):
            dtype = "float"
        else:
            dtype = "int"
        return TensorType(
            dtype,  # type: ignore[arg-type]
            shape,
            batched=any(x.batched for x in inputs),
            ragged=common_ragged(inputs),
            kind=_layout(inputs, len(shape)),
        )

    def flops(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Dim:
        """One for each element."""
        return product(outputs[0].shape)


def _layout(inputs: tuple[TensorType, ...], rank: int) -> str:
    """Where channels are, if all values of full rank agree."""
    kinds = {x.kind for x in inputs if x.rank == rank}
    kind = kinds.pop() if len(kinds) == 1 else ""
    return kind if kind in ("channels_first", "sequence") else ""


class Negate(Layer, name="negate"):
    """`-x`: every element with its sign turned. y = -x."""

    sign = "-x"
    samples = (Sample({}, ((3, 4),)),)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The same type."""
        (x,) = inputs
        if x.dtype == "bool":
            raise Refusal(f"`-` takes numbers, and got {x}", help="use `not` or `cast(float)`")
        return retype(x, x.shape, kind=_layout(inputs, x.rank))


class Take(Layer, name="index"):
    """`x[0]`, `x[a..b]`, `x[.., 0]`: a position (its axis goes) or a range along each axis.

    y = x[i], x[a], …, x[b - 1].

    `items` holds one entry for each axis from the first: an int (negative counts from the end),
    a `(start, stop)` pair with None for an open end, or `...` for all axes between.
    """

    sign = "x[0]"
    items: tuple[Any, ...] = param(_Anything(), "positions and ranges")

    samples = (
        Sample({"items": (0,)}, ((3, 4),)),
        Sample({"items": (-1,)}, ((3, 4),)),
        Sample({"items": ((1, 3),)}, ((3, 4),)),
        Sample({"items": (..., 0)}, ((3, 4),)),
        Sample({"items": (..., (None, 2))}, ((3, 4),)),
    )

    def expanded(self, rank: int) -> tuple[Any, ...]:
        """`items` with one entry for each of `rank` axes."""
        explicit = [item for item in self.items if item is not ...]
        if len(explicit) > rank:
            raise Refusal(f"has {len(explicit)} positions for {rank} axes")
        fill = [(None, None)] * (rank - len(explicit))
        if ... in self.items:
            at = self.items.index(...)
            before, after = list(self.items[:at]), list(self.items[at + 1 :])
            return tuple(before + fill + after)
        return tuple(explicit + fill)

    def settled(self, x: TensorType) -> tuple[Any, ...]:
        """`expanded`, ends of free size counted from the end of their axis: `T - 1` is -1."""
        found: list[Any] = []
        for size, item in zip(x.shape, self.expanded(x.rank)):
            if isinstance(item, tuple):
                start, stop = item
                open_end = isinstance(stop, Sym) and stop == size
                stop = None if open_end else _from_end(stop, size)
                found.append((_from_end(start, size), stop))
            else:
                found.append(_from_end(item, size))
        return tuple(found)

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type without the indexed axes."""
        (x,) = inputs
        shape: list[Dim] = []
        items = self.expanded(x.rank)
        self.settled(x)
        if x.kind == "bidirectional" and items[0] == -1:
            raise Refusal(
                "takes the backward direction's first state at the last step",
                help="write `-> last`, which takes both final states",
            )
        if x.ragged:
            _check_padded(items[ragged_axis(x)])
        for size, item in zip(x.shape, items):
            if not isinstance(item, tuple):
                if isinstance(size, int) and not -size <= item < size:
                    raise Refusal(f"position {item} is outside an axis of size {size}")
                continue
            shape.append(_length(size, item))
        gone = x.ragged and not isinstance(items[ragged_axis(x)], tuple)
        return retype(x, tuple(shape), keep=not gone)

    def padding_rule(self, *inputs: TensorType) -> Padding:
        """The first places may be cut off."""
        (x,) = inputs
        item = self.expanded(x.rank)[ragged_axis(x)]
        return Padding(skips=int(item[0] or 0)) if isinstance(item, tuple) else Padding()


def _from_end(end: Any, size: Dim) -> Any:
    """A position of free size as one that counts from the end of its axis."""
    if not isinstance(end, Sym):
        return end
    apart = end - size
    if not isinstance(apart, int) or apart >= 0:
        raise Refusal(
            f"position {end} of an axis of size {size} is known only when the program runs",
            help="count from the ends of the axis itself, as in `x[1..]` or `x[0..-1]`",
        )
    return int(apart)


def _check_padded(item: Any) -> None:
    """Refuses what would count from the end of the padding."""
    if not isinstance(item, tuple):
        if isinstance(item, int) and item < 0:
            raise Refusal("can't count from the end of a padded axis", help="write `-> last`")
        return
    start, stop = item
    if stop is not None or (isinstance(start, int) and start < 0):
        raise Refusal("can't cut the end off a padded axis", help="leave the end open: `x[1..]`")


def _length(size: Dim, item: tuple[Any, Any]) -> Dim:
    start, stop = item
    start = 0 if start is None else start
    stop = size if stop is None else stop
    start = size + start if isinstance(start, int) and start < 0 else start
    stop = size + stop if isinstance(stop, int) and stop < 0 else stop
    length: Dim = stop - start
    inside = not isinstance(size, int) or not isinstance(stop, int) or stop <= size
    if not inside or (isinstance(length, int) and length < 1):
        raise Refusal(f"the range {start}..{stop} does not fit an axis of size {size}")
    return length
