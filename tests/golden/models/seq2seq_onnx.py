# Written by bmc from a .bm file; the file is yours to edit.
"""A translator of recurrent layers whose decoder looks at the words read (Bahdanau et
al. 2015).

Source: seq2seq.bm. 23,216,960 parameters.
Input:  source, int (B, T), filled up with 0 at the end.
Input:  prefix, int (B, U), filled up with 0 at the end.
Output: logits, float (B, U, 8000).

python model.py --weights weights.safetensors -o model.onnx
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors import SafetensorError
from safetensors.numpy import load_file

VOCAB_IN = 8000
VOCAB_OUT = 8000
DIM = 256
HIDDEN = 512


class Graph:
    """A graph in the making: its nodes, and the weights that they read."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, tuple[int, ...]] = {}

    def add(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append a node whose output has the node's name; return that name."""
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def add_several(
        self, op: str, *inputs: str, names: list[str], **attributes: Any
    ) -> tuple[str, ...]:
        """Append a node with several outputs; return their names."""
        self.nodes.append(helper.make_node(op, inputs, names, names[0], **attributes))
        return tuple(names)

    def begin_step(self) -> "Graph":
        """Begin a graph for one step, which reads the same weights."""
        step = Graph()
        step.weights = self.weights
        return step

    def weight(self, name: str, *shape: int) -> str:
        """Note a tensor of weights.safetensors; return its name."""
        self.weights[name] = shape
        return name

    def dense(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Gemm", x, weight, bias, name=name, transB=1)

    def dense_last(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        product = self.add("MatMul", x, turned, name=f"{name}.product")
        return self.add("Add", product, bias, name=name)

    def dense_last_without_bias(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in)."""
        weight = self.weight(f"{name}.weight", *shape)
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        return self.add("MatMul", x, turned, name=name)

    def embed(self, ids: str, shape: tuple[int, int], name: str) -> str:
        """Take the row of the weight (ids, size) for each id."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Gather", weight, ids, name=name)

    def integers(self, values: list[int], name: str) -> str:
        """Whole numbers of the graph's own: axes, sizes."""
        return self.add("Constant", name=name, value_ints=values)

    def filled(self, value: float, shape: tuple[int, ...], name: str) -> str:
        """A tensor of one number."""
        sizes = self.integers(list(shape), name=f"{name}.shape")
        tensor = helper.make_tensor("value", TensorProto.FLOAT, [1], [value])
        return self.add("ConstantOfShape", sizes, name=name, value=tensor)

    def reduce(
        self, op: str, x: str, axes: list[int], name: str, keep: bool = False
    ) -> str:
        """Reduce axes to nothing, or to size one."""
        over = self.integers(axes, name=f"{name}.axes")
        return self.add(op, x, over, name=name, keepdims=int(keep))

    def reshape(self, x: str, shape: list[int], name: str) -> str:
        """Count the elements by other axes; 0 keeps an axis, -1 takes what is left."""
        sizes = self.integers(shape, name=f"{name}.shape")
        return self.add("Reshape", x, sizes, name=name)

    def widen(self, x: str, axes: list[int], name: str) -> str:
        """Give a value axes of size one."""
        places = self.integers(axes, name=f"{name}.axes")
        return self.add("Unsqueeze", x, places, name=name)

    def split(self, x: str, sizes: list[int], name: str, axis: int) -> tuple[str, ...]:
        """Cut an axis into parts of these sizes."""
        parts = [f"{name}.{part}" for part in range(len(sizes))]
        lengths = self.integers(sizes, name=f"{name}.sizes")
        return self.add_several("Split", x, lengths, names=parts, axis=axis)

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

    def fill(self, x: str, mask: str, value: float, axes: list[int], name: str) -> str:
        """Put a value where there is no data; `axes` are those that the mask lacks."""
        other = self.add("Constant", name=f"{name}.value", value_float=value)
        data = self.widen(mask, axes, name=f"{name}.data") if axes else mask
        return self.add("Where", data, x, other, name=name)

    def lstm_cell(
        self, x: str, h: str, c: str, features: int, units: int, name: str
    ) -> tuple[str, str]:
        """One step of long short-term memory; return both states."""
        sums = self.cell_sums(x, h, features, units, name)
        bias = self.weight(f"{name}.bias_ih", 4 * units)
        sums = self.add("Add", sums, bias, name=f"{name}.biased")
        return self.cell_states(sums, c, units, name)

    def not_padding(self, x: str, pad: int, name: str) -> str:
        """Say which ids are data: (B, T)."""
        padding = self.add("Constant", name=f"{name}.pad", value_int=pad)
        padded = self.add("Equal", x, padding, name=f"{name}.not")
        return self.add("Not", padded, name=name)

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

    def count_steps(self, mask: str, name: str) -> str:
        """Count the steps of each sequence that are data: (B, T) -> (B,)."""
        data = self.add("Cast", mask, name=f"{name}.data", to=TensorProto.INT32)
        return self.reduce("ReduceSum", data, [1], name=f"{name}.length")

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

    def gates(self, weight: str, order: list[int], name: str) -> str:
        """Put the blocks of a weight's rows in another order; add an axis in front."""
        names = [f"{name}.gate{place}" for place in range(len(order))]
        split = {"axis": 0, "num_outputs": len(order)}
        parts = self.add_several("Split", weight, names=names, **split)
        ordered = [parts[place] for place in order]
        joined = self.add("Concat", *ordered, name=f"{name}.joined", axis=0)
        return self.widen(joined, [0], name=f"{name}.wide")

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

    def cell_sums(self, x: str, h: str, features: int, units: int, name: str) -> str:
        """Weigh the input and the state of a cell for its four gates."""
        sums = []
        for value, key, size in ((x, "weight_ih", features), (h, "weight_hh", units)):
            weight = self.weight(f"{name}.{key}", 4 * units, size)
            label = f"{name}.{key}.sum"
            sums.append(self.add("Gemm", value, weight, name=label, transB=1))
        return self.add("Add", *sums, name=f"{name}.sums")


def attention_cell(
    g: Graph,
    x: str,
    memory: str,
    memory_mask: str,
    h: str,
    c: str,
    embed_dim: int,
    memory_dim: int,
    hidden: int,
    name: str,
) -> tuple[str, ...]:
    """One word further: what of the memory the state asks for goes into the step."""
    score = g.dense_last_without_bias(
        memory, (hidden, memory_dim), name=f"{name}.dense1"
    )  # (B, T, hidden)
    score_2 = g.dense(h, (hidden, hidden), name=f"{name}.dense2")  # (B, hidden)
    score = g.add(
        "Add",
        score,
        g.widen(score_2, [1], name=f"{name}.sum1.wide1"),
        name=f"{name}.sum1",
    )
    score = g.add("Tanh", score, name=f"{name}.tanh")
    score = g.dense_last_without_bias(score, (1, hidden), name=f"{name}.dense3")

    score = g.fill(
        score, memory_mask, -3.4028234663852886e38, [2], name=f"{name}.softmax.filled"
    )
    context = g.add("Softmax", score, name=f"{name}.softmax", axis=1)
    context = g.add("Mul", context, memory, name=f"{name}.product")
    context = g.fill(context, memory_mask, 0.0, [2], name=f"{name}.sum2.filled")
    context = g.reduce("ReduceSum", context, [1], name=f"{name}.context")

    h_2 = g.add("Concat", x, context, name=f"{name}.concat1", axis=-1)
    h, c = g.lstm_cell(
        h_2, h, c, embed_dim + memory_dim, hidden, name=f"{name}.lstm_cell"
    )

    y = g.add("Concat", h, context, name=f"{name}.y", axis=-1)
    return y, h, c


def build_translator() -> onnx.ModelProto:
    g = Graph()
    source = "source"
    prefix = "prefix"

    source_mask = g.not_padding(source, 0, name="source_mask")

    x = g.embed(source, (VOCAB_IN, DIM), name="embedding1")  # (B, T, 256)
    memory = g.recur_padded(
        "GRU",
        x,
        source_mask,
        (DIM, HIDDEN),
        [1, 0, 2],
        name="gru",
        ends=("_l0", "_l0_reverse"),
        biases=("bias_ih", "bias_hh"),
        linear_before_reset=1,
    )  # (B, T, 1024)

    x = g.embed(prefix, (VOCAB_OUT, DIM), name="embedding2")  # (B, U, 256)
    step = g.begin_step()
    y = g.scan(
        step,
        attention_cell(
            step,
            "attention_cell.x_t",
            memory,
            source_mask,
            "attention_cell.h_t",
            "attention_cell.c_t",
            embed_dim=DIM,
            memory_dim=HIDDEN * 2,
            hidden=HIDDEN,
            name="attention_cell",
        ),
        [x],
        elements=[
            helper.make_tensor_value_info(
                "attention_cell.x_t", TensorProto.FLOAT, ["B", DIM]
            ),
        ],
        states=[
            helper.make_tensor_value_info(
                "attention_cell.h_t", TensorProto.FLOAT, ["B", HIDDEN]
            ),
            helper.make_tensor_value_info(
                "attention_cell.c_t", TensorProto.FLOAT, ["B", HIDDEN]
            ),
        ],
        starts=[0.0, 0.0],
        outputs=[TensorProto.FLOAT],
        name="attention_cell",
    )[0]  # (B, U, 1536)

    logits = g.dense_last(y, (VOCAB_OUT, 3 * HIDDEN), name="dense")  # (B, U, 8000)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "translator",
        inputs=[
            helper.make_tensor_value_info("source", TensorProto.INT64, ["B", "T"]),
            helper.make_tensor_value_info("prefix", TensorProto.INT64, ["B", "U"]),
        ],
        outputs=[
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["B", "U", VOCAB_OUT]
            ),
        ],
    )


def finish(
    g: Graph,
    name: str,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Make a model whose weights are given to it: as it is opened, or by `fill`."""
    weights = []
    for key, shape in g.weights.items():
        tensor = TensorProto(name=key, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        # No such file is there: weights that nobody gave are an error.
        tensor.external_data.add(key="location", value="given-apart")
        weights.append(tensor)
    graph = helper.make_graph(g.nodes, name, inputs, outputs, weights)
    model = helper.make_model(
        graph,
        producer_name="bmc",
        doc_string=__doc__,
        ir_version=11,
        opset_imports=[helper.make_opsetid("", 23)],
    )
    helper.set_model_props(model, {"source": "seq2seq.bm"})
    return onnx.shape_inference.infer_shapes(model)


def save(model: onnx.ModelProto, path: str | Path) -> None:
    """Write a graph without weights, and beside it the shapes of what it reads."""
    onnx.save(model, path)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    Path(path).with_suffix(".json").write_text(json.dumps(shapes, indent=1))


def fill(model: onnx.ModelProto, weights: Path) -> None:
    """Put the tensors of a weights.safetensors into a graph.

    What training learned from the data, learned.json beside them, becomes metadata.
    """
    try:
        tensors = load_file(weights)
    except FileNotFoundError:
        raise SystemExit(f"{weights}: no such file") from None
    except (OSError, SafetensorError) as error:
        raise SystemExit(f"{weights}: no safetensors file: {error}") from None
    for tensor in model.graph.initializer:
        array, shape = tensors.get(tensor.name), tuple(tensor.dims)
        if array is None or array.shape != shape:
            raise SystemExit(f"{weights}: no {tensor.name} of shape {shape}")
        if not np.isfinite(array).all():
            raise SystemExit(f"{weights}: {tensor.name} is not finite everywhere")
        tensor.CopyFrom(numpy_helper.from_array(array.astype("float32"), tensor.name))
    learned = weights.with_name("learned.json")
    if learned.exists():
        model.metadata_props.add(key="learned", value=learned.read_text("utf-8"))


def export(
    model: onnx.ModelProto, weights: Path, path: Path, largest: int = 2**31 - 2**24
) -> None:
    """Write a graph with its weights; those of more bytes beside it, as `path`.data."""
    fill(model, weights)
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if size < largest:
        onnx.save(model, path)
        return
    beside = Path(f"{path}.data")
    beside.unlink(missing_ok=True)
    onnx.save(model, path, save_as_external_data=True, location=beside.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--weights",
        type=Path,
        help="weights.safetensors to put in; left out, the graph alone is written",
    )
    parser.add_argument("-o", "--output", type=Path)
    args = parser.parse_args()
    model, alone = build_translator(), args.weights is None
    path = args.output or Path("model_graph.onnx" if alone else "model.onnx")
    try:
        if alone:
            save(model, path)
        else:
            export(model, args.weights, path)
    except OSError as error:
        raise SystemExit(f"{path}: can't be written: {error.strerror}") from None


if __name__ == "__main__":
    main()
