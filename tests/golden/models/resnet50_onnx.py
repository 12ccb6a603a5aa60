# Written by bmc from a .bm file; the file is yours to edit.
"""ResNet-50 (He et al. 2015): 25,557,032 parameters.

Source: resnet50.bm. 25,557,032 parameters.
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


def conv_norm(
    g: Graph, x: str, in_channels: int, out: int, kernel: int, stride: int, name: str
) -> str:
    y = g.conv_without_bias(
        x,
        (out, in_channels, kernel, kernel),
        name=f"{name}.conv",
        strides=[stride, stride],
        pads=[kernel // 2, kernel // 2, kernel // 2, kernel // 2],
    )
    y = g.norm(y, out, name=f"{name}.norm", epsilon=1e-5)
    return y


def bottleneck(
    g: Graph, x: str, in_channels: int, width: int, stride: int, name: str
) -> str:
    body = conv_norm(
        g,
        x,
        in_channels=in_channels,
        out=width,
        kernel=1,
        stride=1,
        name=f"{name}.conv_norm1",
    )  # (B, width, height, width_in)
    body = g.add("Relu", body, name=f"{name}.relu1")
    body = conv_norm(
        g,
        body,
        in_channels=width,
        out=width,
        kernel=3,
        stride=stride,
        name=f"{name}.conv_norm2",
    )
    body = g.add("Relu", body, name=f"{name}.relu2")
    body = conv_norm(
        g,
        body,
        in_channels=width,
        out=4 * width,
        kernel=1,
        stride=1,
        name=f"{name}.conv_norm3",
    )

    if in_channels == 4 * width and stride == 1:
        shortcut = x
    else:
        shortcut = conv_norm(
            g,
            x,
            in_channels=in_channels,
            out=4 * width,
            kernel=1,
            stride=stride,
            name=f"{name}.conv_norm4",
        )

    y = g.add("Add", body, shortcut, name=f"{name}.sum")
    y = g.add("Relu", y, name=f"{name}.y")
    return y


def stage(
    g: Graph, x: str, in_channels: int, width: int, depth: int, stride: int, name: str
) -> str:
    y = bottleneck(
        g,
        x,
        in_channels=in_channels,
        width=width,
        stride=stride,
        name=f"{name}.bottleneck",
    )
    for i in range(depth - 1):
        y = bottleneck(
            g,
            y,
            in_channels=4 * width,
            width=width,
            stride=1,
            name=f"{name}.bottlenecks.{i}",
        )
    return y


def build_resnet50() -> onnx.ModelProto:
    g = Graph()
    image = "image"

    x = conv_norm(g, image, in_channels=3, out=64, kernel=7, stride=2, name="conv_norm")
    x = g.add("Relu", x, name="relu")
    stem = g.add(
        "MaxPool",
        x,
        name="stem",
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1, 1, 1, 1],
    )  # (B, 64, 56, 56)

    x = stage(g, stem, in_channels=64, width=64, depth=3, stride=1, name="stage1")
    x = stage(g, x, in_channels=256, width=128, depth=4, stride=2, name="stage2")
    x = stage(g, x, in_channels=512, width=256, depth=6, stride=2, name="stage3")
    x = stage(g, x, in_channels=1024, width=512, depth=3, stride=2, name="stage4")
    x = g.reduce("ReduceMean", x, [2, 3], name="global_avg_pool")  # (B, 2048)
    logits = g.dense(x, (CLASSES, 2048), name="dense")  # (B, 1000)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "resnet50",
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
    helper.set_model_props(model, {"source": "resnet50.bm"})
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
    model, alone = build_resnet50(), args.weights is None
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
