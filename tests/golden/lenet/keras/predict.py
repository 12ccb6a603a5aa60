# Written by bmc from a .bm file; the file is yours to edit.
"""Write the predictions of LeNet as a table, a line for each row of the data.

python predict.py --weights run/weights.safetensors --data mnist_10k.npz -o out.csv
"""

import argparse
import os
import signal
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from data import Array, Arrays, Data, load_inputs
from model import build_lenet, name_weights
from table import write_table
from weights import read_weights

BATCH = 1000


def choose_device(name: str) -> None:
    """Hide the GPU from TensorFlow, or insist on one; "auto" takes what is there."""
    if name == "cpu":
        tf.config.set_visible_devices([], "GPU")
    elif name == "cuda" and not tf.config.list_physical_devices("GPU"):
        raise SystemExit("--device cuda: TensorFlow finds no GPU")


def load_model(weights: Path) -> keras.Model:
    model = build_lenet()
    places = name_weights(model)
    wanted = {name: place.store().shape for name, place in places.items()}
    tensors = read_weights(weights, wanted)
    for name, place in places.items():
        place.restore(tensors[name])
    return model


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def compute_outputs(model: keras.Model, data: Data, split: str) -> Arrays:
    """Run the model on the rows of a split; return its outputs, and their targets."""
    rows: list[Arrays] = []
    for batch in data.batches(split, BATCH):
        logits = model.predict_on_batch(batch.pop("image"))
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

    choose_device(args.device)
    model = load_model(args.weights)
    data = load_inputs(args.data)
    arrays = compute_outputs(model, data, "predict")
    write_table(args.output, predict(arrays))


if __name__ == "__main__":
    main()
