# Written by bmc from a .bm file; the file is yours to edit.
"""MobileNetV2.

Source: mobilenetv2.bm. 3,504,872 parameters.
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

    def number(self, value: float, name: str) -> str:
        """A number of the graph's own."""
        return self.add("Constant", name=name, value_float=float(value))

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
    g: Graph,
    x: str,
    in_channels: int,
    out: int,
    kernel: int,
    stride: int,
    groups: int,
    name: str,
) -> str:
    y = g.conv_without_bias(
        x,
        (out, in_channels // groups, kernel, kernel),
        name=f"{name}.conv",
        strides=[stride, stride],
        pads=[kernel // 2, kernel // 2, kernel // 2, kernel // 2],
        group=groups,
    )
    y = g.norm(y, out, name=f"{name}.norm", epsilon=1e-5)
    return y


def inverted(
    g: Graph, x: str, in_channels: int, out: int, expand: int, stride: int, name: str
) -> str:
    body = conv_norm(
        g,
        x,
        in_channels=in_channels,
        out=expand * in_channels,
        kernel=3,
        stride=stride,
        groups=expand * in_channels,
        name=f"{name}.depthwise",
    )
    body = g.add(
        "Clip",
        body,
        g.number(0.0, name=f"{name}.relu6.low"),
        g.number(6.0, name=f"{name}.relu6.high"),
        name=f"{name}.relu6",
    )
    body = conv_norm(
        g,
        body,
        in_channels=expand * in_channels,
        out=out,
        kernel=1,
        stride=1,
        groups=1,
        name=f"{name}.narrow",
    )
    return body


def inverted_2(
    g: Graph, x: str, in_channels: int, out: int, expand: int, stride: int, name: str
) -> str:
    wide = conv_norm(
        g,
        x,
        in_channels=in_channels,
        out=expand * in_channels,
        kernel=1,
        stride=1,
        groups=1,
        name=f"{name}.widen",
    )  # (B, expand * in_channels, height, width)
    wide = g.add(
        "Clip",
        wide,
        g.number(0.0, name=f"{name}.wide.low"),
        g.number(6.0, name=f"{name}.wide.high"),
        name=f"{name}.wide",
    )

    body = conv_norm(
        g,
        wide,
        in_channels=expand * in_channels,
        out=expand * in_channels,
        kernel=3,
        stride=stride,
        groups=expand * in_channels,
        name=f"{name}.depthwise",
    )
    body = g.add(
        "Clip",
        body,
        g.number(0.0, name=f"{name}.relu6_2.low"),
        g.number(6.0, name=f"{name}.relu6_2.high"),
        name=f"{name}.relu6_2",
    )
    body = conv_norm(
        g,
        body,
        in_channels=expand * in_channels,
        out=out,
        kernel=1,
        stride=1,
        groups=1,
        name=f"{name}.narrow",
    )

    if stride == 1 and in_channels == out:
        y = g.add("Add", x, body, name=f"{name}.y")  # (B, out, height, width)
    else:
        y = body
    return y


def build_mobilenetv2() -> onnx.ModelProto:
    g = Graph()
    image = "image"

    x = conv_norm(
        g, image, in_channels=3, out=32, kernel=3, stride=2, groups=1, name="conv_norm1"
    )  # (B, 32, 112, 112)
    x = g.add(
        "Clip",
        x,
        g.number(0.0, name="relu6_1.low"),
        g.number(6.0, name="relu6_1.high"),
        name="relu6_1",
    )

    x = inverted(g, x, in_channels=32, out=16, expand=1, stride=1, name="inverteds1.0")

    x = inverted_2(
        g, x, in_channels=16, out=24, expand=6, stride=2, name="inverteds1.1"
    )  # (B, 24, 56, 56)
    x = inverted_2(
        g, x, in_channels=24, out=24, expand=6, stride=1, name="inverteds2.0.0"
    )

    x = inverted_2(
        g, x, in_channels=24, out=32, expand=6, stride=2, name="inverteds1.2"
    )  # (B, 32, 28, 28)
    for i in range(2):
        x = inverted_2(
            g, x, in_channels=32, out=32, expand=6, stride=1, name=f"inverteds2.1.{i}"
        )

    x = inverted_2(
        g, x, in_channels=32, out=64, expand=6, stride=2, name="inverteds1.3"
    )  # (B, 64, 14, 14)
    for i in range(3):
        x = inverted_2(
            g, x, in_channels=64, out=64, expand=6, stride=1, name=f"inverteds2.2.{i}"
        )

    x = inverted_2(
        g, x, in_channels=64, out=96, expand=6, stride=1, name="inverteds1.4"
    )  # (B, 96, 14, 14)
    for i in range(2):
        x = inverted_2(
            g, x, in_channels=96, out=96, expand=6, stride=1, name=f"inverteds2.3.{i}"
        )

    x = inverted_2(
        g, x, in_channels=96, out=160, expand=6, stride=2, name="inverteds1.5"
    )  # (B, 160, 7, 7)
    for i in range(2):
        x = inverted_2(
            g, x, in_channels=160, out=160, expand=6, stride=1, name=f"inverteds2.4.{i}"
        )

    x = inverted_2(
        g, x, in_channels=160, out=320, expand=6, stride=1, name="inverteds1.6"
    )  # (B, 320, 7, 7)

    logits = conv_norm(
        g, x, in_channels=320, out=1280, kernel=1, stride=1, groups=1, name="conv_norm2"
    )  # (B, 1280, 7, 7)
    logits = g.add(
        "Clip",
        logits,
        g.number(0.0, name="relu6_2.low"),
        g.number(6.0, name="relu6_2.high"),
        name="relu6_2",
    )
    logits = g.reduce("ReduceMean", logits, [2, 3], name="global_avg_pool")  # (B, 1280)
    logits = g.dense(logits, (CLASSES, 1280), name="dense")  # (B, 1000)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "mobilenetv2",
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
    helper.set_model_props(model, {"source": "mobilenetv2.bm"})
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
    model, alone = build_mobilenetv2(), args.weights is None
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
