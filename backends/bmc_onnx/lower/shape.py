"""Moving elements in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call, name
from bmc.emit.values import as_float, number
from bmc.ops import shape as ops
from bmc.ops.axes import axis_of
from bmc.ops.base import per_axis
from bmc.types.symbolic import known
from bmc.types.tensor import Shape
from bmc_onnx.lower.common import axis, below, listed, method, node, own_number, pads, permuted
from bmc_onnx.lower.support import (
    FRAMES,
    FRAMES_OF,
    INTERPOLATE,
    NARROW,
    NUMBER,
    PAD,
    RESHAPE,
    ROLL,
    ROLL_BY,
    UPSAMPLE,
    WIDEN,
)
from bmc_onnx.lower.table import lower

FREE = Unsupported("several axes of free size are not lowered yet")


def _sizes(shape: Shape, batched: bool) -> Expr:
    """What `Reshape` takes: 0 keeps the batch, -1 stands for a free size."""
    sizes: list[Any] = [number(size) if known(size) else -1 for size in shape]
    return listed([*([0] if batched else []), *sizes])


def _free(shape: Shape | None) -> int:
    return sum(not known(size) for size in shape or ())


@lower(ops.Flatten)
def flatten(op: ops.Flatten, site: Site) -> Lowered:
    """`Flatten`; the axes of a part are `Reshape`d."""
    (x,) = site.inputs
    start = 0 if x.rank == 0 else axis_of(x, op.start)
    if x.rank and start == x.rank - 1:
        return Function(lambda args: args[0])
    if start == 0 and x.batched:
        return node("Flatten", axis=1)
    kept = start + (1 if x.batched else 0)
    return method(RESHAPE, listed([*[0] * kept, -1]))


@lower(ops.Reshape)
def reshape(op: ops.Reshape, site: Site) -> Lowered:
    """`Reshape`."""
    if _free(op.shape) > 1:
        return FREE
    return method(RESHAPE, _sizes(op.shape, site.inputs[0].batched))


@lower(ops.Transpose)
def transpose(op: ops.Transpose, site: Site) -> Lowered:
    """`Transpose`."""
    (x,) = site.inputs
    order = list(op.axes(x))
    return Function(lambda args: permuted(args[0], order, x.batched, args[1]))


@lower(ops.Rearrange)
def rearrange(op: ops.Rearrange, site: Site) -> Lowered:
    """`Reshape`, `Transpose` and `Reshape`, as far as each is needed."""
    (x,) = site.inputs
    apart, order, joined = op.moves(x)
    if _free(apart) > 1 or _free(joined) > 1:
        return FREE
    steps = [
        word for word, part in (("apart", apart), ("moved", order), ("joined", joined)) if part
    ]

    def build(args: list[Expr]) -> Expr:
        value, label = args
        names = (
            {word: below(label, word) for word in steps[:-1]} | {steps[-1]: label} if steps else {}
        )
        if apart is not None:
            value = call("g.reshape", value, _sizes(apart, x.batched), name=names["apart"])
        if order is not None:
            value = permuted(value, list(order), x.batched, names["moved"])
        if joined is not None:
            value = call("g.reshape", value, _sizes(joined, x.batched), name=names["joined"])
        return value

    return Function(build, (RESHAPE,) if apart or joined else ())


@lower(ops.Squeeze)
def squeeze(op: ops.Squeeze, site: Site) -> Lowered:
    """`Squeeze`."""
    (x,) = site.inputs
    return method(NARROW, listed([axis(x, op.axis)]))


@lower(ops.Expand)
def expand(op: ops.Expand, site: Site) -> Lowered:
    """`Unsqueeze`."""
    (x,) = site.inputs
    return method(WIDEN, listed([axis(x, op.axis)]))


@lower(ops.Pad)
def pad(op: ops.Pad, site: Site) -> Lowered:
    """`Pad`."""
    (x,) = site.inputs
    pairs: list[tuple[Any, Any]] = [(0, 0)] * (x.rank + x.batched)
    pairs[axis(x, axis_of(x, op.axis))] = (op.before, op.after)
    word = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[op.mode]

    def build(args: list[Expr]) -> Expr:
        value, label = args
        more: list[Expr] = []
        if op.mode == "constant" and op.value != 0:
            more = [own_number(op.value, x.dtype, below(label, "value"))]
        return call("g.pad", value, pads(pairs), *more, name=label, mode=word)

    return Function(build, (PAD, *([NUMBER] if x.dtype == "float" else [])))


@lower(ops.Upsample)
def upsample(op: ops.Upsample, site: Site) -> Lowered:
    """`Resize`."""
    axes = site.inputs[0].rank - 1
    factors = [as_float(factor) for factor in per_axis(op.factor, axes, "factor")]
    if op.mode == "linear" and axes > 1:
        return method(INTERPOLATE, listed([1.0, 1.0, *factors]))
    named: dict[str, Any] = {"mode": op.mode}
    if op.mode == "nearest":
        named |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return method(UPSAMPLE, listed([1.0, 1.0, *factors]), **named)


@lower(ops.Roll)
def roll(op: ops.Roll, site: Site) -> Lowered:
    """`Split` and `Concat`, axis by axis; `Slice` twice where the size is free."""
    (x,) = site.inputs
    inner = [axis_of(x, place) for place in op.axes]
    moves = []
    for place, shift in zip(inner, per_axis(op.shift, len(inner), "shift")):
        size = x.shape[place]
        if not isinstance(size, int):
            moves.append((place, "g.roll", shift))
        elif shift % int(size):
            first = (size - shift) % size
            moves.append((place, "g.roll_by", [first, size - first]))

    def build(args: list[Expr]) -> Expr:
        value, label = args
        for turn, (place, word, how) in enumerate(moves, start=1):
            named = label if turn == len(moves) else below(label, f"axis{place}")
            value = call(word, value, how, name=named, axis=axis(x, place))
        return value

    used = {word for _, word, _ in moves}
    return Function(build, tuple(h for h in (ROLL, ROLL_BY) if f"g.{h.name}" in used))


@lower(ops.Patches)
def patches(op: ops.Patches, site: Site) -> Lowered:
    """`Gather` with an index of the windows."""
    count = site.outputs[0].shape[-2]
    if known(count):
        return method(FRAMES_OF, count, op.size, op.stride)
    return method(FRAMES, op.size, op.stride)


@lower(ops.Cast)
def cast(op: ops.Cast, site: Site) -> Lowered:
    """`Cast`."""
    kind = {"float": "FLOAT", "int": "INT64", "bool": "BOOL"}[op.dtype]
    return node("Cast", to=name(f"TensorProto.{kind}"))
