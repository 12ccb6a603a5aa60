# Written by bmc from a .bm file; the file is yours to edit.
"""Write the predictions of SmallResNet as a table, a line for each row of the data.

python predict.py --weights run/weights.safetensors --data optdigits.npz -o out.csv
"""

import argparse
import json
import signal
from pathlib import Path

import numpy as np
import onnxruntime

from data import Array, Arrays, Data, load_inputs
from table import write_table
from weights import read_weights

BATCH = 1000
GRAPH = Path(__file__).with_name("model_graph.onnx")


def choose_device(name: str) -> list[str]:
    """Return onnxruntime's words for the device; "auto" takes a GPU if it can."""
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    if name != "cpu" and cuda in onnxruntime.get_available_providers():
        return [cuda, cpu]
    if name == "cuda":
        raise SystemExit("--device cuda: this onnxruntime was built without CUDA")
    return [cpu]


def load_model(weights: Path, providers: list[str]) -> onnxruntime.InferenceSession:
    """Open the graph and give it the weights; model.py writes the graph if need be."""
    if not GRAPH.exists():
        from model import build_smallresnet, save

        save(build_smallresnet(), GRAPH)
    shapes = json.loads(GRAPH.with_suffix(".json").read_text())
    wanted = {name: tuple(shape) for name, shape in shapes.items()}
    tensors = read_weights(weights, wanted)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(t) for t in tensors.values()]
    options = onnxruntime.SessionOptions()
    options.add_external_initializers(list(tensors), values)
    return onnxruntime.InferenceSession(GRAPH, options, providers=providers)


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def compute_outputs(
    model: onnxruntime.InferenceSession, data: Data, split: str
) -> Arrays:
    """Run the model on the rows of a split; return its outputs, and their targets."""
    rows: list[Arrays] = []
    for batch in data.batches(split, BATCH):
        inputs = {"image": batch.pop("image")}
        (logits,) = model.run(["logits"], inputs)
        rows.append(batch | {"logits": logits})
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def predict(arrays: Arrays) -> Arrays:
    """Return the columns of the table."""
    logits = arrays["logits"]
    return {"digit": logits.argmax(axis=-1), "probability": softmax(logits)}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="trained weights")
    parser.add_argument("--data", required=True, type=Path, help="where the data is")
    written = "a .csv, .jsonl, .npz or .parquet file"
    output = Path("predictions.csv")
    parser.add_argument("-o", "--output", type=Path, default=output, help=written)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    args = parser.parse_args()

    providers = choose_device(args.device)
    model = load_model(args.weights, providers)
    data = load_inputs(args.data)
    arrays = compute_outputs(model, data, "predict")
    write_table(args.output, predict(arrays))


if __name__ == "__main__":
    main()
