"""What a graph in the making can do: recurrence."""

from __future__ import annotations

from typing import Any

from onnx import TensorProto

from bmc_onnx.parts.graph import Graph


class Recurrent(Graph):
    """Methods of a graph."""

    def gates(self, weight: str, order: list[int], name: str) -> str:
        """Put the blocks of a weight's rows in another order; add an axis in front."""
        names = [f"{name}.gate{place}" for place in range(len(order))]
        split = {"axis": 0, "num_outputs": len(order)}
        parts = self.add_several("Split", weight, names=names, **split)
        ordered = [parts[place] for place in order]
        joined = self.add("Concat", *ordered, name=f"{name}.joined", axis=0)
        return self.widen(joined, [0], name=f"{name}.wide")

    def recurrent_weights(
        self,
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        ends: tuple[str, ...],
        biases: tuple[str, ...],
    ) -> list[str]:
        """What a recurrent operator weighs by: weights, and biases if there are any.

        `order` is that of the operator's gates among the weight's; `ends` are those of
        the weights' names in each direction.
        """
        features, units = sizes
        rows = units * len(order)
        shapes: dict[str, tuple[int, ...]] = {bias: (rows,) for bias in biases}
        shapes = {"weight_ih": (rows, features), "weight_hh": (rows, units), **shapes}
        tensors: dict[str, list[str]] = {key: [] for key in shapes}
        for end in ends:
            for key, shape in shapes.items():
                weight = self.weight(f"{name}.{key}{end}", *shape)
                ordered = self.gates(weight, order, name=f"{name}.{key}{end}.ordered")
                tensors[key].append(ordered)
        if biases:
            if len(biases) == 1:  # the operator has a second one
                none = self.filled(0.0, (1, rows), name=f"{name}.none{ends[0]}")
                tensors["none"] = [none] * len(ends)
            pairs = zip(*list(tensors.values())[2:], strict=True)
            tensors["bias"] = [
                self.add("Concat", *pair, name=f"{name}.biases{end}", axis=1)
                for pair, end in zip(pairs, ends, strict=True)
            ]
        return [
            self.add("Concat", *tensors[key], name=f"{name}.{key}{ends[0]}.all", axis=0)
            for key in ("weight_ih", "weight_hh", "bias")
            if key in tensors
        ]

    def along_steps(
        self,
        op: str,
        x: str,
        given: list[str],
        units: int,
        name: str,
        ways: int,
        **more: Any,
    ) -> str:
        """Run an operator that takes the steps first: (B, T, ...) -> (B, T, units)."""
        turned = self.add("Transpose", x, name=f"{name}.turned", perm=[1, 0, 2])
        if ways == 2:
            more["direction"] = "bidirectional"
        more["hidden_size"] = units
        states = self.add(op, turned, *given, name=f"{name}.states", **more)
        back = self.add("Transpose", states, name=f"{name}.back", perm=[2, 0, 1, 3])
        return self.reshape(back, [0, 0, -1], name=name)

    def recur(
        self,
        op: str,
        x: str,
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        ends: tuple[str, ...],
        biases: tuple[str, ...],
        **more: Any,
    ) -> str:
        """Run a recurrent operator: (B, T, features) -> (B, T, units) each way."""
        given = self.recurrent_weights(sizes, order, name, ends, biases)
        label = f"{name}{ends[0]}"
        return self.along_steps(op, x, given, sizes[1], label, len(ends), **more)

    def count_steps(self, mask: str, name: str) -> str:
        """Count the steps of each sequence that are data: (B, T) -> (B,)."""
        data = self.add("Cast", mask, name=f"{name}.data", to=TensorProto.INT32)
        return self.reduce("ReduceSum", data, [1], name=f"{name}.length")

    def recur_states(
        self,
        op: str,
        x: str,
        states: list[str],
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        biases: tuple[str, ...],
        length: str = "",
        **more: Any,
    ) -> tuple[str, ...]:
        """Run a recurrent operator from given states, or zeros.

        (B, T, features) -> (B, T, units), and the states of the last step, (B, units).
        Of steps beyond the lengths, (B,), if there are any, it makes zeros.
        """
        given = self.recurrent_weights(sizes, order, name, ("_l0",), biases)
        given += ([] if biases else [""]) + [length]
        turned = self.add("Transpose", x, name=f"{name}.turned", perm=[1, 0, 2])
        carried = ["h", "c"] if op == "LSTM" else ["h"]
        given += [
            self.widen(state, [0], name=f"{name}.first_{kind}")
            for state, kind in zip(states, carried, strict=False)  # perhaps none
        ]
        made, *last = self.add_several(
            op,
            turned,
            *given,
            names=[f"{name}.states", *(f"{name}.last_{kind}" for kind in carried)],
            hidden_size=sizes[1],
            **more,
        )
        back = self.add("Transpose", made, name=f"{name}.back", perm=[2, 0, 1, 3])
        ends = [self.narrow(end, [0], name=f"{end}.end") for end in last]
        return self.reshape(back, [0, 0, -1], name=name), *ends

    def recur_from(
        self, op: str, x: str, states: list[str], *args: Any, **more: Any
    ) -> str:
        """Run a recurrent operator from states: (B, T, features) -> (B, T, units)."""
        return self.recur_states(op, x, states, *args, **more)[0]

    def lstm_cell(
        self, x: str, h: str, c: str, features: int, units: int, name: str
    ) -> tuple[str, str]:
        """One step of long short-term memory; return both states."""
        sums = self.cell_sums(x, h, features, units, name)
        bias = self.weight(f"{name}.bias_ih", 4 * units)
        sums = self.add("Add", sums, bias, name=f"{name}.biased")
        return self.cell_states(sums, c, units, name)

    def lstm_cell_without_bias(
        self, x: str, h: str, c: str, features: int, units: int, name: str
    ) -> tuple[str, str]:
        """One step of long short-term memory; return both states."""
        sums = self.cell_sums(x, h, features, units, name)
        return self.cell_states(sums, c, units, name)

    def cell_sums(self, x: str, h: str, features: int, units: int, name: str) -> str:
        """Weigh the input and the state of a cell for its four gates."""
        sums = []
        for value, key, size in ((x, "weight_ih", features), (h, "weight_hh", units)):
            weight = self.weight(f"{name}.{key}", 4 * units, size)
            label = f"{name}.{key}.sum"
            sums.append(self.add("Gemm", value, weight, name=label, transB=1))
        return self.add("Add", *sums, name=f"{name}.sums")

    def cell_states(self, sums: str, c: str, units: int, name: str) -> tuple[str, str]:
        """Both states of a cell from the sums of its gates."""
        parts = self.split(sums, [units] * 4, name=f"{name}.gates", axis=1)
        gates = ("Sigmoid", "Sigmoid", "Tanh", "Sigmoid")
        write, forget, new, show = [
            self.add(op, part, name=f"{part}.on")
            for op, part in zip(gates, parts, strict=True)
        ]
        kept = self.add("Mul", forget, c, name=f"{name}.kept")
        added = self.add("Mul", write, new, name=f"{name}.added")
        c = self.add("Add", kept, added, name=f"{name}.c")
        shown = self.add("Tanh", c, name=f"{name}.shown")
        return self.add("Mul", show, shown, name=f"{name}.h"), c

    def recur_layers(
        self,
        op: str,
        x: str,
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        count: int,
        ways: tuple[str, ...],
        **settings: Any,
    ) -> str:
        """Run a recurrent operator so many times, each on what the one before gives."""
        features, units = sizes
        for layer in range(count):
            ends = tuple(f"_l{layer}{way}" for way in ways)
            x = self.recur(
                op, x, (features, units), order, name=name, ends=ends, **settings
            )
            features = units * len(ways)
        return x

    def recur_padded(
        self,
        op: str,
        x: str,
        mask: str,
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        ends: tuple[str, ...],
        biases: tuple[str, ...],
        **more: Any,
    ) -> str:
        """Run a recurrent operator: (B, T, features) -> (B, T, units) each way.

        Of what is not in the mask it makes zeros.
        """
        given = self.recurrent_weights(sizes, order, name, ends, biases)
        label = f"{name}{ends[0]}"
        length = self.count_steps(mask, name=label)
        given += ([] if biases else [""]) + [length]
        return self.along_steps(op, x, given, sizes[1], label, len(ends), **more)

    def recur_layers_padded(
        self,
        op: str,
        x: str,
        mask: str,
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        count: int,
        ways: tuple[str, ...],
        **settings: Any,
    ) -> str:
        """Run a recurrent operator so many times, each on what the one before gives."""
        features, units = sizes
        for layer in range(count):
            ends = tuple(f"_l{layer}{way}" for way in ways)
            x = self.recur_padded(
                op, x, mask, (features, units), order, name=name, ends=ends, **settings
            )
            features = units * len(ways)
        return x
