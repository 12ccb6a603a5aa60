"""LeNet on 10,000 MNIST digits: accuracy of three seeds a backend, and ONNX beside each.

    python benchmarks/lenet.py MNIST_10K.npz

Prints a table: test accuracy after the spec's twelve epochs, and the largest difference between
the probabilities of the program that trained and of the ONNX program, with the same weights.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "specs" / "vision" / "lenet.bm"
SEEDS = (0, 1, 2)


def run(*command: object) -> str:
    """What a Python program prints."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, check=True
    )
    return done.stdout


def table(program: Path, weights: Path, data: str) -> np.ndarray:
    """The predictions of a program: class and probabilities."""
    path = weights.with_name(f"{program.name}.csv")
    run(program / "predict.py", "--weights", weights, "--data", data, "-o", path)
    return np.loadtxt(path, delimiter=",", skiprows=1)


def main() -> None:
    """Trains, evaluates, compares."""
    data = sys.argv[1]
    print("| backend | seed | test accuracy | max |Δ probability| to ONNX |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: Path(folder) / name for name in ("torch", "keras", "onnx")}
        for name, program in programs.items():
            run("-m", "bmc", "compile", SPEC, "--backend", name, "-o", program)
        for name in ("torch", "keras"):
            for seed in SEEDS:
                out = Path(folder) / f"{name}-{seed}"
                given = ("--data", data, "--out", out, "--seed", seed)
                run(programs[name] / "train.py", *given)
                weights = out / "weights.safetensors"
                scored = run(programs[name] / "evaluate.py", "--weights", weights, "--data", data)
                accuracy = json.loads(scored)["accuracy"]
                mine = table(programs[name], weights, data)
                theirs = table(programs["onnx"], weights, data)
                gap = np.abs(mine[:, 1:] - theirs[:, 1:]).max()
                print(f"| {name} | {seed} | {100 * accuracy:.2f} % | {gap:.1e} |", flush=True)


if __name__ == "__main__":
    main()
