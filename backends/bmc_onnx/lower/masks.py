"""Masks of padded values in ONNX."""

from __future__ import annotations

from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support
from bmc.emit.pyexpr import Expr, call
from bmc.ops import masks as ops
from bmc_onnx.lower.common import below, listed, method
from bmc_onnx.lower.support import REDUCE, WIDEN
from bmc_onnx.lower.table import lower

NOT_PADDING = Support(
    "not_padding",
    '''\
    def not_padding(self, x: str, pad: int, name: str) -> str:
        """Say which ids are data: (B, T)."""
        padding = self.add("Constant", name=f"{name}.pad", value_int=pad)
        padded = self.add("Equal", x, padding, name=f"{name}.not")
        return self.add("Not", padded, name=name)
''',
)
UP_TO = Support(
    "up_to",
    '''\
    def up_to(self, x: str, length: str, axis: int, name: str) -> str:
        """Say which places of an axis are below each sample's length: (B, T)."""
        count = self.add("Shape", x, name=f"{name}.count", start=axis, end=axis + 1)
        start = self.add("Constant", name=f"{name}.start", value_int=0)
        step = self.add("Constant", name=f"{name}.step", value_int=1)
        end = self.add("Squeeze", count, name=f"{name}.end")
        places = self.add("Range", start, end, step, name=f"{name}.places")
        ends = self.widen(length, [1], name=f"{name}.ends")
        return self.add("Less", places, ends, name=name)
''',
    ("widen",),
)
THIN = Support(
    "thin",
    '''\
    def thin(self, mask: str, start: int, step: int, name: str) -> str:
        """Keep every so many-th place of a mask."""
        ranges = {"start": start, "end": 2**31 - 1, "axis": 1, "step": step}
        values = [self.integers([v], name=f"{name}.{k}") for k, v in ranges.items()]
        return self.add("Slice", mask, *values, name=name)
''',
    ("integers",),
)
BEFORE = Support(
    "before",
    '''\
    def before(self, mask: str, count: int, name: str) -> str:
        """Put so many places of data in front of a mask."""
        pads = self.integers([0, count, 0, 0], name=f"{name}.pads")
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        data = self.add("Cast", mask, name=f"{name}.data", to=TensorProto.INT64)
        padded = self.add("Pad", data, pads, one, name=f"{name}.padded")
        return self.add("Cast", padded, name=name, to=TensorProto.BOOL)
''',
    ("integers",),
)
LENGTHS = Support(
    "lengths",
    '''\
    def lengths(self, mask: str, name: str) -> str:
        """Count the places of data of each sample, at least one: (B,)."""
        data = self.add("Cast", mask, name=f"{name}.data", to=TensorProto.INT64)
        total = self.reduce("ReduceSum", data, [1], name=f"{name}.total")
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        return self.add("Max", total, one, name=name)
''',
    ("reduce",),
)
AT_LEAST_ONE = Support(
    "at_least_one",
    '''\
    def at_least_one(self, length: str, name: str) -> str:
        """Take no length for less than one."""
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        return self.add("Max", length, one, name=name)
''',
)
ZERO_IF_EMPTY = Support(
    "zero_if_empty",
    '''\
    def zero_if_empty(self, x: str, mask: str, axes: list[int], name: str) -> str:
        """Put zeros where a sample has no data; `axes` are those of x."""
        numbers = self.add("Cast", mask, name=f"{name}.numbers", to=TensorProto.INT64)
        most = self.reduce("ReduceMax", numbers, [1], name=f"{name}.most")
        some = self.add("Cast", most, name=f"{name}.some", to=TensorProto.BOOL)
        return self.fill(x, some, 0.0, axes, name=name)
''',
    ("reduce", "fill"),
)
FILL = Support(
    "fill",
    '''\
    def fill(self, x: str, mask: str, value: float, axes: list[int], name: str) -> str:
        """Put a value where there is no data; `axes` are those that the mask lacks."""
        other = self.add("Constant", name=f"{name}.value", value_float=value)
        data = self.widen(mask, axes, name=f"{name}.data") if axes else mask
        return self.add("Where", data, x, other, name=name)
''',
    ("widen",),
)
MEAN_OF_DATA = Support(
    "mean_of_data",
    '''\
    def mean_of_data(self, total: str, length: str, others: int, name: str) -> str:
        """Divide a sum by the length, times the sizes of the other axes of the sum."""
        count = self.add("Cast", length, name=f"{name}.length", to=TensorProto.FLOAT)
        many = self.add("Constant", name=f"{name}.others", value_float=float(others))
        count = self.add("Mul", count, many, name=f"{name}.count")
        return self.add("Div", total, count, name=name)
''',
)
MEANS = (REDUCE, WIDEN, MEAN_OF_DATA)
FLOAT32_MAX = 3.4028234663852886e38
FILLINGS = {"zero": 0.0, "lowest": -FLOAT32_MAX, "highest": FLOAT32_MAX}


def filled(args: list[Expr], axis: int, rank: int, what: str) -> Expr:
    """`g.fill(x, mask, 0.0, [2], name="conv1.filled")`"""
    x, mask, label = args
    axes = [place for place in range(1, rank + 1) if place != axis + 1]
    return call("g.fill", x, mask, FILLINGS[what], listed(axes), name=label)


def mean_of_data(
    args: list[Expr], axes: list[int], others: Any, rank: int, keep: bool, batch: bool
) -> Expr:
    """The sum of the data over `axes`, divided by how much there is."""
    x, length, label = args
    more = {"keep": True} if keep else {}
    total = call("g.reduce", "ReduceSum", x, listed(axes), name=below(label, "total"), **more)
    if batch:
        over = listed([0])
        length = call("g.reduce", "ReduceSum", length, over, name=below(label, "all"))
    elif rank:
        wide = listed(list(range(1, rank + 1)))
        length = call("g.widen", length, wide, name=below(label, "lengths"))
    return call("g.mean_of_data", total, length, others, name=label)


@lower(ops.NotPadding)
def not_padding(op: ops.NotPadding, site: Site) -> Lowered:
    """`Equal` and `Not`."""
    return method(NOT_PADDING, op.pad)


@lower(ops.UpTo)
def up_to(op: ops.UpTo, site: Site) -> Lowered:
    """`Range` and `Less`."""
    return method(UP_TO, op.axis + 1)


@lower(ops.Thin)
def thin(op: ops.Thin, site: Site) -> Lowered:
    """`Slice`."""
    return method(THIN, op.start, op.step)


@lower(ops.Before)
def before(op: ops.Before, site: Site) -> Lowered:
    """`Pad`, of numbers."""
    return method(BEFORE, op.count)


@lower(ops.Lengths)
def lengths(op: ops.Lengths, site: Site) -> Lowered:
    """`ReduceSum` and `Max`."""
    return method(AT_LEAST_ONE if site.inputs[0].dtype == "int" else LENGTHS)


@lower(ops.ZeroIfEmpty)
def zero_if_empty(op: ops.ZeroIfEmpty, site: Site) -> Lowered:
    """`ReduceMax` of the mask, and `Where`."""
    axes = listed(list(range(1, site.inputs[0].rank + 1)))

    def build(args: list[Expr]) -> Expr:
        x, mask, label = args
        return call("g.zero_if_empty", x, mask, axes, name=label)

    return Function(build, (REDUCE, FILL, ZERO_IF_EMPTY))


@lower(ops.Fill)
def fill(op: ops.Fill, site: Site) -> Lowered:
    """`Where`."""
    rank = site.inputs[0].rank
    return Function(lambda args: filled(args, op.axis, rank, op.value), (FILL,))
