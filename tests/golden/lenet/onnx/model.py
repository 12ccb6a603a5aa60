# Written by bmc from a .bm file; the file is yours to edit.
"""LeNet-5 (LeCun et al. 1998) on handwritten digits, with ReLU and max pooling.

Source: lenet.bm. 61,706 parameters.
Input:  image, float (B, 1, 28, 28).
Output: logits, float (B, 10).

python model.py -o model.onnx
"""

import argparse
import json
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

OPSET = 23
IR_VERSION = 11


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


def build_lenet() -> onnx.ModelProto:
    g = Graph()
    image = "image"

    x = g.conv(image, (6, 1, 5, 5), name="conv1", pads=[2, 2, 2, 2])  # (B, 6, 28, 28)
    x = g.add("Relu", x, name="relu1")
    x = g.add("MaxPool", x, name="max_pool1", kernel_shape=[2, 2], strides=[2, 2])
    x = g.conv(x, (16, 6, 5, 5), name="conv2")  # (B, 16, 10, 10)
    x = g.add("Relu", x, name="relu2")
    features = g.add("MaxPool", x, name="features", kernel_shape=[2, 2], strides=[2, 2])

    x = g.add("Flatten", features, name="flatten", axis=1)  # (B, 400)
    x = g.dense(x, (120, 400), name="dense1")  # (B, 120)
    x = g.add("Relu", x, name="relu3")
    x = g.dense(x, (84, 120), name="dense2")  # (B, 84)
    x = g.add("Relu", x, name="relu4")
    logits = g.dense(x, (10, 84), name="dense3")  # (B, 10)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "lenet",
        inputs=[
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 1, 28, 28])
        ],
        outputs=[helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 10])],
    )


def finish(
    g: Graph,
    name: str,
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Make a model whose weights stay in weights.safetensors."""
    weights = []
    for key, shape in g.weights.items():
        tensor = TensorProto(name=key, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.safetensors")
        weights.append(tensor)
    graph = helper.make_graph(g.nodes, name, inputs, outputs, weights)
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=[opset])


def save(model: onnx.ModelProto, path: str | Path) -> None:
    """Write the graph, and beside it the shapes of the weights that it reads."""
    onnx.save(model, path)
    shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    Path(path).with_suffix(".json").write_text(json.dumps(shapes, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", default="model.onnx")
    args = parser.parse_args()
    save(build_lenet(), args.output)


if __name__ == "__main__":
    main()
