"""Layers that join or part values in ONNX."""

from __future__ import annotations

from functools import reduce

from bmc.emit.backend import Function, Lowered, Site, Unsupported
from bmc.emit.pyexpr import Expr, call
from bmc.ops import join as ops
from bmc.ops.axes import axis_of
from bmc.types.tensor import TensorType
from bmc_onnx.lower.common import axis, below, listed, method, node, spread, widening
from bmc_onnx.lower.support import GATHER, PICK, REPEAT, SPLIT, WIDEN
from bmc_onnx.lower.table import lower


def _batched(args: list[Expr], types: tuple[TensorType, ...], label: Expr) -> list[Expr]:
    """Values of which some have no batch, with the batch of the first that has."""
    if len({x.batched for x in types}) == 1:
        return args
    like = next(arg for arg, x in zip(args, types) if x.batched)
    return [
        arg if x.batched else call("g.repeat", arg, like, name=below(label, f"repeated{place}"))
        for place, (arg, x) in enumerate(zip(args, types))
    ]


def _place(types: tuple[TensorType, ...], number: int) -> int:
    return int(number) + (1 if number >= 0 and any(x.batched for x in types) else 0)


@lower(ops.Concat)
def concat(op: ops.Concat, site: Site) -> Lowered:
    """`Concat`."""
    if len(site.inputs) == 1:
        return Function(lambda args: args[0])

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        values = _batched(values, site.inputs, label)
        return call("g.add", "Concat", *values, name=label, axis=_place(site.inputs, op.axis))

    mixed = len({x.batched for x in site.inputs}) > 1
    return Function(build, (REPEAT,) if mixed else ())


@lower(ops.Stack)
def stack(op: ops.Stack, site: Site) -> Lowered:
    """`Unsqueeze` each, then `Concat`."""
    place = _place(site.inputs, op.axis)

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        values = _batched(values, site.inputs, label)
        wide = [
            call("g.widen", value, listed([place]), name=below(label, f"wide{n}"))
            for n, value in enumerate(values)
        ]
        return call("g.add", "Concat", *wide, name=label, axis=place)

    mixed = len({x.batched for x in site.inputs}) > 1
    return Function(build, (WIDEN, *((REPEAT,) if mixed else ())))


@lower(ops.Split)
def split(op: ops.Split, site: Site) -> Lowered:
    """`Split`, whose outputs have a number after the node's name."""
    (x,) = site.inputs
    return method(SPLIT, listed(op.sizes(x)), axis=axis(x, op.axis))


@lower(ops.Add)
def add(op: ops.Add, site: Site) -> Lowered:
    """`Sum`, which takes any number of values; of whole numbers `Add`, one after the other."""
    if site.inputs[0].dtype == "int":
        return _one_by_one("Add", "sum", site)
    if len({x.rank for x in site.inputs}) == 1:
        return node("Sum")

    def build(args: list[Expr]) -> Expr:
        *given, label = args
        return call("g.add", "Sum", *spread(given, site.inputs, label), name=label)

    return Function(build, widening(site.inputs))


@lower(ops.Multiply)
def multiply(op: ops.Multiply, site: Site) -> Lowered:
    """`Mul`, one after the other."""
    return _one_by_one("Mul", "product", site)


def _one_by_one(word: str, stem: str, site: Site) -> Lowered:
    def build(args: list[Expr]) -> Expr:
        *given, label = args
        values = spread(given, site.inputs, label)
        names = [below(label, f"{stem}{n}") for n in range(len(values) - 2)] + [label]
        pairs = zip(values[1:], names)
        if len(values) == 1:
            return call("g.add", "Identity", *values, name=label)
        return reduce(lambda left, pair: call("g.add", word, left, pair[0], name=pair[1]),
                      pairs, values[0])  # fmt: skip

    return Function(build, widening(site.inputs))


@lower(ops.Gather)
def gather(op: ops.Gather, site: Site) -> Lowered:
    """`GatherElements`, the index spread over the other axes."""
    x, index = site.inputs
    if not (x.batched and index.batched):
        return Unsupported("values without a batch are not lowered yet")
    place = axis_of(x, op.axis)
    front = [n for n in range(1, place + 1 + (1 - index.rank))]
    after = [place + 2 + n for n in range(x.rank - place - 1)]
    axes = [*front, *after]

    def build(args: list[Expr]) -> Expr:
        value, where, label = args
        if axes:
            where = call("g.widen", where, listed(axes), name=below(label, "index"))
        if index.rank:
            return call("g.gather", value, where, name=label, axis=place + 1)
        taken = call("g.gather", value, where, name=below(label, "taken"), axis=place + 1)
        return call("g.pick", taken, 0, name=label, axis=place + 1)

    return Function(build, (GATHER, WIDEN, *(() if index.rank else (PICK,))))
