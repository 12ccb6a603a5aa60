# Written by bmc from a .bm file; the file is yours to edit.
"""Draw a run of LeNet: curves, results, and the worst of the test rows.

python report.py --weights run/weights.safetensors --data mnist_10k.npz
"""

import argparse
import json
import signal
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from data import Array, Arrays, load
from evaluate import cross_entropy
from predict import choose_device, compute_outputs, load_model, predict
from table import write_table

WORST = 50  # rows that are listed


def compute_loss(arrays: Arrays) -> float:
    """Return the loss of some rows."""
    return cross_entropy(arrays["logits"], arrays["digit"])


def draw_curves(records: Path, picture: Path) -> None:
    """Draw each number of a run's records, that of the validation rows beside it."""
    lines = records.read_text(encoding="utf-8").splitlines()
    table = [json.loads(line) for line in lines]
    unit = "step" if "step" in table[0] else "epoch"
    names = [name for name in table[0] if name not in ("step", "epoch", "seconds")]
    names = list(dict.fromkeys(name.removeprefix("validation_") for name in names))
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    places = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(places, names, strict=True):
        pairs = ((name, "training", "C0"), (f"validation_{name}", "validation", "C1"))
        for key, label, color in pairs:
            if key in table[0]:
                values = [record[key] for record in table]
                units = [record[unit] for record in table]
                axes.plot(units, values, color, label=label)
        axes.set(title=name, xlabel=unit)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    figure.savefig(picture)


def draw_confusion(arrays: Arrays, picture: Path) -> None:
    """Draw which classes were taken for which."""
    target = arrays["digit"]
    predicted = arrays["logits"].argmax(axis=-1)
    figure = Figure(figsize=(7.0, 7.0), layout="constrained")
    ConfusionMatrixDisplay.from_predictions(
        target.reshape(-1),
        predicted.reshape(-1),
        labels=np.arange(10),
        include_values=True,
        ax=figure.subplots(),
    )
    figure.savefig(picture)


def write_worst(rows: Array, arrays: Arrays, table: Path) -> None:
    """List the rows with the highest losses, by their numbers in the data."""
    losses = np.array(
        [
            compute_loss({name: array[[i]] for name, array in arrays.items()})
            for i in range(len(rows))
        ]
    )
    columns = {"row": rows, "loss": losses} | predict(arrays)
    worst = np.argsort(-losses, kind="stable")[:WORST]
    write_table(table, {name: column[worst] for name, column in columns.items()})


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True, type=Path, help="trained weights")
    parser.add_argument("--data", required=True, type=Path, help="where the data is")
    splits = ["train", "validation", "test"]
    parser.add_argument("--split", choices=splits, default="test")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    args = parser.parse_args()

    folder = args.weights.parent
    made: list[Path] = []
    records = folder / "metrics.jsonl"
    if records.exists() and records.stat().st_size:
        draw_curves(records, folder / "curves.png")
        made.append(folder / "curves.png")
    providers = choose_device(args.device)
    model = load_model(args.weights, providers)
    data = load(args.data)
    if args.split not in data.rows:
        raise SystemExit(f"{args.data}: has no rows for {args.split}")
    arrays = compute_outputs(model, data, args.split)
    draw_confusion(arrays, folder / "confusion.png")
    made.append(folder / "confusion.png")
    write_worst(data.rows[args.split], arrays, folder / "worst.csv")
    made.append(folder / "worst.csv")
    for path in made:
        print(path)


if __name__ == "__main__":
    main()
