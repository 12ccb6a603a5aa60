# Written by bmc from a .bm file; the file is yours to edit.
"""GPT-2 small (Radford et al. 2019): 124,439,808 parameters.

Source: gpt2.bm. 124,439,808 parameters.
Input:  tokens, int (B, T).
Output: logits, float (B, T, 50257).

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

VOCAB = 50257
CONTEXT = 1024
DIM = 768
DEPTH = 12
HEADS = 12


class Graph:
    """A graph in the making: its nodes, and the weights that they read."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, tuple[int, ...]] = {}

    def add(self, op: str, *inputs: str, name: str, **attributes: Any) -> str:
        """Append a node whose output has the node's name; return that name."""
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Note a tensor of weights.safetensors; return its name."""
        self.weights[name] = shape
        return name

    def dense_last(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        product = self.add("MatMul", x, turned, name=f"{name}.product")
        return self.add("Add", product, bias, name=name)

    def multiply_turned(self, x: str, weight: str, name: str) -> str:
        """Multiply the last axis by a transposed weight (out, in)."""
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        return self.add("MatMul", x, turned, name=name)

    def layer_norm(
        self, x: str, shape: tuple[int, ...], name: str, epsilon: float
    ) -> str:
        """Normalise the last axes, of that shape; scale and shift."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", *shape)
        settings = {"axis": -len(shape), "epsilon": epsilon}
        return self.add("LayerNormalization", x, weight, bias, name=name, **settings)

    def embed(self, ids: str, shape: tuple[int, int], name: str) -> str:
        """Take the row of the weight (ids, size) for each id."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Gather", weight, ids, name=name)

    def learned_positions(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Add as many rows of the weight (longest, size) as x has positions."""
        weight = self.weight(f"{name}.weight", *shape)
        count = self.add("Shape", x, name=f"{name}.count", start=-2, end=-1)
        zero = self.integers([0], name=f"{name}.zero")
        rows = self.add("Slice", weight, zero, count, zero, name=f"{name}.rows")
        return self.add("Add", x, rows, name=name)

    def integers(self, values: list[int], name: str) -> str:
        """Whole numbers of the graph's own: axes, sizes."""
        return self.add("Constant", name=name, value_ints=values)

    def causal_self_attention(self, x: str, width: int, heads: int, name: str) -> str:
        """Causal self-attention with several heads, (..., T, width) -> the same."""
        query = self.dense_last(x, (width, width), name=f"{name}.query")
        key = self.dense_last(x, (width, width), name=f"{name}.key")
        value = self.dense_last(x, (width, width), name=f"{name}.value")
        values = self.add(
            "Attention",
            query,
            key,
            value,
            name=f"{name}.values",
            q_num_heads=heads,
            kv_num_heads=heads,
            is_causal=1,
        )
        return self.dense_last(values, (width, width), name=f"{name}.output")


def decoder_layer(g: Graph, x: str, dim: int, heads: int, name: str) -> str:
    """(B, T, dim) -> (B, T, dim)."""
    h = g.layer_norm(x, (dim,), name=f"{name}.layer_norm1", epsilon=1e-5)
    h = g.causal_self_attention(h, dim, heads, name=f"{name}.self_attention")
    h = g.add("Add", x, h, name=f"{name}.h")

    y = g.layer_norm(h, (dim,), name=f"{name}.layer_norm2", epsilon=1e-5)
    y = g.dense_last(y, (4 * dim, dim), name=f"{name}.dense1")  # (B, T, 4 * dim)
    y = g.add("Gelu", y, name=f"{name}.gelu", approximate="tanh")
    y = g.dense_last(y, (dim, 4 * dim), name=f"{name}.dense2")  # (B, T, dim)
    y = g.add("Add", h, y, name=f"{name}.y")
    return y


def build_gpt2() -> onnx.ModelProto:
    g = Graph()
    tokens = "tokens"

    x = g.embed(tokens, (VOCAB, DIM), name="embed")  # (B, T, 768)
    x = g.learned_positions(x, (CONTEXT, DIM), name="learned_positions")

    for i in range(DEPTH):
        x = decoder_layer(g, x, dim=DIM, heads=HEADS, name=f"decoder_layers.{i}")
    x = g.layer_norm(x, (DIM,), name="layer_norm", epsilon=1e-5)

    g.multiply_turned(x, "embed.weight", name="logits")  # (B, T, 50257)

    return finish(
        g,
        "gpt2",
        inputs=[helper.make_tensor_value_info("tokens", TensorProto.INT64, ["B", "T"])],
        outputs=[
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["B", "T", VOCAB]
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
    helper.set_model_props(model, {"source": "gpt2.bm"})
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
    model, alone = build_gpt2(), args.weights is None
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
