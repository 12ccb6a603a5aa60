"""Trains specs on real data and scores them on rows that were kept for the end.

python benchmarks/real.py DATA [SEEDS [NAME …]]

DATA has a folder for each data set: `adult/train.csv.gz`, and so on; what is not there is left out.
Prints a line of a table for each spec, framework and seed, and how far the two other frameworks'
scores of the same weights are from its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SPECS = Path(__file__).parents[1] / "specs"
FILES = {
    "tabular/adult": "adult/train.csv.gz",
    "tabular/emotions": "emotions/train.csv.gz",
    "tabular/housing": "california_housing/housing.csv.gz",
    "tabular/mammography": "mammography/mammography.csv.gz",
    "tabular/titanic": "titanic/titanic.csv",
    "series/dlinear": "etth1/ETTh1.csv.gz",
    "text/sst2": "sst2/train.tsv",
    "text/chargpt": "tinyshakespeare/input.txt",
    "vision/lenet": "mnist_10k/mnist_10k.npz",
}
SHOWN = (
    "accuracy", "f1_micro", "rmse", "mse", "mae", "perplexity", "average_precision", "roc_auc", "r2",
)  # fmt: skip


def python(folder: Path, *command: object) -> str:
    """What a program prints; its end is awaited."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> None:
    """Trains, scores, prints."""
    data, seeds = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print("| spec | trained in | seed | test scores | others apart |\n|---|---|---|---|---|")
    chosen = sys.argv[3:] or list(FILES)
    for name, file in FILES.items():
        if name not in chosen or not (data / file).exists():
            continue
        with tempfile.TemporaryDirectory() as place:
            folders = {b: Path(place) / b for b in ("torch", "keras", "onnx")}
            for backend, folder in folders.items():
                spec = SPECS / f"{name}.bm"
                python(SPECS, "-m", "bmc", "compile", spec, "--backend", backend, "-o", folder)
            for backend in ("torch", "keras"):
                for seed in range(seeds):
                    run = folders[backend] / f"run{seed}"
                    given = ("--data", data / file)
                    python(folders[backend], "train.py", *given, "--out", run, "--seed", seed)
                    weights = ("--weights", run / "weights.safetensors", *given)
                    scores = {
                        b: json.loads(python(folder, "evaluate.py", *weights))
                        for b, folder in folders.items()
                    }
                    own = scores[backend]
                    apart = max(abs(s[k] - own[k]) for s in scores.values() for k in own)
                    told = ", ".join(f"{k} {own[k]:.4f}" for k in SHOWN if k in own)
                    print(f"| {name} | {backend} | {seed} | {told} | {apart:.0e} |", flush=True)


if __name__ == "__main__":
    main()
