"""What a graph in the making can do: padding."""

from __future__ import annotations

from onnx import TensorProto

from bmc_onnx.parts.graph import Graph


class Masks(Graph):
    """Methods of a graph."""

    def not_padding(self, x: str, pad: int, name: str) -> str:
        """Say which ids are data: (B, T)."""
        padding = self.add("Constant", name=f"{name}.pad", value_int=pad)
        padded = self.add("Equal", x, padding, name=f"{name}.not")
        return self.add("Not", padded, name=name)

    def up_to(self, x: str, length: str, axis: int, name: str) -> str:
        """Say which places of an axis are below each sample's length: (B, T)."""
        count = self.add("Shape", x, name=f"{name}.count", start=axis, end=axis + 1)
        start = self.add("Constant", name=f"{name}.start", value_int=0)
        step = self.add("Constant", name=f"{name}.step", value_int=1)
        end = self.add("Squeeze", count, name=f"{name}.end")
        places = self.add("Range", start, end, step, name=f"{name}.places")
        ends = self.widen(length, [1], name=f"{name}.ends")
        return self.add("Less", places, ends, name=name)

    def thin(self, mask: str, start: int, step: int, name: str) -> str:
        """Keep every so many-th place of a mask."""
        ranges = {"start": start, "end": 2**31 - 1, "axis": 1, "step": step}
        values = [self.integers([v], name=f"{name}.{k}") for k, v in ranges.items()]
        return self.add("Slice", mask, *values, name=name)

    def before(self, mask: str, count: int, name: str) -> str:
        """Put so many places of data in front of a mask."""
        pads = self.integers([0, count, 0, 0], name=f"{name}.pads")
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        data = self.add("Cast", mask, name=f"{name}.data", to=TensorProto.INT64)
        padded = self.add("Pad", data, pads, one, name=f"{name}.padded")
        return self.add("Cast", padded, name=name, to=TensorProto.BOOL)

    def lengths(self, mask: str, name: str) -> str:
        """Count the places of data of each sample, at least one: (B,)."""
        data = self.add("Cast", mask, name=f"{name}.data", to=TensorProto.INT64)
        total = self.reduce("ReduceSum", data, [1], name=f"{name}.total")
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        return self.add("Max", total, one, name=name)

    def at_least_one(self, length: str, name: str) -> str:
        """Take no length for less than one."""
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        return self.add("Max", length, one, name=name)

    def zero_if_empty(self, x: str, mask: str, axes: list[int], name: str) -> str:
        """Put zeros where a sample has no data; `axes` are those of x."""
        numbers = self.add("Cast", mask, name=f"{name}.numbers", to=TensorProto.INT64)
        most = self.reduce("ReduceMax", numbers, [1], name=f"{name}.most")
        some = self.add("Cast", most, name=f"{name}.some", to=TensorProto.BOOL)
        return self.fill(x, some, 0.0, axes, name=name)

    def fill(self, x: str, mask: str, value: float, axes: list[int], name: str) -> str:
        """Put a value where there is no data; `axes` are those that the mask lacks."""
        other = self.add("Constant", name=f"{name}.value", value_float=value)
        data = self.widen(mask, axes, name=f"{name}.data") if axes else mask
        return self.add("Where", data, x, other, name=name)

    def mean_of_data(self, total: str, length: str, others: int, name: str) -> str:
        """Divide a sum by the length, times the sizes of the other axes of the sum."""
        count = self.add("Cast", length, name=f"{name}.length", to=TensorProto.FLOAT)
        many = self.add("Constant", name=f"{name}.others", value_float=float(others))
        count = self.add("Mul", count, many, name=f"{name}.count")
        return self.add("Div", total, count, name=name)
