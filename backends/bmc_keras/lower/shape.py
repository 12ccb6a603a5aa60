"""Moving elements in Keras."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Call, Expr, call
from bmc.emit.values import as_whole
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc.ops.base import per_axis
from bmc.ops.pattern import Pattern
from bmc.types.symbolic import Dim, known, product
from bmc.types.tensor import Shape, TensorType
from bmc_keras.lower.common import axis, reshaped
from bmc_keras.lower.table import lower

MIRRORED = 5  # TensorFlow mirrors arrays of up to five axes, the batch among them
FREE = Unsupported("several axes of free size are not lowered yet")


def _free(shape: Shape) -> int:
    return sum(not known(size) for size in shape)


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`layers.Flatten`; the axes of a part are `layers.Reshape`d."""
    (x,) = site.inputs
    if x.rank == 0:
        return Function(lambda args: call("ops.expand_dims", args[0], -1))
    start = axis_of(x, op.start)
    if start == x.rank - 1:
        return Function(lambda args: args[0])
    if start == 0:
        return Function(lambda args: Call(call("layers.Flatten"), tuple(args)))
    target = (*x.shape[:start], product(x.shape[start:]))
    return FREE if _free(target) > 1 else Function(lambda args: reshaped(args[0], target))


@lower(ops.Reshape)
def reshape(op: ops.Reshape, site: Site) -> Lowered:
    """`layers.Reshape`."""
    return FREE if _free(op.shape) > 1 else Function(lambda args: reshaped(args[0], op.shape))


def _permuted(value: Expr, order: tuple[int, ...]) -> Expr:
    return Call(call("layers.Permute", tuple(place + 1 for place in order)), (value,))


def _spared(pattern: Pattern, last: bool) -> tuple[Pattern, bool]:
    """A pattern for a value in one layout, and whether its result is channels last.

    The result has the layout that spares turning it, if there is one.
    """
    left, right = pattern.left, pattern.right
    left = (*left[1:], *left[:1]) if last else left
    own, turned = Pattern(left, right), Pattern(left, (*right[1:], *right[:1]))
    straight = tuple(range(len(own.names)))
    spares = own.order != straight and len(right) > 1 and turned.order == straight
    return (turned, True) if spares else (own, False)


def _pattern(op: ops.Transpose | ops.Rearrange, x: TensorType) -> tuple[Pattern, dict[str, Dim]]:
    """A rearrangement as one of named axes, and their sizes."""
    if isinstance(op, ops.Rearrange):
        return op.parsed(), op.sizes(x)
    names = tuple(str(place) for place in range(x.rank))
    order = tuple((names[place],) for place in op.axes(x))
    return Pattern(tuple((name,) for name in names), order), dict(zip(names, x.shape))


def _result(op: Any, types: tuple[TensorType, ...], last: bool) -> bool:
    pattern, _ = _pattern(op, types[0])
    return _spared(pattern, last)[1]


@lower(ops.Rearrange, "any", _result)
@lower(ops.Transpose, "any", _result)
def rearrange(op: ops.Transpose | ops.Rearrange, site: Site) -> Lowered:
    """`layers.Reshape`, `layers.Permute` and `layers.Reshape`, as far as each is needed."""
    pattern, sizes = _pattern(op, site.inputs[0])
    apart, order, joined = _spared(pattern, site.last)[0].moves(sizes)
    if _free(apart or ()) > 1 or _free(joined or ()) > 1:
        return FREE

    def build(args: list[Expr]) -> Expr:
        value = args[0]
        value = reshaped(value, apart) if apart is not None else value
        value = _permuted(value, order) if order is not None else value
        return reshaped(value, joined) if joined is not None else value

    return Function(build)


@lower(ops.Squeeze)
def squeeze(op: ops.Squeeze, site: Site) -> Lowered:
    """`ops.squeeze`."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.squeeze", args[0], axis=place))


@lower(ops.Expand)
def expand(op: ops.Expand, site: Site) -> Lowered:
    """`ops.expand_dims`."""
    place = axis(site.inputs[0], op.axis)
    return Function(lambda args: call("ops.expand_dims", args[0], axis=place))


@lower(ops.Pad)
def pad(op: ops.Pad, site: Site) -> Lowered:
    """`ops.pad`; elements are repeated by `ops.take`, which also mirrors those of many axes."""
    (x,) = site.inputs
    place = axis_of(x, op.axis)
    size = x.shape[place]
    if op.mode == "replicate" or (op.mode == "reflect" and x.rank >= MIRRORED):
        if not isinstance(size, int):
            what = "repeating the ends" if op.mode == "replicate" else "mirroring many axes"
            return Unsupported(f"{what} of a free axis is not lowered yet")
        index = _outside(op, int(size))
        return Function(lambda args: call("ops.take", args[0], index, axis=place + 1))
    pads = [(0, 0)] * (x.rank + 1)
    pads[place + 1] = (op.before, op.after)
    more: dict[str, Any] = {"mode": "reflect"} if op.mode == "reflect" else {}
    if op.mode == "constant" and op.value != 0:
        more["constant_values"] = as_whole(op.value) if x.dtype == "int" else op.value
    return Function(lambda args: call("ops.pad", args[0], tuple(pads), **more))


def _outside(op: ops.Pad, size: int) -> list[int]:
    """The elements of an axis of that size, those that repeat or mirror its ends among them."""
    places = range(-int(op.before), size + int(op.after))
    if op.mode == "replicate":
        return [min(max(place, 0), size - 1) for place in places]
    return [size - 1 - abs(size - 1 - abs(place)) for place in places]


@lower(ops.Upsample, "last")
def upsample(op: ops.Upsample, site: Site) -> Lowered:
    """`layers.UpSampling…`; one axis is interpolated as a picture of one row."""
    axes = site.inputs[0].rank - 1
    if op.mode == "nearest":
        factor = per_axis(op.factor, 1, "factor")[0] if axes == 1 else op.factor
        layer = call(f"layers.UpSampling{axes}D", factor)
        return Function(lambda args: Call(layer, tuple(args)))
    if axes == 3:
        return Unsupported("Keras has no interpolation along three axes")
    named = {"interpolation": "bilinear"}
    if axes == 2:
        layer = call("layers.UpSampling2D", op.factor, **named)
        return Function(lambda args: Call(layer, tuple(args)))
    (factor,) = per_axis(op.factor, 1, "factor")
    layer = call("layers.UpSampling2D", (1, factor), **named)

    def build(args: list[Expr]) -> Expr:
        row = call("ops.expand_dims", args[0], axis=1)
        return call("ops.squeeze", Call(layer, (row,)), axis=1)

    return Function(build)


@lower(ops.Roll)
def roll(op: ops.Roll, site: Site) -> Lowered:
    """`ops.roll`."""
    (x,) = site.inputs
    places = tuple(axis(x, place) for place in op.axes)
    shifts = op.shift if isinstance(op.shift, tuple) else (op.shift,) * len(places)
    one = len(places) == 1
    settings = (shifts[0], places[0]) if one else (shifts, places)
    return Function(lambda args: call("ops.roll", args[0], settings[0], axis=settings[1]))


@lower(ops.Patches)
def patches(op: ops.Patches, site: Site) -> Lowered:
    """`ops.extract_sequences`."""
    return Function(lambda args: call("ops.extract_sequences", args[0], op.size, op.stride))


@lower(ops.Cast)
def cast(op: ops.Cast, site: Site) -> Lowered:
    """`ops.cast`; floats are of the kind that Keras is set to."""
    if op.dtype == "bool":
        return Function(lambda args: call("ops.not_equal", args[0], 0))
    kind: Any = call("keras.config.floatx") if op.dtype == "float" else "int64"
    return Function(lambda args: call("ops.cast", args[0], kind))
