"""Recurrent layers in ONNX."""

from __future__ import annotations

from functools import reduce
from typing import Any

from bmc.emit.backend import Function, Lowered, Site, Support
from bmc.emit.pyexpr import Expr, call, lit
from bmc.ops.recurrent import GRU, LSTM, RNN, LSTMCell, Recurrent
from bmc_onnx.lower.common import listed
from bmc_onnx.lower.table import lower

GATES = Support(
    "gates",
    '''\
    def gates(self, weight: str, order: list[int], name: str) -> str:
        """Put the blocks of a weight's rows in another order; add an axis in front."""
        names = [f"{name}.gate{place}" for place in range(len(order))]
        split = {"axis": 0, "num_outputs": len(order)}
        parts = self.add_several("Split", weight, names=names, **split)
        ordered = [parts[place] for place in order]
        joined = self.add("Concat", *ordered, name=f"{name}.joined", axis=0)
        return self.widen(joined, [0], name=f"{name}.wide")
''',
    ("widen", "add_several"),
)
PADDED = {  # what differs where padding has to be left out
    "def recur(": "def recur_padded(",
    "        x: str,\n": "        x: str,\n        mask: str,\n",
    "(B, T, features) -> (B, T, units) each way.": "(B, T, features) -> (B, T, units) each way.\n\n"
    "        Of what is not in the mask it makes zeros.",
    "        states = self.add(op, turned, *given, name": """\
        data = self.add("Cast", mask, name=f"{label}.data", to=TensorProto.INT32)
        length = self.reduce("ReduceSum", data, [1], name=f"{label}.length")
        given += ([] if biases else [""]) + [length]
        states = self.add(op, turned, *given, name""",
}
RECUR = Support(
    "recur",
    '''\
    def recur(
        self,
        op: str,
        x: str,
        sizes: tuple[int, int],
        order: list[int],
        name: str,
        ends: tuple[str, ...],
        biases: tuple[str, ...],
        **attributes: Any,
    ) -> str:
        """Run a recurrent operator: (B, T, features) -> (B, T, units) each way.

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
        given = [
            self.add("Concat", *tensors[key], name=f"{name}.{key}{ends[0]}.all", axis=0)
            for key in ("weight_ih", "weight_hh", "bias")
            if key in tensors
        ]
        label = f"{name}{ends[0]}"
        turned = self.add("Transpose", x, name=f"{label}.turned", perm=[1, 0, 2])
        if len(ends) == 2:
            attributes["direction"] = "bidirectional"
        attributes["hidden_size"] = units
        states = self.add(op, turned, *given, name=f"{label}.states", **attributes)
        back = self.add("Transpose", states, name=f"{label}.back", perm=[2, 0, 1, 3])
        return self.reshape(back, [0, 0, -1], name=label)
''',
    ("weight", "gates", "filled", "reshape"),
)
LSTM_CELL = Support(
    "lstm_cell",
    '''\
    def lstm_cell(
        self, x: str, h: str, c: str, features: int, units: int, name: str
    ) -> tuple[str, str]:
        """One step of long short-term memory; return both states."""
        sums = self.cell_sums(x, h, features, units, name)
        bias = self.weight(f"{name}.bias_ih", 4 * units)
        sums = self.add("Add", sums, bias, name=f"{name}.biased")
        return self.cell_states(sums, c, units, name)
''',
    ("weight", "cell_sums", "cell_states"),
)
LSTM_CELL_WITHOUT_BIAS = Support(
    "lstm_cell_without_bias",
    '''\
    def lstm_cell_without_bias(
        self, x: str, h: str, c: str, features: int, units: int, name: str
    ) -> tuple[str, str]:
        """One step of long short-term memory; return both states."""
        sums = self.cell_sums(x, h, features, units, name)
        return self.cell_states(sums, c, units, name)
''',
    ("cell_sums", "cell_states"),
)
CELL_SUMS = Support(
    "cell_sums",
    '''\
    def cell_sums(self, x: str, h: str, features: int, units: int, name: str) -> str:
        """Weigh the input and the state of a cell for its four gates."""
        sums = []
        for value, key, size in ((x, "weight_ih", features), (h, "weight_hh", units)):
            weight = self.weight(f"{name}.{key}", 4 * units, size)
            label = f"{name}.{key}.sum"
            sums.append(self.add("Gemm", value, weight, name=label, transB=1))
        return self.add("Add", *sums, name=f"{name}.sums")
''',
    ("weight",),
)
CELL_STATES = Support(
    "cell_states",
    '''\
    def cell_states(self, sums: str, c: str, units: int, name: str) -> tuple[str, str]:
        """Both states of a cell from the sums of its gates."""
        parts = self.split(sums, [units] * 4, name=f"{name}.gates", axis=1)
        write, forget, new, show = [
            self.add(op, part, name=f"{part}.on")
            for op, part in zip(("Sigmoid", "Sigmoid", "Tanh", "Sigmoid"), parts)
        ]
        kept = self.add("Mul", forget, c, name=f"{name}.kept")
        added = self.add("Mul", write, new, name=f"{name}.added")
        c = self.add("Add", kept, added, name=f"{name}.c")
        shown = self.add("Tanh", c, name=f"{name}.shown")
        return self.add("Mul", show, shown, name=f"{name}.h"), c
''',
    ("split",),
)


RECUR_LAYERS = Support(
    "recur_layers",
    '''\
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
            x = self.recur(op, x, (features, units), order, name=name, ends=ends, **settings)
            features = units * len(ways)
        return x
''',
    ("recur",),
)
RECUR_PADDED = Support(
    "recur_padded",
    reduce(lambda text, pair: text.replace(*pair), PADDED.items(), RECUR.code),
    (*RECUR.roots, "reduce"),
)
RECUR_LAYERS_PADDED = Support(
    "recur_layers_padded",
    RECUR_LAYERS.code.replace("def recur_layers(", "def recur_layers_padded(")
    .replace("        x: str,\n", "        x: str,\n        mask: str,\n")
    .replace(
        "self.recur(op, x, (features, units), order,",
        "self.recur_padded(\n                op, x, mask, (features, units), order,",
    )
    .replace(", **settings)\n", ", **settings\n            )\n"),
    ("recur_padded",),
)


def _recurrent(
    op: Recurrent, site: Site, word: str, order: list[int], biases: tuple[str, ...], **more: Any
) -> Lowered:
    ways = ("", "_reverse") if op.bidirectional else ("",)
    named: dict[str, Any] = {"ends": tuple(f"_l0{way}" for way in ways)}
    key = once = RECUR_PADDED if site.masks else RECUR
    if op.layers != 1:
        named = {"count": op.layers, "ways": ways}
        key = RECUR_LAYERS_PADDED if site.masks else RECUR_LAYERS
    named |= {"biases": biases if op.bias else (), **more}

    def build(args: list[Expr]) -> Expr:
        value, *mask, label = args
        given = (value, *mask, lit((site.inputs[0].shape[1], op.units)), listed(order))
        return call(f"g.{key.name}", word, *given, name=label, **named)

    return Function(build, tuple(dict.fromkeys((key, once, GATES))))


@lower(RNN)
def rnn(op: RNN, site: Site) -> Lowered:
    """`RNN`."""
    both = 2 if op.bidirectional else 1
    word = {"tanh": "Tanh", "relu": "Relu"}[op.activation]
    return _recurrent(op, site, "RNN", [0], ("bias_ih",), activations=[word] * both)


@lower(LSTM)
def lstm(op: LSTM, site: Site) -> Lowered:
    """`LSTM`, whose gates are i, o, f, c."""
    return _recurrent(op, site, "LSTM", [0, 3, 1, 2], ("bias_ih",))


@lower(GRU)
def gru(op: GRU, site: Site) -> Lowered:
    """`GRU`, whose gates are z, r, h, with the reset after the product."""
    biases = ("bias_ih", "bias_hh")
    return _recurrent(op, site, "GRU", [1, 0, 2], biases, linear_before_reset=1)


@lower(LSTMCell)
def lstm_cell(op: LSTMCell, site: Site) -> Lowered:
    """Nodes for one step."""
    key = LSTM_CELL if op.bias else LSTM_CELL_WITHOUT_BIAS

    def build(args: list[Expr]) -> Expr:
        *values, label = args
        sizes = (site.inputs[0].shape[0], op.units)
        return call(f"g.{key.name}", *values, *sizes, name=label)

    return Function(build, (CELL_SUMS, CELL_STATES, key))
