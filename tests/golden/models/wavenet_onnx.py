# Written by bmc from a .bm file; the file is yours to edit.
"""WaveNet (van den Oord et al. 2016): layers whose reach doubles, each with a part in
the result.

Source: wavenet.bm. 269,248 parameters.
Input:  wave, float (B, 1, T).
Output: logits, float (B, 256, T).

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

CHANNELS = 64
DEPTH = 10  # decides more than sizes: change it in the .bm file
LEVELS = 256


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


def gated(
    g: Graph, x: str, in_channels: int, dilation: int, name: str
) -> tuple[str, str]:
    filter_ = g.conv(
        x,
        (in_channels, in_channels, 2),
        name=f"{name}.conv1",
        dilations=[dilation],
        pads=[dilation, 0],
    )
    filter_ = g.add("Tanh", filter_, name=f"{name}.filter")

    gate = g.conv(
        x,
        (in_channels, in_channels, 2),
        name=f"{name}.conv2",
        dilations=[dilation],
        pads=[dilation, 0],
    )
    gate = g.add("Sigmoid", gate, name=f"{name}.gate")

    z = g.add("Mul", filter_, gate, name=f"{name}.z")

    residual = g.conv(z, (in_channels, in_channels, 1), name=f"{name}.conv3")
    residual = g.add("Add", x, residual, name=f"{name}.residual")

    skip = g.conv(z, (in_channels, in_channels, 1), name=f"{name}.conv4")
    return residual, skip


def build_wavenet() -> onnx.ModelProto:
    g = Graph()
    wave = "wave"

    x = g.conv(wave, (CHANNELS, 1, 1), name="conv1")  # (B, 64, T)

    skips: list[str] = []
    for i in range(DEPTH):
        x, skip = gated(g, x, in_channels=CHANNELS, dilation=2**i, name=f"gateds.{i}")
        skips.append(skip)

    logits = g.add("Sum", *skips, name="add")
    logits = g.add("Add", x, logits, name="sum")
    logits = g.add("Relu", logits, name="relu1")
    logits = g.conv(logits, (CHANNELS, CHANNELS, 1), name="conv2")
    logits = g.add("Relu", logits, name="relu2")
    logits = g.conv(logits, (LEVELS, CHANNELS, 1), name="conv3")  # (B, 256, T)
    g.add("Identity", logits, name="logits")

    return finish(
        g,
        "wavenet",
        inputs=[
            helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["B", 1, "T"])
        ],
        outputs=[
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["B", LEVELS, "T"]
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
    helper.set_model_props(model, {"source": "wavenet.bm"})
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
    model, alone = build_wavenet(), args.weights is None
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
