# Written by bmc from a .bm file; the file is yours to edit.
"""DenseNet-121 (Huang et al. 2017): 7,978,856 parameters.

Source: densenet121.bm. 7,978,856 parameters.
Input:  image, float (B, 3, 224, 224).
Output: logits, float (B, 1000).

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

GROWTH = 32
CLASSES = 1000


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

    def conv_without_bias(
        self, x: str, shape: tuple[int, ...], name: str, **attributes: Any
    ) -> str:
        """Convolve with a weight (filters, channels, *kernel)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Conv", x, weight, name=name, **attributes)

    def dense(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Gemm", x, weight, bias, name=name, transB=1)

    def norm(self, x: str, channels: int, name: str, epsilon: float) -> str:
        """Normalise each channel by the running statistics."""
        keys = ("weight", "bias", "running_mean", "running_var")
        tensors = [self.weight(f"{name}.{key}", channels) for key in keys]
        return self.add("BatchNormalization", x, *tensors, name=name, epsilon=epsilon)

    def integers(self, values: list[int], name: str) -> str:
        """Whole numbers of the graph's own: axes, sizes."""
        return self.add("Constant", name=name, value_ints=values)

    def reduce(
        self, op: str, x: str, axes: list[int], name: str, keep: bool = False
    ) -> str:
        """Reduce axes to nothing, or to size one."""
        over = self.integers(axes, name=f"{name}.axes")
        return self.add(op, x, over, name=name, keepdims=int(keep))


def dense_layer(g: Graph, x: str, in_channels: int, growth: int, name: str) -> str:
    new = g.norm(x, in_channels, name=f"{name}.norm1", epsilon=1e-5)
    new = g.add("Relu", new, name=f"{name}.relu1")
    new = g.conv_without_bias(
        new, (4 * growth, in_channels, 1, 1), name=f"{name}.conv1"
    )  # (B, 4 * growth, height, width)
    new = g.norm(new, 4 * growth, name=f"{name}.norm2", epsilon=1e-5)
    new = g.add("Relu", new, name=f"{name}.relu2")
    new = g.conv_without_bias(
        new, (growth, 4 * growth, 3, 3), name=f"{name}.conv2", pads=[1, 1, 1, 1]
    )  # (B, growth, height, width)

    y = g.add("Concat", x, new, name=f"{name}.y", axis=1)
    return y


def transition(g: Graph, x: str, in_channels: int, name: str) -> str:
    y = g.norm(x, in_channels, name=f"{name}.norm", epsilon=1e-5)
    y = g.add("Relu", y, name=f"{name}.relu")
    y = g.conv_without_bias(
        y, (in_channels // 2, in_channels, 1, 1), name=f"{name}.conv"
    )  # (B, in_channels // 2, height, width)
    y = g.add("AveragePool", y, name=f"{name}.y", kernel_shape=[2, 2], strides=[2, 2])
    return y


def build_densenet121() -> onnx.ModelProto:
    g = Graph()
    image = "image"

    x = g.conv_without_bias(
        image, (2 * GROWTH, 3, 7, 7), name="conv", strides=[2, 2], pads=[3, 3, 3, 3]
    )  # (B, 64, 112, 112)
    x = g.norm(x, 2 * GROWTH, name="norm1", epsilon=1e-5)
    x = g.add("Relu", x, name="relu1")
    x = g.add(
        "MaxPool",
        x,
        name="max_pool",
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    )  # (B, 64, 56, 56)

    for j in range(3):
        for i in range(6 * 2**j):
            x = dense_layer(
                g,
                x,
                in_channels=(i + 2 * 2**j) * GROWTH,
                growth=GROWTH,
                name=f"dense_layers1.{j}.{i}",
            )
        x = transition(g, x, in_channels=8 * 2**j * GROWTH, name=f"transitions.{j}")

    logits = x
    for i in range(16):
        logits = dense_layer(
            g,
            logits,
            in_channels=(i + 16) * GROWTH,
            growth=GROWTH,
            name=f"dense_layers2.{i}",
        )
    logits = g.norm(logits, 32 * GROWTH, name="norm2", epsilon=1e-5)
    logits = g.add("Relu", logits, name="relu2")
    logits = g.reduce("ReduceMean", logits, [2, 3], name="global_avg_pool")  # (B, 1024)
    logits = g.dense(logits, (CLASSES, 32 * GROWTH), name="dense")  # (B, 1000)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "densenet121",
        inputs=[
            helper.make_tensor_value_info(
                "image", TensorProto.FLOAT, ["B", 3, 224, 224]
            ),
        ],
        outputs=[
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", CLASSES])
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
    helper.set_model_props(model, {"source": "densenet121.bm"})
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
    model, alone = build_densenet121(), args.weights is None
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
