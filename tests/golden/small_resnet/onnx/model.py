# Written by bmc from a .bm file; the file is yours to edit.
"""A residual network (He et al. 2016) for handwritten digits of 8 x 8 pixels.

Source: small_resnet.bm. 61,498 parameters.
Input:  image, float (B, 1, 8, 8).
Output: logits, float (B, 10).

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

WIDTH = 16
DEPTH = 2


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


def residual(g: Graph, x: str, in_channels: int, filters: int, name: str) -> str:
    """Two convolutions, and the input added to what they give."""
    body = g.conv_without_bias(
        x, (filters, in_channels, 3, 3), name=f"{name}.conv1", pads=[1, 1, 1, 1]
    )  # (B, filters, height, width)
    body = g.norm(body, filters, name=f"{name}.norm1", epsilon=1e-5)
    body = g.add("Relu", body, name=f"{name}.relu1")
    body = g.conv_without_bias(
        body, (filters, filters, 3, 3), name=f"{name}.conv2", pads=[1, 1, 1, 1]
    )
    body = g.norm(body, filters, name=f"{name}.norm2", epsilon=1e-5)

    y = g.add("Add", body, x, name=f"{name}.sum")  # (B, in_channels, height, width)
    y = g.add("Relu", y, name=f"{name}.y")
    return y


def downsample(g: Graph, x: str, in_channels: int, filters: int, name: str) -> str:
    """Half the size and other channels; the shortcut is a convolution."""
    body = g.conv_without_bias(
        x,
        (filters, in_channels, 3, 3),
        name=f"{name}.conv1",
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    )  # (B, filters, (height - 1) // 2 + 1, (width - 1) // 2 + 1)
    body = g.norm(body, filters, name=f"{name}.norm1", epsilon=1e-5)
    body = g.add("Relu", body, name=f"{name}.relu1")
    body = g.conv_without_bias(
        body, (filters, filters, 3, 3), name=f"{name}.conv2", pads=[1, 1, 1, 1]
    )
    body = g.norm(body, filters, name=f"{name}.norm2", epsilon=1e-5)

    shortcut = g.conv_without_bias(
        x, (filters, in_channels, 1, 1), name=f"{name}.conv3", strides=[2, 2]
    )  # (B, filters, (height - 1) // 2 + 1, (width - 1) // 2 + 1)
    shortcut = g.norm(shortcut, filters, name=f"{name}.norm3", epsilon=1e-5)

    y = g.add("Add", body, shortcut, name=f"{name}.sum")
    y = g.add("Relu", y, name=f"{name}.y")
    return y


def build_smallresnet() -> onnx.ModelProto:
    g = Graph()
    image = "image"

    x = g.conv_without_bias(image, (WIDTH, 1, 3, 3), name="conv", pads=[1, 1, 1, 1])
    x = g.norm(x, WIDTH, name="norm", epsilon=1e-5)
    stem = g.add("Relu", x, name="stem")

    x = stem
    for i in range(DEPTH):
        x = residual(g, x, in_channels=WIDTH, filters=WIDTH, name=f"residuals1.{i}")
    x = downsample(g, x, in_channels=WIDTH, filters=2 * WIDTH, name="downsample")
    features = x
    for i in range(DEPTH):
        features = residual(
            g,
            features,
            in_channels=2 * WIDTH,
            filters=2 * WIDTH,
            name=f"residuals2.{i}",
        )

    x = g.reduce("ReduceMean", features, [2, 3], name="global_avg_pool")  # (B, 32)
    logits = g.dense(x, (10, 2 * WIDTH), name="dense")  # (B, 10)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "smallresnet",
        inputs=[
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 1, 8, 8])
        ],
        outputs=[helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 10])],
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
    helper.set_model_props(model, {"source": "small_resnet.bm"})
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
    model, alone = build_smallresnet(), args.weights is None
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
