# Written by bmc from a .bm file; the file is yours to edit.
"""Write the predictions of SmallResNet as a table, a line for each row of the data.

python predict.py --weights run/weights.safetensors --data optdigits.npz -o out.csv
"""

import argparse
import signal
from pathlib import Path

import numpy as np
import torch
from torch import nn

from data import Array, Arrays, Data, load_inputs
from model import SmallResNet, name_weights
from table import write_table
from weights import read_weights

BATCH = 1000


def choose_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    elif name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: PyTorch finds no GPU")
    return torch.device(name)


def load_model(weights: Path, device: torch.device) -> nn.Module:
    model = SmallResNet().to(device)
    wanted = {name: tuple(tensor.shape) for name, tensor in name_weights(model).items()}
    found = read_weights(weights, wanted)
    tensors = {name: torch.from_numpy(array) for name, array in found.items()}
    model.load_state_dict(tensors, strict=False)
    return model


def softmax(logits: Array) -> Array:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


@torch.inference_mode()
def compute_outputs(model: nn.Module, data: Data, split: str) -> Arrays:
    """Run the model on the rows of a split; return its outputs, and their targets."""
    device = next(model.parameters()).device
    model.eval()
    rows: list[Arrays] = []
    for batch in data.batches(split, BATCH):
        image = torch.from_numpy(batch.pop("image")).to(device)
        logits = model(image)
        rows.append(batch | {"logits": logits.cpu().numpy()})
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

    device = choose_device(args.device)
    model = load_model(args.weights, device)
    data = load_inputs(args.data)
    arrays = compute_outputs(model, data, "predict")
    write_table(args.output, predict(arrays))


if __name__ == "__main__":
    main()
