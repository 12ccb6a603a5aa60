# Written by bmc from a .bm file; the file is yours to edit.
"""Print loss and accuracy on the test rows, or on others, as JSON.

python evaluate.py --weights run/weights.safetensors --data optdigits.npz
"""

import argparse
import json
import signal
import sys
from pathlib import Path

import numpy as np

from data import Array, Arrays, load
from predict import choose_device, compute_outputs, load_model


def log_softmax(logits: Array) -> Array:
    """Logarithms of the probabilities along the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    logarithms: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logarithms


def smooth_cross_entropy(logits: Array, target: Array, smoothing: float) -> float:
    """Cross-entropy against targets mixed with the uniform distribution, in nats."""
    logarithms = log_softmax(logits)
    of_target = logarithms[np.arange(len(target)), target]
    mixed = (1 - smoothing) * of_target + smoothing * logarithms.mean(axis=-1)
    return -float(mixed.mean())


def accuracy(logits: Array, target: Array) -> float:
    """The share of rows whose highest logit is that of their class."""
    return float((logits.argmax(axis=-1) == target).mean())


def compute_metrics(arrays: Arrays) -> dict[str, float]:
    """Score the outputs of the model against the targets of the same rows."""
    return {
        "loss": smooth_cross_entropy(arrays["logits"], arrays["digit"], 0.1),
        "accuracy": accuracy(arrays["logits"], arrays["digit"]),
    }


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="trained weights")
    parser.add_argument("--data", required=True, type=Path, help="where the data is")
    splits = ["train", "validation", "test"]
    parser.add_argument("--split", choices=splits, default="test")
    parser.add_argument("--all", action="store_true", help="score all rows of the data")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    args = parser.parse_args()

    providers = choose_device(args.device)
    model = load_model(args.weights, providers)
    data = load(args.data)
    split = "all" if args.all else args.split
    data.rows["all"] = np.unique(np.concatenate(list(data.rows.values())))
    if split not in data.rows:
        raise SystemExit(f"{args.data}: has no rows for {split}")
    counted = f"{len(data.rows[split])} of {len(data.rows['all'])} rows"
    print(f"{split}: {counted}", file=sys.stderr)
    arrays = compute_outputs(model, data, split)
    print(json.dumps(compute_metrics(arrays), indent=2))


if __name__ == "__main__":
    main()
