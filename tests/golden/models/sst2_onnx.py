# Written by bmc from a .bm file; the file is yours to edit.
"""Sentences of films as praise or not, by windows of words (after Kim 2014).

Source: sst2.bm. 545,154 parameters.
Input:  words, int (B, T), filled up with 0 at the end.
Output: logits, float (B, 2).

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

VOCAB = 8000
WIDTH = 64
FILTERS = 64


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

    def conv(self, x: str, shape: tuple[int, ...], name: str, **attributes: Any) -> str:
        """Convolve with a weight (filters, channels, *kernel), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Conv", x, weight, bias, name=name, **attributes)

    def dense(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Gemm", x, weight, bias, name=name, transB=1)

    def embed(self, ids: str, shape: tuple[int, int], name: str) -> str:
        """Take the row of the weight (ids, size) for each id."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Gather", weight, ids, name=name)

    def integers(self, values: list[int], name: str) -> str:
        """Whole numbers of the graph's own: axes, sizes."""
        return self.add("Constant", name=name, value_ints=values)

    def reduce(
        self, op: str, x: str, axes: list[int], name: str, keep: bool = False
    ) -> str:
        """Reduce axes to nothing, or to size one."""
        over = self.integers(axes, name=f"{name}.axes")
        return self.add(op, x, over, name=name, keepdims=int(keep))

    def widen(self, x: str, axes: list[int], name: str) -> str:
        """Give a value axes of size one."""
        places = self.integers(axes, name=f"{name}.axes")
        return self.add("Unsqueeze", x, places, name=name)

    def not_padding(self, x: str, pad: int, name: str) -> str:
        """Say which ids are data: (B, T)."""
        padding = self.add("Constant", name=f"{name}.pad", value_int=pad)
        padded = self.add("Equal", x, padding, name=f"{name}.not")
        return self.add("Not", padded, name=name)

    def fill(self, x: str, mask: str, value: float, axes: list[int], name: str) -> str:
        """Put a value where there is no data; `axes` are those that the mask lacks."""
        other = self.add("Constant", name=f"{name}.value", value_float=value)
        data = self.widen(mask, axes, name=f"{name}.data") if axes else mask
        return self.add("Where", data, x, other, name=name)

    def zero_if_empty(self, x: str, mask: str, axes: list[int], name: str) -> str:
        """Put zeros where a sample has no data; `axes` are those of x."""
        numbers = self.add("Cast", mask, name=f"{name}.numbers", to=TensorProto.INT64)
        most = self.reduce("ReduceMax", numbers, [1], name=f"{name}.most")
        some = self.add("Cast", most, name=f"{name}.some", to=TensorProto.BOOL)
        return self.fill(x, some, 0.0, axes, name=name)


def build_textcnn() -> onnx.ModelProto:
    g = Graph()
    words = "words"

    words_mask = g.not_padding(words, 0, name="words_mask")

    x = g.embed(words, (VOCAB, WIDTH), name="embedding")  # (B, T, 64)
    x = g.add("Transpose", x, name="rearrange", perm=[0, 2, 1])  # (B, 64, T)

    x_2 = g.fill(x, words_mask, 0.0, [1], name="conv1.filled")
    three = g.conv(x_2, (FILTERS, WIDTH, 3), name="conv1", pads=[1, 1])
    three = g.add("Relu", three, name="relu1")
    three = g.fill(
        three, words_mask, -3.4028234663852886e38, [1], name="global_max_pool1.filled"
    )
    three = g.reduce("ReduceMax", three, [2], name="global_max_pool1")  # (B, 64)
    three = g.zero_if_empty(three, words_mask, [1], name="three")

    x = g.fill(x, words_mask, 0.0, [1], name="conv2.filled")
    x = g.conv(x, (FILTERS, WIDTH, 5), name="conv2", pads=[2, 2])
    x = g.add("Relu", x, name="relu2")
    x = g.fill(
        x, words_mask, -3.4028234663852886e38, [1], name="global_max_pool2.filled"
    )
    x = g.reduce("ReduceMax", x, [2], name="global_max_pool2")  # (B, 64)
    four = g.zero_if_empty(x, words_mask, [1], name="four")

    x = g.add("Concat", three, four, name="concat", axis=-1)  # (B, 128)
    logits = g.dense(x, (2, 2 * FILTERS), name="dense")  # (B, 2)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "textcnn",
        inputs=[helper.make_tensor_value_info("words", TensorProto.INT64, ["B", "T"])],
        outputs=[helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 2])],
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
    helper.set_model_props(model, {"source": "sst2.bm"})
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
    model, alone = build_textcnn(), args.weights is None
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
