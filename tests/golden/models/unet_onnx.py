# Written by bmc from a .bm file; the file is yours to edit.
"""U-Net (Ronneberger et al. 2015) with padded convolutions and batch norm: 31,037,698
parameters.

Source: unet.bm. 31,037,698 parameters.
Input:  image, float (B, 3, 256, 256).
Output: logits, float (B, 2, 256, 256).

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

WIDTH = 64
CLASSES = 2


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

    def conv_without_bias(
        self, x: str, shape: tuple[int, ...], name: str, **attributes: Any
    ) -> str:
        """Convolve with a weight (filters, channels, *kernel)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Conv", x, weight, name=name, **attributes)

    def conv_transpose(
        self, x: str, shape: tuple[int, ...], filters: int, name: str, **attributes: Any
    ) -> str:
        """Stamp a weight (channels, filters / groups, *kernel), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", filters)
        return self.add("ConvTranspose", x, weight, bias, name=name, **attributes)

    def norm(self, x: str, channels: int, name: str, epsilon: float) -> str:
        """Normalise each channel by the running statistics."""
        keys = ("weight", "bias", "running_mean", "running_var")
        tensors = [self.weight(f"{name}.{key}", channels) for key in keys]
        return self.add("BatchNormalization", x, *tensors, name=name, epsilon=epsilon)


def double_conv(g: Graph, x: str, in_channels: int, out: int, name: str) -> str:
    """(B, in_channels, height, width) -> (B, out, height, width)."""
    y = g.conv_without_bias(
        x, (out, in_channels, 3, 3), name=f"{name}.conv1", pads=[1, 1, 1, 1]
    )  # (B, out, height, width)
    y = g.norm(y, out, name=f"{name}.norm1", epsilon=1e-5)
    y = g.add("Relu", y, name=f"{name}.relu1")
    y = g.conv_without_bias(
        y, (out, out, 3, 3), name=f"{name}.conv2", pads=[1, 1, 1, 1]
    )
    y = g.norm(y, out, name=f"{name}.norm2", epsilon=1e-5)
    y = g.add("Relu", y, name=f"{name}.y")
    return y


def build_unet() -> onnx.ModelProto:
    g = Graph()
    image = "image"

    skip = double_conv(g, image, in_channels=3, out=WIDTH, name="double_convs1.0")
    skips: list[str] = []
    skips.append(skip)

    x = g.add("MaxPool", skip, name="max_pools.0", kernel_shape=[2, 2], strides=[2, 2])
    for i in range(1, 4):
        skip = double_conv(
            g,
            x,
            in_channels=WIDTH * 2 ** (i - 1),
            out=WIDTH * 2**i,
            name=f"double_convs1.{i}",
        )
        skips.append(skip)
        x = g.add(
            "MaxPool", skip, name=f"max_pools.{i}", kernel_shape=[2, 2], strides=[2, 2]
        )
    x = double_conv(g, x, in_channels=WIDTH * 8, out=16 * WIDTH, name="double_conv")
    for i in range(4):
        up = g.conv_transpose(
            x,
            (16 * WIDTH // 2**i, 8 * WIDTH // 2**i, 2, 2),
            8 * WIDTH // 2**i,
            name=f"conv_transposes.{i}",
            strides=[2, 2],
        )
        x = g.add("Concat", skips[3 - i], up, name=f"concats.{i}", axis=1)
        x = double_conv(
            g,
            x,
            in_channels=16 // 2**i * WIDTH,
            out=8 * WIDTH // 2**i,
            name=f"double_convs2.{i}",
        )
    logits = g.conv(x, (CLASSES, WIDTH, 1, 1), name="conv")  # (B, 2, 256, 256)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "unet",
        inputs=[
            helper.make_tensor_value_info(
                "image", TensorProto.FLOAT, ["B", 3, 256, 256]
            ),
        ],
        outputs=[
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["B", CLASSES, 256, 256]
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
    helper.set_model_props(model, {"source": "unet.bm"})
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
    model, alone = build_unet(), args.weights is None
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
