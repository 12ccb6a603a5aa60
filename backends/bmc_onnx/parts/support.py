"""What a graph in the making can do: what several layers need."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from bmc_onnx.parts.graph import Graph


class Support(Graph):
    """Methods of a graph."""

    def standardize_series(
        self, x: str, axis: int, name: str, epsilon: float
    ) -> tuple[str, str]:
        """Give each series mean 0 and deviation 1; return it, and both of before."""
        over = self.integers([axis], name=f"{name}.axis")
        mean = self.add("ReduceMean", x, over, name=f"{name}.mean")
        centred = self.add("Sub", x, mean, name=f"{name}.centred")
        square = self.add("Mul", centred, centred, name=f"{name}.square")
        variance = self.add("ReduceMean", square, over, name=f"{name}.variance")
        least = self.number(epsilon, name=f"{name}.epsilon")
        raised = self.add("Add", variance, least, name=f"{name}.raised")
        deviation = self.add("Sqrt", raised, name=f"{name}.deviation")
        stats = self.add("Concat", mean, deviation, name=f"{name}.stats", axis=axis)
        return self.add("Div", centred, deviation, name=name), stats

    def number(self, value: float, name: str) -> str:
        """A number of the graph's own."""
        return self.add("Constant", name=name, value_float=float(value))

    def integers(self, values: list[int], name: str) -> str:
        """Whole numbers of the graph's own: axes, sizes."""
        return self.add("Constant", name=name, value_ints=values)

    def filled(self, value: float, shape: tuple[int, ...], name: str) -> str:
        """A tensor of one number."""
        sizes = self.integers(list(shape), name=f"{name}.shape")
        tensor = helper.make_tensor("value", TensorProto.FLOAT, [1], [value])
        return self.add("ConstantOfShape", sizes, name=name, value=tensor)

    def take(self, x: str, places: list[int], name: str, axis: int) -> str:
        """Take these places of an axis."""
        index = self.integers(places, name=f"{name}.places")
        return self.add("Gather", x, index, name=name, axis=axis)

    def reduce(
        self, op: str, x: str, axes: list[int], name: str, keep: bool = False
    ) -> str:
        """Reduce axes to nothing, or to size one."""
        over = self.integers(axes, name=f"{name}.axes")
        return self.add(op, x, over, name=name, keepdims=int(keep))

    def variance(self, x: str, axes: list[int], name: str, keep: bool = False) -> str:
        """The mean squared distance from the mean."""
        mean = self.reduce("ReduceMean", x, axes, name=f"{name}.mean", keep=True)
        centred = self.add("Sub", x, mean, name=f"{name}.centred")
        square = self.add("Mul", centred, centred, name=f"{name}.square")
        return self.reduce("ReduceMean", square, axes, name=name, keep=keep)

    def cumulate(self, x: str, name: str, axis: int) -> str:
        """Add up the elements of an axis, one after the other."""
        along = self.add("Constant", name=f"{name}.axis", value_int=axis)
        return self.add("CumSum", x, along, name=name)

    def narrow(self, x: str, axes: list[int], name: str) -> str:
        """Drop axes of size one."""
        places = self.integers(axes, name=f"{name}.axes")
        return self.add("Squeeze", x, places, name=name)

    def pad(self, x: str, sizes: list[int], *value: str, name: str, mode: str) -> str:
        """Add elements before each axis, and after each; `sizes` has all axes."""
        pads = self.integers(sizes, name=f"{name}.pads")
        return self.add("Pad", x, pads, *value, name=name, mode=mode)

    def keep_top(self, x: str, count: int, fill: float, name: str, axis: int) -> str:
        """Keep the largest elements of an axis and set the others to `fill`."""
        most = self.integers([count], name=f"{name}.count")
        ends = [f"{name}.top", f"{name}.places"]
        top, places = self.add_several("TopK", x, most, names=ends, axis=axis)
        shape = self.add("Shape", x, name=f"{name}.shape")
        value = helper.make_tensor("value", TensorProto.FLOAT, [1], [fill])
        filled = self.add("ConstantOfShape", shape, name=f"{name}.filled", value=value)
        return self.add("ScatterElements", filled, places, top, name=name, axis=axis)

    def grid_mean(self, x: str, sizes: list[int], cells: list[int], name: str) -> str:
        """Average over a grid of cells; cell i begins at i * n // cells."""
        for axis, (n, count) in enumerate(zip(sizes, cells, strict=True)):
            shares = []
            for cell in range(count):
                start, end = cell * n // count, -(-(cell + 1) * n // count)
                shares += [
                    1 / (end - start) if start <= i < end else 0.0 for i in range(n)
                ]
            label = f"{name}.shares{axis}"
            flat = self.add("Constant", name=f"{label}.flat", value_floats=shares)
            matrix = self.reshape(flat, [count, n], name=label)
            if axis == len(sizes) - 1:
                turned = self.add(
                    "Transpose", matrix, name=f"{label}.turned", perm=[1, 0]
                )
                return self.add("MatMul", x, turned, name=name)
            x = self.add("MatMul", matrix, x, name=f"{name}.axis{axis}")
        return x

    def glu(self, gate: str, x: str, name: str, axis: int) -> str:
        """Multiply one half of an axis by a function of the other."""
        halves = [f"{name}.a", f"{name}.b"]
        a, b = self.add_several("Split", x, names=halves, axis=axis, num_outputs=2)
        return self.add("Mul", a, self.add(gate, b, name=f"{name}.gate"), name=name)

    def silu_glu(self, x: str, name: str, axis: int) -> str:
        """Multiply one half of an axis by b * sigmoid(b) of the other, b."""
        halves = [f"{name}.a", f"{name}.b"]
        a, b = self.add_several("Split", x, names=halves, axis=axis, num_outputs=2)
        share = self.add("Sigmoid", b, name=f"{name}.share")
        gate = self.add("Mul", b, share, name=f"{name}.gate")
        return self.add("Mul", a, gate, name=name)

    def upsample(
        self, x: str, factors: list[float], name: str, **attributes: str
    ) -> str:
        """Make axes so many times as long."""
        scales = self.add("Constant", name=f"{name}.scales", value_floats=factors)
        return self.add("Resize", x, "", scales, name=name, **attributes)

    def interpolate(self, x: str, factors: list[float], name: str) -> str:
        """Make axes so many times as long, linearly between the elements.

        The reshaping to the same shape keeps onnxruntime from moving transpositions
        behind `Resize`, whose linear mode has no kernel for the result.
        """
        same = self.reshape(x, [0] * len(factors), name=f"{name}.same")
        scales = self.add("Constant", name=f"{name}.scales", value_floats=factors)
        return self.add("Resize", same, "", scales, name=name, mode="linear")

    def roll(self, x: str, shift: int, name: str, axis: int) -> str:
        """Move the elements of an axis; what leaves at one end enters at the other."""
        size = self.add("Shape", x, name=f"{name}.size", start=axis, end=axis + 1)
        back = self.integers([-shift], name=f"{name}.back")
        middle = self.add("Mod", back, size, name=f"{name}.middle")
        along = self.integers([axis], name=f"{name}.axis")
        zero = self.integers([0], name=f"{name}.zero")
        tail = self.add("Slice", x, middle, size, along, name=f"{name}.tail")
        head = self.add("Slice", x, zero, middle, along, name=f"{name}.head")
        return self.add("Concat", tail, head, name=name, axis=axis)

    def roll_by(self, x: str, sizes: list[int], name: str, axis: int) -> str:
        """Put the last part of an axis, of two of these sizes, before the first."""
        head, tail = self.split(x, sizes, name=f"{name}.parts", axis=axis)
        return self.add("Concat", tail, head, name=name, axis=axis)

    def frames(self, x: str, size: int, stride: int, name: str) -> str:
        """Cut the last axis into windows of that size, the stride apart."""
        length = self.add("Shape", x, name=f"{name}.length", start=-1)
        first = self.integers([size - stride], name=f"{name}.first")
        rest = self.add("Sub", length, first, name=f"{name}.rest")
        apart = self.add("Constant", name=f"{name}.apart", value_int=stride)
        count = self.add("Div", rest, apart, name=f"{name}.count")
        end = self.add("Squeeze", count, name=f"{name}.end")
        zero = self.add("Constant", name=f"{name}.zero", value_int=0)
        one = self.add("Constant", name=f"{name}.one", value_int=1)
        numbers = self.add("Range", zero, end, one, name=f"{name}.numbers")
        starts = self.add("Mul", numbers, apart, name=f"{name}.starts")
        wide = self.widen(starts, [-1], name=f"{name}.wide")
        inside = self.integers(list(range(size)), name=f"{name}.inside")
        index = self.add("Add", wide, inside, name=f"{name}.index")
        return self.add("Gather", x, index, name=name, axis=-1)

    def frames_of(self, x: str, count: int, size: int, stride: int, name: str) -> str:
        """Cut the last axis into so many windows of that size, the stride apart."""
        places = [
            number * stride + place for number in range(count) for place in range(size)
        ]
        index = helper.make_tensor("index", TensorProto.INT64, (count, size), places)
        held = self.add("Constant", name=f"{name}.index", value=index)
        return self.add("Gather", x, held, name=name, axis=-1)

    def reshape(self, x: str, shape: list[int], name: str) -> str:
        """Count the elements by other axes; 0 keeps an axis, -1 takes what is left."""
        sizes = self.integers(shape, name=f"{name}.shape")
        return self.add("Reshape", x, sizes, name=name)

    def widen(self, x: str, axes: list[int], name: str) -> str:
        """Give a value axes of size one."""
        places = self.integers(axes, name=f"{name}.axes")
        return self.add("Unsqueeze", x, places, name=name)

    def places(self, x: str, axis: int, name: str) -> str:
        """Count the places of an axis from zero, as numbers."""
        count = self.add("Shape", x, name=f"{name}.count", start=axis, end=axis + 1)
        start = self.add("Constant", name=f"{name}.start", value_int=0)
        step = self.add("Constant", name=f"{name}.step", value_int=1)
        end = self.add("Squeeze", count, name=f"{name}.end")
        counted = self.add("Range", start, end, step, name=f"{name}.counted")
        return self.add("Cast", counted, name=name, to=TensorProto.FLOAT)

    def sinusoids(self, x: str, size: int, theta: float, name: str) -> tuple[str, str]:
        """Sine and cosine of x * theta ** (-2 i / size), on a new last axis."""
        numbers = [theta ** (-2 * i / size) for i in range(size // 2)]
        return self.waves(x, numbers, name=name)

    def waves(self, x: str, numbers: list[float], name: str) -> tuple[str, str]:
        """Sine and cosine of x times each number, on a new last axis."""
        rates = self.add("Constant", name=f"{name}.rates", value_floats=numbers)
        wide = self.widen(x, [-1], name=f"{name}.wide")
        angles = self.add("Mul", wide, rates, name=f"{name}.angles")
        sine = self.add("Sin", angles, name=f"{name}.sine")
        return sine, self.add("Cos", angles, name=f"{name}.cosine")

    def sinusoidal_positions(self, x: str, size: int, theta: float, name: str) -> str:
        """Add the sines and cosines of each position in turn."""
        steps = self.places(x, -2, name=f"{name}.steps")
        waves = self.sinusoids(steps, size, theta, name=f"{name}.waves")
        wide = [self.widen(wave, [-1], name=f"{wave}.wide") for wave in waves]
        pairs = self.add("Concat", *wide, name=f"{name}.pairs", axis=-1)
        table = self.reshape(pairs, [-1, size], name=f"{name}.table")
        return self.add("Add", x, table, name=name)

    def sinusoidal_positions_2d(
        self, x: str, size: int, theta: float, name: str
    ) -> str:
        """Add the sines and cosines of each row and of each column."""
        halves = self.split(x, [size // 2] * 2, name=f"{name}.halves", axis=-1)
        added = []
        for axis, half, word in zip((-3, -2), halves, ("row", "column"), strict=True):
            steps = self.places(x, axis, name=f"{name}.{word}.steps")
            waves = self.sinusoids(steps, size // 2, theta, name=f"{name}.{word}.waves")
            wide = [self.widen(wave, [-1], name=f"{wave}.wide") for wave in waves]
            pairs = self.add("Concat", *wide, name=f"{name}.{word}.pairs", axis=-1)
            shape = [-1, 1, size // 2] if word == "row" else [-1, size // 2]
            table = self.reshape(pairs, shape, name=f"{name}.{word}.table")
            added.append(self.add("Add", half, table, name=f"{name}.{word}"))
        return self.add("Concat", *added, name=name, axis=-1)

    def cut(
        self, x: str, starts: list[int], ends: list[int], axes: list[int], name: str
    ) -> str:
        """Take a range of each of these axes."""
        ranges = (("starts", starts), ("ends", ends), ("axes", axes))
        values = [self.integers(v, name=f"{name}.{word}") for word, v in ranges]
        return self.add("Slice", x, *values, name=name)

    def pick(self, x: str, place: int, name: str, axis: int) -> str:
        """Take one place of an axis, which goes."""
        index = self.add("Constant", name=f"{name}.place", value_int=place)
        return self.add("Gather", x, index, name=name, axis=axis)

    def repeat(self, x: str, like: str, name: str) -> str:
        """Give a value the batch of another one."""
        batch = self.add("Shape", like, name=f"{name}.batch", start=0, end=1)
        sizes = self.add("Shape", x, name=f"{name}.sizes")
        shape = self.add("Concat", batch, sizes, name=f"{name}.shape", axis=0)
        return self.add("Expand", x, shape, name=name)

    def split(self, x: str, sizes: list[int], name: str, axis: int) -> tuple[str, ...]:
        """Cut an axis into parts of these sizes."""
        parts = [f"{name}.{part}" for part in range(len(sizes))]
        lengths = self.integers(sizes, name=f"{name}.sizes")
        return self.add_several("Split", x, lengths, names=parts, axis=axis)

    def gather(self, x: str, index: str, name: str, axis: int) -> str:
        """Take the places that an index of as many axes names, along one axis."""
        shape = self.add("Shape", x, name=f"{name}.shape")
        one = self.integers([1], name=f"{name}.one")
        place = self.integers([axis], name=f"{name}.axis")
        around = self.add("ScatterElements", shape, place, one, name=f"{name}.around")
        wide = self.add("Expand", index, around, name=f"{name}.wide")
        return self.add("GatherElements", x, wide, name=name, axis=axis)

    def scan(
        self,
        step: "Graph",
        results: tuple[str, ...],
        sequences: list[str],
        elements: list[onnx.ValueInfoProto],
        states: list[onnx.ValueInfoProto],
        starts: list[float],
        outputs: list[int],
        name: str,
    ) -> tuple[str, ...]:
        """Run a graph at every step of sequences; return its outputs of all steps.

        `results` are its outputs, of the types `outputs`, and then the next states.
        """
        batch = self.add("Shape", sequences[0], name=f"{name}.batch", start=0, end=1)
        begin = []
        for state, start in zip(states, starts, strict=True):
            label = state.name
            sizes = [size.dim_value for size in state.type.tensor_type.shape.dim[1:]]
            tensor = helper.make_tensor(label, TensorProto.INT64, [len(sizes)], sizes)
            rest = self.add("Constant", name=f"{label}.sizes", value=tensor)
            shape = self.add("Concat", batch, rest, name=f"{label}.shape", axis=0)
            tensor = helper.make_tensor(label, TensorProto.FLOAT, [1], [start])
            begin.append(
                self.add("ConstantOfShape", shape, name=f"{label}.full", value=tensor)
            )
        count = len(outputs)
        ordered = [*results[count:], *results[:count]]
        kinds = [TensorProto.FLOAT] * len(states) + outputs
        ends = []
        for number, (result, kind) in enumerate(zip(ordered, kinds, strict=True)):
            end = step.add("Identity", result, name=f"{name}.end{number}")
            ends.append(helper.make_tensor_value_info(end, kind, None))
        body = helper.make_graph(step.nodes, name, [*states, *elements], ends)
        made = self.add_several(
            "Scan",
            *begin,
            *sequences,
            names=[f"{name}.steps{number}" for number in range(len(ends))],
            body=body,
            num_scan_inputs=len(sequences),
            scan_input_axes=[1] * len(sequences),
            scan_output_axes=[1] * count,
        )
        return made[len(states) :]
